package priority

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// From ioprio_set(2); x/sys does not name them.
const (
	ofProcess  = 1       // IOPRIO_WHO_PROCESS
	classIdle  = 3 << 13 // IOPRIO_CLASS_IDLE
	lowestNice = 19
)

func low(pid int) error {
	if pid <= 0 { // ourselves, to both calls
		return fmt.Errorf("cannot lower the priority of process %d", pid)
	}
	err := unix.Setpriority(unix.PRIO_PROCESS, pid, lowestNice)
	if _, _, errno := unix.Syscall(unix.SYS_IOPRIO_SET, ofProcess, uintptr(pid), classIdle); errno != 0 {
		err = errors.Join(err, errno)
	}
	if err != nil {
		return fmt.Errorf("cannot lower the priority of process %d: %w", pid, err)
	}
	return nil
}
