package proc

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// held are the signals that wait in the kernel while one program takes over from
// another (see package handover), and in threads of ours from then on. A child
// has the mask of the thread that starts it, and is to hear them.
var held = []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}

// unmasked starts a child that hears every signal that ota does.
func unmasked(start func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var set, before unix.Sigset_t
	const bits = 8 * unsafe.Sizeof(set.Val[0])
	for _, one := range held {
		at := uintptr(one) - 1
		set.Val[at/bits] |= 1 << (at % bits)
	}
	if unix.PthreadSigmask(unix.SIG_UNBLOCK, &set, &before) == nil {
		defer func() { _ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil) }()
	}
	return start()
}
