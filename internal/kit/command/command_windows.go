package command

import (
	"os"
	"os/exec"
)

func giveGroup(*exec.Cmd) {}

func killGroup(cmd *exec.Cmd) {
	_ = cmd.Process.Kill() // it may have ended
}

// exitCode does not tell a command that was killed from one that has failed.
func exitCode(state *os.ProcessState) (code int, ended bool) {
	return state.ExitCode(), state.Success()
}
