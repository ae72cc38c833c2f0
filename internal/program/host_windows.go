package program

import (
	"context"
	"errors"
	"log/slog"
	"os/exec"
	"syscall"

	"ota/internal/kit/proc"
)

// host is the main process here: there are no signals, and its descendants are
// not followed.
type host struct{}

func (*host) prepare(string, *slog.Logger)     {}
func (*host) adopts() bool                     { return false }
func (*host) tellsAll() bool                   { return false }
func (*host) cgroup() string                   { return "" }
func (*host) close() error                     { return nil }
func (*host) retreat(*slog.Logger, error) bool { return false }
func (*host) session(*Run) []proc.Stat         { return nil }
func (*host) attributes() *syscall.SysProcAttr { return nil }
func (p pipe) name() string                    { return "" }
func startOf(int) uint64                       { return 0 }

// EndLeftovers finds nothing here.
func (r *Room) EndLeftovers(context.Context) (int, error) { return 0, nil }

func waitFor(cmd *exec.Cmd, atEnd func()) {
	_ = proc.Wait(cmd) // how it ended is in its state
	atEnd()
}

func signalGroup(int, syscall.Signal) error { return errors.ErrUnsupported }

func (*host) members(run *Run) []proc.Stat {
	if !run.at(phaseRunning) {
		return nil
	}
	return []proc.Stat{{ID: run.id}}
}

// signalMembers ends the main process, whatever the signal: none can be sent.
func (*host) signalMembers(run *Run, _ syscall.Signal, _ int) {
	_ = run.cmd.Process.Kill() // it may have ended
}
