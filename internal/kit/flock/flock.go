// Package flock takes advisory locks on whole files.
//
// In: an open file. Out: a lock on it that ends with the last descriptor of
// this opening, however the process ends. Never: a lock that keeps anybody from
// reading or writing, or a file that means something by being there.
//
// A lock belongs to the opening of a file and not to the process (flock(2)): a
// second opening in the same process is somebody else. A child that inherits
// the descriptor holds the lock too; what package os opens is not inherited.
package flock

import (
	"errors"
	"os"
)

// Kind says who else may hold a lock at the same time.
type Kind string

const (
	Shared    Kind = "shared"    // others that hold it shared
	Exclusive Kind = "exclusive" // nobody
)

// ErrHeld is the error when somebody else has a lock that excludes this one.
var ErrHeld = errors.New("somebody else holds it")

// Try takes the lock, or fails at once with [ErrHeld]. On a file that has a lock
// already it may change the kind of it.
func Try(file *os.File, kind Kind) error { return lock(file, kind, false) }

// Wait takes the lock as soon as nobody excludes it, however long that takes.
// The wait can't be given up: it keeps a thread, and the file must stay open.
func Wait(file *os.File, kind Kind) error { return lock(file, kind, true) }
