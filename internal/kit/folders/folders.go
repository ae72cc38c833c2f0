// Package folders tells when something happens in any of many folders.
//
// In: the top of a tree, and those folders of it that matter. Out: a path for
// each thing that happens in one of them. Never: a claim about what has happened,
// nor that this is all; who is told looks for himself. A folder that is made is
// told of, and not watched before somebody says so.
//
// Linux tells by inotify(7), other systems by what fsnotify finds there.
package folders

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"

	"ota/internal/kit/hint"
)

// Change is something that has happened.
type Change struct {
	// Path is below the top, with slashes; "": anything, anywhere.
	Path     string
	IsFolder bool // as far as the system tells
}

// full is a folder's path for the system.
func full(top, folder string) string { return filepath.Join(top, filepath.FromSlash(folder)) }

func change(folder, name string, isFolder bool) Change {
	return Change{path.Join(folder, name), isFolder}
}

// tooMany says what to do about one of the system's limits.
func tooMany(err error, count int, advice string) error {
	return hint.With(fmt.Errorf("cannot watch %d folders: %w", count, err), advice)
}

// ErrGone is in the error of Watch if the top is not there any more.
var ErrGone = errors.New("the folder is gone")
