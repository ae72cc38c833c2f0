package handover

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// HoldSignals makes these signals wait in the kernel until somebody asks for
// them ([os/signal.Notify]), which may be the next program: that one has no
// handler yet when it begins, and would be ended by what comes then. Where
// threads of C are about it can't be done.
func HoldSignals(signals ...syscall.Signal) error {
	var set unix.Sigset_t
	for _, one := range signals {
		add(&set, one)
	}
	// rt_sigprocmask(2) is of one thread, and any may get the signal.
	_, _, errno := syscall.AllThreadsSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_BLOCK,
		uintptr(unsafe.Pointer(&set)), 0, sigsetBytes, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// Again sends a signal to this process that came and was not acted upon.
func Again(signal syscall.Signal) { _ = unix.Kill(unix.Getpid(), signal) }

// sigsetBytes is the size of the kernel's own set.
const sigsetBytes = 8

func add(set *unix.Sigset_t, signal syscall.Signal) {
	const bits = 8 * unsafe.Sizeof(set.Val[0])
	at := uintptr(signal) - 1
	set.Val[at/bits] |= 1 << (at % bits)
}
