//go:build unix

package program

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// letGoOn lets a stopped process act on the signals that wait for it.
func letGoOn(process *os.Process) { _ = process.Signal(unix.SIGCONT) } // it may have ended

// signalGroup signals a process group, and lets stopped processes in it act on
// the signal.
func signalGroup(group int, signal syscall.Signal) error {
	if err := unix.Kill(-group, signal); err != nil {
		return os.NewSyscallError("kill", err)
	}
	if signal != syscall.SIGKILL {
		_ = unix.Kill(-group, unix.SIGCONT) // it may have ended
	}
	return nil
}
