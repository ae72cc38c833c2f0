package service

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"bytes"
	"ota/internal/kit/proc"
)

// ThisHost is the machine that we are on.
func ThisHost() (Host, error) {
	executable, err := os.Executable()
	if err == nil {
		executable, err = filepath.EvalSymlinks(executable)
	}
	if err != nil {
		return Host{}, fmt.Errorf("cannot tell where this program is: %w", err)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = "/" // of the system, for which it does not matter
	}
	return Host{UID: os.Getuid(), Home: home, Executable: executable, Run: run, Chown: os.Lchown}, nil
}

func run(ctx context.Context, argv ...string) (string, error) {
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &output, &output
	err := proc.Run(cmd)
	return output.String(), err
}
