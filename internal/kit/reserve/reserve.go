// Package reserve keeps a little room on a disk, for what has to be written
// when the disk is full.
//
// In: a path. Out: a file there that holds room; on request it is gone, and the
// room is free. Never: anything in that file.
package reserve

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// File is the room that is kept. Several goroutines may spend it; one at a time
// fills it.
type File struct {
	path string
	size int
}

// New remembers the path and how many bytes are kept there.
func New(path string, size int) *File { return &File{path, size} }

// Fill makes the file unless it is there. Its blocks are written, as a file
// with a hole keeps no room. It is not synced: a power cut costs no more than
// the reserve.
func (f *File) Fill() error {
	if info, err := os.Lstat(f.path); err == nil && info.Size() == int64(f.size) {
		return nil
	}
	if err := os.WriteFile(f.path, make([]byte, f.size), 0o600); err != nil {
		return errors.Join(fmt.Errorf("cannot keep room for what has to be written: %w", err), ignoreMissing(os.Remove(f.path)))
	}
	return nil
}

// Spend gives the room back to the disk. It returns false if there was none, or
// it can't be given back.
func (f *File) Spend() bool { return os.Remove(f.path) == nil }

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
