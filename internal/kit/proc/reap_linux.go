package proc

import (
	"errors"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offspring says whether this process has children.
type Offspring string

const (
	None    Offspring = "none"    // not one, known or not, alive or zombie
	Some    Offspring = "some"    // at least one
	Unknown Offspring = "unknown" // the system does not tell
)

// Adopt asks the kernel to give every descendant that loses its parent to this
// process instead of to init, from now on and for good, and says whether it
// does so (PR_SET_CHILD_SUBREAPER; missing in qemu-user before 8). Descendants
// then can't get out of sight by forking twice.
var Adopt = sync.OnceValue(func() bool {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return false
	}
	// An emulator may accept what it does not do.
	var set int32
	err := unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&set)), 0, 0, 0)
	return err == nil && set == 1
})

// Reap reaps the orphans that were given to this process and have ended, and
// says whether any child is left. With [Adopt], None means that not one
// descendant of this process exists: an answer in one system call where a look
// through /proc takes hundreds and is out of date when it ends.
func Reap() Offspring {
	children.Lock()
	defer children.Unlock()
	for {
		pid, err := peek(unix.P_ALL, 0, unix.WNOHANG)
		switch {
		case errors.Is(err, unix.ECHILD):
			return None
		case err != nil:
			return Unknown
		case pid == 0:
			return Some
		}
		if _, ours := children.known[pid]; ours {
			// Its owner reaps it and wakes the watchers; orphans behind
			// it have to wait for that.
			return Some
		}
		if _, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); err != nil && !errors.Is(err, unix.EINTR) {
			return Unknown
		}
	}
}

// AwaitEnd returns when the child with this number has ended, and leaves it
// unreaped: until it is reaped, its number belongs to no other process or
// group.
func AwaitEnd(pid int) {
	// An error means that there is no such child: it has ended.
	_, _ = peek(unix.P_PID, pid, 0)
}

// peek returns the number of a child that has ended, and leaves it as it is.
// Zero: none has, with WNOHANG.
func peek(kind, id, options int) (int, error) {
	for {
		var info unix.Siginfo
		err := unix.Waitid(kind, id, &info, unix.WEXITED|unix.WNOWAIT|options, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		// si_pid is the first field of a union of pointers' alignment
		// behind three ints; x/sys does not name it.
		const at = (3*4 + unsafe.Alignof(uintptr(0)) - 1) &^ (unsafe.Alignof(uintptr(0)) - 1)
		return int(*(*int32)(unsafe.Add(unsafe.Pointer(&info), at))), err
	}
}
