package flock

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// place is a byte far behind all content: what is locked here can't be read.
func place() *windows.Overlapped { return &windows.Overlapped{OffsetHigh: 1} }

func lock(file *os.File, kind Kind, wait bool) error {
	var flags uint32
	if kind == Exclusive {
		flags |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	if !wait {
		flags |= windows.LOCKFILE_FAIL_IMMEDIATELY
	}
	err := windows.LockFileEx(windows.Handle(file.Fd()), flags, 0, 1, 0, place())
	switch {
	case errors.Is(err, windows.ERROR_LOCK_VIOLATION):
		return ErrHeld
	case err != nil:
		return fmt.Errorf("cannot lock %s: %w", file.Name(), err)
	}
	return nil
}
