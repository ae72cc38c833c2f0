package priority

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// What ioprio_set(2) takes; package unix does not have it.
const (
	ioprioWhoProcess = 1
	ioprioClassShift = 13
	ioprioClassIdle  = 3
)

// lowest is the nice value of who waits for all others, setpriority(2).
const lowest = 19

// Low gives the process the lowest priority. What it started already keeps
// its own.
func Low(pid int) error {
	err := unix.Setpriority(unix.PRIO_PROCESS, pid, lowest)
	_, _, errno := unix.Syscall(unix.SYS_IOPRIO_SET, ioprioWhoProcess, uintptr(pid), ioprioClassIdle<<ioprioClassShift)
	if errno != 0 && errno != unix.ENOSYS {
		err = errors.Join(err, errno)
	}
	if err != nil {
		return fmt.Errorf("cannot lower the priority of process %d: %w", pid, err)
	}
	return nil
}
