//go:build unix

package cli

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"ota/internal/agent"
)

// sentToAll says whether whoever interrupts us most likely interrupts the
// command too: a terminal signals its whole foreground group, and ota its whole
// program. A second KeyboardInterrupt would end what the first one has begun to
// clean up.
func sentToAll() bool {
	if os.Getenv(agent.BusyVariable) != "" {
		return true
	}
	terminal, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer terminal.Close()
	group, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// codeOf is an exit code as a shell tells it.
func codeOf(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}
