package program

import (
	"errors"
	"os"
	"syscall"

	"ota/internal/kit/proc"
)

func (*host) attributes() *syscall.SysProcAttr { return nil }

func letGoOn(*os.Process) {}

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
