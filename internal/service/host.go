package service

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

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
	return Host{UID: os.Getuid(), Home: home, Runtime: runtimeDir(), Executable: executable, Run: run, Chown: os.Lchown}, nil
}

// runtime names the folder by which "systemctl --user" finds the systemd of the
// user. Logging in sets it (pam_systemd(8)).
const runtime = "XDG_RUNTIME_DIR"

// runtimeDir is that folder; where nothing is set, as after su, or from cron, the
// one that logging in would set.
func runtimeDir() string {
	if dir := os.Getenv(runtime); dir != "" {
		return dir
	}
	return fmt.Sprintf("/run/user/%d", os.Getuid())
}

func run(ctx context.Context, argv ...string) (string, error) {
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.Env = append(os.Environ(), runtime+"="+runtimeDir())
	err := proc.Run(cmd)
	return output.String(), err
}
