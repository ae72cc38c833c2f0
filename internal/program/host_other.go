//go:build unix && !linux

package program

import (
	"context"
	"log/slog"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"ota/internal/kit/proc"
)

// host is a process group here. Who leaves it is not found.
type host struct{}

func (*host) prepare(string, *slog.Logger)     {}
func (*host) adopts() bool                     { return false }
func (*host) tellsAll() bool                   { return false }
func (*host) cgroup() string                   { return "" }
func (*host) close() error                     { return nil }
func (*host) retreat(*slog.Logger, error) bool { return false }
func (*host) session(*Run) []proc.Stat         { return nil }
func (*host) attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
func (p pipe) name() string                    { return "" }
func startOf(int) uint64                       { return 0 }

// EndLeftovers ends nothing here: what an ota that was killed has left can be
// found on Linux only.
func (r *Room) EndLeftovers(context.Context) (int, error) { return 0, nil }

func waitFor(cmd *exec.Cmd, atEnd func()) {
	_ = proc.Wait(cmd) // how it ended is in its state
	atEnd()
}

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
