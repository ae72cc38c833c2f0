package agent

import (
	"errors"
	"os"

	"ota/internal/kit/flock"
)

// busyLock is the lock that the program takes while it must not be interrupted.
type busyLock struct {
	path string
}

// Take keeps the program from becoming busy until free is called; ok is false
// if it is busy. A file that is not there is nobody's.
func (b busyLock) Take() (free func(), ok bool, err error) {
	file, err := os.OpenFile(b.path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return func() {}, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	err = flock.Try(file, flock.Exclusive)
	if err == nil {
		return func() { file.Close() }, true, nil
	}
	file.Close()
	if errors.Is(err, flock.ErrHeld) {
		return nil, false, nil
	}
	return nil, false, err
}
