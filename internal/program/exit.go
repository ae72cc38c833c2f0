package program

import (
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// Exit is how the main process ended.
type Exit struct {
	Code   int            // as a shell tells it: 128 + the signal after a signal; -1 if not known
	Signal syscall.Signal // 0 if none
	At     time.Time
}

// Success says whether the program ended as one that has finished.
func (e Exit) Success() bool { return e.Code == 0 && e.Signal == 0 }

// String is "exit code 1" or "killed by SIGSEGV".
func (e Exit) String() string {
	if e.Signal != 0 {
		return "killed by " + signalName(e.Signal)
	}
	return fmt.Sprintf("exit code %d", e.Code)
}

func exitOf(cmd *exec.Cmd, at time.Time) Exit {
	state := cmd.ProcessState
	if state == nil {
		return Exit{Code: -1, At: at}
	}
	if signal := endSignal(state); signal != 0 {
		return Exit{Code: 128 + int(signal), Signal: signal, At: at}
	}
	return Exit{Code: state.ExitCode(), At: at}
}

// SignalName is "SIGSEGV" and so on, or empty if no signal ended it.
func (e Exit) SignalName() string {
	if e.Signal == 0 {
		return ""
	}
	return signalName(e.Signal)
}
