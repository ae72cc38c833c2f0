//go:build unix && !linux

package program

import (
	"syscall"

	"golang.org/x/sys/unix"

	"ota/internal/kit/proc"
)

func (*host) attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// members returns one entry for the whole group while anybody is in it.
func (*host) members(run *Run) []proc.Stat {
	if unix.Kill(-run.id.PID, 0) != nil {
		return nil
	}
	return []proc.Stat{{ID: run.id, Group: run.id.PID, Session: run.id.PID}}
}

func (*host) signalMembers(run *Run, signal syscall.Signal, reached int) {
	if reached == 0 {
		_ = signalGroup(run.id.PID, signal) // nobody may be left
	}
}
