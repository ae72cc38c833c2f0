// Package drop receives uploads that come over the network, in pieces, and puts
// them into deposit/ when they are whole.
//
// In: files in any number of pieces, each from the offset on at which the one
// before has ended, over connections that break and in spite of restarts and
// power cuts; the word that a drop is complete. Out: files in deposit/, each of
// which appears there whole; those of one drop under the file .hold, whose
// removal says that the upload is complete. Never: a file outside deposit/, a
// byte that is counted and not there, a step through a symbolic link.
//
// A drop is a number of files that become complete together. A file that belongs
// to none goes to deposit/ as soon as it is whole. Until then they are in
// .ota/uploads:
//
//	boot              the boot of the machine since which the files are as they are
//	ID/box.json       a drop, or what a single file is kept in
//	ID/FILE.json      path and size of a file
//	ID/FILE           as much of it as has come
//
// What a power cut leaves of a file is uncertain: a size may be there without
// the data. So in the first start after a boot a file is cut back to what was
// certainly synced: to the last multiple of [syncEvery] below its size, or to
// what its JSON says.
package drop

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"ota/internal/kit/escape"
)

// Limits of what is kept.
const (
	maxDrops    = 20
	maxFiles    = 10_000  // of a drop, and files that belong to none
	maxArrivals = 100_000 // in all
	// MaxSize is the size of the largest file: what every JSON reader can count.
	MaxSize = 1 << 53
)

// patience is how long an upload may make no progress, in time that ota runs.
const patience = 24 * time.Hour

// Options are what a Room must be told.
type Options struct {
	Dir     string       // .ota/uploads; made when something comes
	Deposit string       // deposit/; made if missing
	Log     *slog.Logger // nil: nothing is logged
	// Vouch is told of each file that stands in deposit/ now: it has the size that
	// was announced. May be nil.
	Vouch func(path string, info fs.FileInfo)
	// Changed is called after a change of what Drops and Progress return, by
	// several goroutines, and does not wait. May be nil.
	Changed func()
}

// Drop is a number of files that become complete together.
type Drop struct {
	ID       string
	Created  time.Time
	Expected int   // files; 0: not known
	Bytes    int64 // of all files; 0: not known
	Received int64
	Files    []Arrival // that have begun, oldest first
}

// Arrival is a file on its way.
type Arrival struct {
	ID     string
	Drop   string // "": it belongs to none
	Path   string // below deposit/, slash-separated
	Size   int64
	Offset int64 // bytes that have come
}

// Progress is how far everything that comes has come.
type Progress struct {
	Files, Done     int // announced or begun; whole
	Bytes, Received int64
}

// Unknown is the error for an upload that is not there: cancelled, complete, or
// given up.
type Unknown struct{ ID string }

// Error names it.
func (u *Unknown) Error() string { return "there is no upload " + escape.Name(u.ID) }

// NoSpace is the error for what does not fit.
type NoSpace struct{ Need, Free int64 }

// Error says how much is missing.
func (n *NoSpace) Error() string {
	return fmt.Sprintf("there is not enough free space: %d bytes needed, %d free", n.Need, n.Free)
}

// Refused is the error for what is never taken, however often it is tried.
type Refused struct{ Why string }

// Error says why.
func (r *Refused) Error() string { return r.Why }

func refuse(format string, args ...any) error { return &Refused{fmt.Sprintf(format, args...)} }

// WrongOffset is the error for a piece that does not begin where the one before
// has ended.
type WrongOffset struct{ Offset int64 }

// Error says where it has.
func (w *WrongOffset) Error() string {
	return fmt.Sprintf("the file has %d bytes so far, and goes on there", w.Offset)
}

var (
	// ErrBusy is the error for a file that another connection is writing.
	ErrBusy = errors.New("another connection is sending this file")
	// ErrTooMuch is the error for more bytes than were announced. None of them
	// is kept.
	ErrTooMuch = errors.New("there are more bytes than were announced")
)

// Room holds what is on its way. Run is called once; the other methods may be
// called by several goroutines, before, during and after Run.
type Room struct {
	options Options
	wake    chan struct{}                   // of 1: something has begun
	free    func(dir string) (int64, error) // replaced by tests
	// step is called by tests' rooms before each step of a completion; an error
	// ends it there, as a killed ota would. May be nil.
	step func(name string) error

	placing sync.Mutex // held by who moves files into deposit/

	mutex    sync.Mutex // guards what follows, and is not held over slow writes
	loaded   loading
	next     int // number of the next box
	boxes    map[string]*box
	arrivals map[string]*arrival
	done     finished
}

// loading is whether what an ota before this one has left was looked at.
type loading string

const (
	notYet loading = "not yet"
	looked loading = "looked"
)

// New remembers the options.
func New(options Options) *Room {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	if options.Changed == nil {
		options.Changed = func() {}
	}
	return &Room{
		options:  options,
		wake:     make(chan struct{}, 1),
		free:     freeSpace,
		loaded:   notYet,
		boxes:    map[string]*box{},
		arrivals: map[string]*arrival{},
	}
}

// Run carries to its end what an ota before this one had begun to put into
// deposit/, and gives up, until ctx ends, what makes no progress.
func (r *Room) Run(ctx context.Context) error {
	if err := r.load(); err != nil {
		return err
	}
	r.resume(ctx)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if due := r.expire(time.Now()); due.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(due))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-r.wake:
		}
	}
}

// resume goes on with what was being put into deposit/, and with single files
// that were about to be.
func (r *Room) resume(ctx context.Context) {
	for _, box := range r.ordered() {
		r.mutex.Lock()
		begun := box.state != open
		lying := box.kind == single && box.whole() == nil
		r.mutex.Unlock()
		var err error
		switch {
		case ctx.Err() != nil:
			return
		case begun:
			_, err = r.CompleteDrop(box.id)
		case lying:
			err = r.placeSingle(box)
		}
		if err != nil {
			r.options.Log.Warn("an upload can't be put into deposit", "upload", box.id, "error", err)
		}
	}
}

// expire gives up what has made no progress for too long, and returns when to
// look again; zero: when something begins.
func (r *Room) expire(now time.Time) (due time.Time) {
	for _, box := range r.ordered() {
		ends, idle := r.idleUntil(box)
		if !idle {
			ends = now.Add(patience)
		}
		if idle && !now.Before(ends) {
			r.options.Log.Warn("an upload has made no progress for a day and is given up", "upload", box.id)
			if err := r.cancel(box); err != nil {
				r.options.Log.Warn("an upload can't be given up", "upload", box.id, "error", err)
				ends = now.Add(patience)
			} else {
				continue
			}
		}
		if due.IsZero() || ends.Before(due) {
			due = ends
		}
	}
	return due
}

// idleUntil is when a box has waited long enough. One that somebody writes, or
// whose files are being put into deposit/, is not idle.
func (r *Room) idleUntil(b *box) (ends time.Time, idle bool) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, one := range b.files {
		if one.writer != nil {
			return time.Time{}, false
		}
	}
	return b.touched.Add(patience), b.state == open
}

// Drops returns those that are on their way, oldest first.
func (r *Room) Drops() []Drop {
	if err := r.load(); err != nil {
		r.options.Log.Warn("cannot look for unfinished uploads", "error", err)
	}
	var drops []Drop
	for _, box := range r.ordered() {
		if box.kind == many {
			r.mutex.Lock()
			drops = append(drops, box.shown())
			r.mutex.Unlock()
		}
	}
	return drops
}

// Progress sums up everything that is on its way; ok is false for nothing.
func (r *Room) Progress() (all Progress, ok bool) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, box := range r.boxes {
		all.Files += max(box.expected, len(box.files))
		all.Bytes += max(box.bytes, box.sizes)
		all.Done += box.done
		all.Received += box.received
	}
	return all, len(r.boxes) > 0
}
