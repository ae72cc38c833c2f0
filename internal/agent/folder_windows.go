package agent

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

var errHeld = errors.New("somebody else holds it")

func lockFile(file *os.File) error {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	// A byte far behind the pid, which stays readable.
	place := &windows.Overlapped{OffsetHigh: 1}
	err := windows.LockFileEx(windows.Handle(file.Fd()), flags, 0, 1, 0, place)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return errHeld
	}
	return err
}

// mark tells the programs of this folder from all others of the machine.
func (f folder) mark() string { return f.dir }
