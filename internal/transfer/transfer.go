// Package transfer brings a tree of files to a device that has an older one, and
// sends only what the device lacks.
//
// In: on the sender the tree, on the device the older one and a folder to collect
// in, between them any connection that carries bytes both ways. Out: on the
// device the listing of the new tree and those contents that it did not have,
// each a file named by its SHA-256. Never: a file in the device's tree, who may
// send, or what becomes of the tree; a content or a listing that is not exactly
// the sender's.
//
// The device says which tree it has, by the digest of its listing. A sender that
// has that tree too makes the stream at once: a plan of what changes, then frames
// of zstd whose dictionary is the old contents of the changed and removed files,
// and differences for executables. One that has not asks: for a short hash of
// each folder, for the entries of those that differ, for a hash of each block of
// the files that changed; see ask.go.
//
// The same trees make the same stream, and the device keeps every byte of it that
// arrives. So after a cut, at any byte, and after both sides started anew, the
// stream goes on where it was. Each block of it carries a check sum; the whole is
// named by its SHA-256; and what is made of it must be the listing that the sender
// named. A stream that is none of that is dropped, and asked for again.
//
// A device takes 24 MB at most, however large a file is: frames are made of
// pieces, and differences read the old file where they need it.
package transfer

import (
	"crypto/sha256"
	"errors"
	"io"

	"ota/internal/kit/hint"
)

// version is that of the messages and of the stream.
const version = 1

const (
	// maxPiece is how much of the new contents one section of the stream makes.
	maxPiece = 4 << 20
	// maxDictionary is how much of the old contents one section refers to.
	maxDictionary = 4 << 20
	// maxBody is how long a section of the stream is.
	maxBody = maxPiece + 64<<10
	// maxPlan is how long the plan is, unpacked.
	maxPlan = 8 << 20
	// maxWindow is how far back a frame of zstd refers: over both of the above.
	maxWindow = 16 << 20
)

// Digest is a SHA-256.
type Digest [sha256.Size]byte

// Tree is what lies on one side. Several goroutines may use it.
type Tree interface {
	// Listing is all that is in the tree. Nobody changes it.
	Listing() Listing
	// Open opens the content of the file at path.
	Open(path string) (File, error)
}

// File is the content of a file, readable in any order.
type File interface {
	io.ReaderAt
	io.Closer
}

// ErrDamaged is in the error after bytes came that nobody sent. What came before
// them is kept: the next connection goes on there.
var ErrDamaged = errors.New("the bytes that came are damaged")

// ErrProtocol is in the error after the other side said what it may not.
var ErrProtocol = errors.New("the other side does not speak as ota does")

// ErrNotTheSame is in the error if what was made is not what the sender named,
// again and again.
var ErrNotTheSame = errors.New("what arrived is not what was sent")

func protocol(what string) error {
	return hint.With(errors.Join(ErrProtocol, errors.New(what)), "use the same version of ota on both sides")
}
