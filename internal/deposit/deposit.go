// Package deposit is the room in which an upload arrives and is complete.
//
// In: whatever programs write into deposit/, with whatever tool, at whatever
// pace. Out: a [View] of what is there, and, when it is complete, a [Sealed]
// upload: private copies that no uploader can still change, with their sums.
// Never: a judgement of what the files mean, anything outside deposit/ (no
// symbolic link below it is followed), and no file taken out of deposit/ other
// than the very ones that were sealed.
//
// When is an upload complete? When no program has a file of it open for
// writing, no name in it is one that uploaders give to unfinished files, and
// two walks with the quiet period between them have seen the same, without an
// event in between. Or when the uploader says so, by removing the file .hold;
// or a person does, by "ota apply"; or a manifest lists it, and all that it lists
// is there: then without a quiet period. Neither "the
// file was closed" nor "its size has not changed" means anything: a client
// whose connection broke closes its files too, and one that stalls changes
// nothing.
//
// Some names never count: see [Room] for them. A folder in which only such
// names are is a placeholder (data/.gitkeep): it is made in main/ together with
// the next upload, and makes no upload by itself, since it stays in deposit/.
package deposit

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"ota/internal/reason"
)

// State is what deposit/ is like.
type State string

// The states.
const (
	Empty     State = "empty"     // nothing in it that counts
	Receiving State = "receiving" // something is arriving, or is not complete yet
	Complete  State = "complete"  // an upload can be sealed
)

// View is what a look at deposit/ found.
type View struct {
	State State
	Files int   // of the upload so far; folders do not count
	Bytes int64 // of these files
	// Waiting says what a receiving upload waits for; for an empty deposit/,
	// what is wrong with the folder. No reason: only the quiet period is left.
	Waiting []reason.Reason
	// Upload is there if the state is Complete.
	Upload *Snapshot
	// Asked is how many calls of Look and Apply, taken together, came before
	// this look. Who counts its calls can tell the answer from an older view.
	Asked uint64
}

// Options are what a Room must be told.
type Options struct {
	Dir      string               // deposit/
	Incoming string               // .ota/incoming, for private copies; made if missing
	Quiet    func() time.Duration // for how long nothing may change
	// Discarded is where Discard puts things; Keep of these folders are kept
	// (0: all).
	Discarded string
	Keep      int
	// Ignore tells the paths that never count; nothing below such a folder is
	// looked at. It is called by several goroutines. May be nil.
	Ignore  func(path string) bool
	Packing Packing
	Log     *slog.Logger // nil: nothing is logged
}

// ErrChanged is the error of Seal when the upload was not complete after all:
// somebody wrote while it was copied.
var ErrChanged = errors.New("the upload changed while it was copied")

// Room watches one deposit/. Run is called once; the other methods may be called
// by several goroutines, before, during and after Run.
//
// Files called .keep, .gitkeep, .DS_Store, Thumbs.db and desktop.ini, and what
// Options.Ignore names, never count and stay where they are.
type Room struct {
	options Options
	views   chan View
	asks    chan struct{} // of 1: asked has grown
	// openDisk is replaced by tests, which have a disk without a clock.
	openDisk func(Options) disk
	// copied and taken are called by Seal and Remove after a file was copied or
	// renamed; tests make clients interfere there. May be nil.
	copied, taken func(path string)

	// taking is held while files are taken out, so that no look sees half of
	// an upload and takes it for a new one.
	taking sync.Mutex

	vouched vouched // of these files somebody has counted the bytes
	wrong   vouched // these have another content than their manifest lists

	mutex sync.Mutex // guards what follows
	asked asked
}

// asked is what was asked of the room.
type asked struct {
	calls  uint64 // of Look and Apply so far
	orders uint64 // of Apply so far
}

// New remembers the options.
func New(options Options) *Room {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	if options.Ignore == nil {
		options.Ignore = func(string) bool { return false }
	}
	options.Packing.complete()
	return &Room{
		options:  options,
		views:    make(chan View, 1),
		asks:     make(chan struct{}, 1),
		openDisk: openSystem,
	}
}

// Run makes deposit/ if it is missing and watches it until ctx ends. It survives
// that deposit/ is removed, replaced, mounted over or unmounted.
func (r *Room) Run(ctx context.Context) error {
	if err := r.putBackTaken(); err != nil {
		r.options.Log.Warn("cannot clean up after an interruption", "error", err)
	}
	disk := r.openDisk(r.options)
	defer disk.close()
	attend(ctx, r, disk)
	return nil
}

// Views hands out the newest view. One that nobody has received is replaced, so
// the room never waits for its reader, of which there is one. A complete upload
// is announced once, until it changes or somebody calls Look.
func (r *Room) Views() <-chan View { return r.views }

// Look makes the room look again and announce what it finds, even if nothing
// has changed. It does not wait for that.
func (r *Room) Look() { r.ask(asked{calls: 1}) }

// Apply says that a person wants what is in deposit/ now: no quiet period is
// kept, .hold and unfinished names do not hold it up (files with such names
// stay behind), only an open writer does. It does not wait for that; the answer
// is the next view, and is announced even if nothing has changed.
func (r *Room) Apply() { r.ask(asked{calls: 1, orders: 1}) }

// Snapshot is an upload as it was when it was complete. It does not change and
// may be used by several goroutines.
type Snapshot struct {
	tree  *tree
	basis basis
}

// Files is how many files and links there are in the upload.
func (s *Snapshot) Files() int { return s.tree.files }

// Paths is how many files, links and folders there are in the upload.
func (s *Snapshot) Paths() int { return len(s.tree.items) }

// Bytes is the size of all files together.
func (s *Snapshot) Bytes() int64 { return s.tree.bytes }

// Forced reports whether the upload is complete because of Apply.
func (s *Snapshot) Forced() bool { return s.basis == byOrder }

// Kind is what stands at a path of an upload.
type Kind string

// The kinds.
const (
	KindFile   Kind = "file"
	KindFolder Kind = "folder"
	KindLink   Kind = "link" // symbolic
	kindOther  Kind = "other"
)

// File is one path of a sealed upload.
type File struct {
	Path string
	Kind Kind
	// Mode is the permission bits, without those that would let others write,
	// and always with those that let the owner read (and enter a folder).
	Mode    fs.FileMode
	ModTime time.Time
	Size    int64    // of a file
	Sum     [32]byte // SHA-256 of a file's private copy
	Target  string   // of a link
	// Copy is the path of a file's private copy; who needs it for longer than
	// the Sealed moves it away. Its modification time is that of the original.
	Copy string
	// Whole: somebody has vouched for its size, see [Room.Vouch].
	Whole bool

	original identity
	racy     bool // may have been written again without a trace in original
}

// Sealed is an upload of which there is a private copy.
type Sealed struct {
	Dir      string          // holds the private copies
	Files    []File          // a folder comes before what is in it
	Warnings []reason.Reason // what was not taken as it was
	Forced   bool            // complete because of Apply
	Packed   *Packed         // what a packed release says of itself; nil: it is none

	beside   []File // goes out of deposit/, too, and is no part of the release
	archived bool   // Files are not in deposit/
}

// Seal copies the upload and then looks again. The error is ErrChanged if it is
// not exactly as it was or a program has a file of it open for writing, a
// *reason.Refused if it holds what can never be taken, ctx's, or the system's
// (no space, for one). After an error nothing is left of the copy.
func (r *Room) Seal(ctx context.Context, upload *Snapshot) (*Sealed, error) {
	return r.seal(ctx, upload)
}

// Remove takes out of deposit/ what was sealed: the files that are still the
// same, and then the folders of the upload that are empty. A file that was
// changed, replaced or opened for writing since stays. Remove may be called
// again after an error.
func (r *Room) Remove(sealed *Sealed) error { return r.remove(sealed) }
