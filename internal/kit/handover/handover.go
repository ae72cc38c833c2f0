// Package handover lets a process become another program and keep its number,
// its children, its place in the system and its open files.
//
// In: a binary, a state, open files. Out: that binary in place of this one, with
// both; or this one again, if the other does not get so far as to call
// [Received.Commit] in time. Never: a look into the state; a file that the new
// program's children find open.
//
// What is handed over is a parcel: JSON in a file of memory, whose descriptor
// stands in an environment variable that its reader removes at once. Beside it
// comes a descriptor of the old binary, the way back. A rehearsal is the same in
// a child, which says that it understands the parcel and ends.
package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// variable names the descriptors of the parcel and of the way back, and signals
// that came: "7,8,15"; the second is empty where there is none.
const variable = "OTA_TAKEOVER"

// reasonVariable says to a program that is back why.
const reasonVariable = "OTA_TAKEOVER_FAILED"

// format is that of the parcel around the state.
const format = 1

// Limit is how long a new program may take until it commits, and a rehearsal
// until it has said its word.
const Limit = 30 * time.Second

// ErrUnsupported is the error where the system has no way to do it.
var ErrUnsupported = errors.New("that needs Linux")

// Kind is what an open file is.
type Kind string

// The kinds.
const (
	Pipe     Kind = "pipe"     // that is read from
	Listener Kind = "listener" // a socket that takes connections
	Datagram Kind = "datagram" // a socket that takes datagrams
	Plain    Kind = "plain"    // a file or folder, for the lock on it
)

// File is one open file in a parcel, by which it is known again.
type File struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
	FD   int    `json:"fd"`
	Dev  uint64 `json:"dev"`
	Ino  uint64 `json:"ino"`
}

// Parcel is what one program leaves to the next.
type Parcel struct {
	Format  int             `json:"format"`
	ID      string          `json:"id"`      // of this takeover
	Version string          `json:"version"` // of who leaves
	Files   []File          `json:"files"`
	State   json.RawMessage `json:"state"`
	// Word is what a rehearsal has to say; empty: it is none.
	Word string `json:"word,omitempty"`
}

// parse reads a parcel.
func parse(text []byte) (Parcel, error) {
	var parcel Parcel
	// What can't be decoded may be so because of its format, which is there then.
	err := json.Unmarshal(text, &parcel)
	if parcel.Format != format {
		return Parcel{}, fmt.Errorf("what was handed over has format %d, and this ota knows %d", parcel.Format, format)
	}
	if err != nil {
		return Parcel{}, fmt.Errorf("cannot read what was handed over: %w", err)
	}
	return parcel, nil
}

// word is what a rehearsal of a version prints, and nothing else.
func word(parcel Parcel, version string) string { return "ready " + parcel.Word + " " + version + "\n" }

// Refused is the error of a binary that is no good.
type Refused struct {
	Binary string
	Why    string
}

// Error names the binary.
func (r *Refused) Error() string { return r.Binary + " can't take over: " + r.Why }
