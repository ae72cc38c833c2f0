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
	Cause  Cause // empty: the program's own
}

// Cause is why the program ended where its exit does not tell.
type Cause string

const (
	CauseWatchdog Cause = "watchdog"      // it gave no sign of life
	CauseMemory   Cause = "out of memory" // the kernel killed one of the tree
)

// Success says whether the program ended as one that has finished.
func (e Exit) Success() bool { return e.Code == 0 && e.Signal == 0 && e.Cause == "" }

// String is "exit code 1", "killed by SIGSEGV" or "killed by SIGKILL: out of
// memory".
func (e Exit) String() string {
	if e.Cause != "" {
		cause := e.Cause
		e.Cause = ""
		return e.String() + ": " + string(cause)
	}
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
