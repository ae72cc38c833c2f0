package venv

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"ota/internal/kit/proc"
)

// pythonBelow is the interpreter of an environment, below its folder.
const pythonBelow = "Scripts/python.exe"

// makeLayout makes an empty environment. Here the interpreter is copied, and
// the module venv knows with which libraries.
func makeLayout(ctx context.Context, folder string, python Interpreter, isolated bool, env []string) error {
	args := []string{"-m", "venv", "--without-pip"}
	if !isolated {
		args = append(args, "--system-site-packages")
	}
	var output strings.Builder
	cmd := exec.CommandContext(ctx, python.Base, append(args, folder)...)
	cmd.Env = environment(env)
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := proc.Run(cmd); err != nil {
		return fmt.Errorf("cannot make environment: %w: %s", err, lastLine(output.String()))
	}
	return nil
}
