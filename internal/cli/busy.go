package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"ota/internal/agent"
	"ota/internal/kit/flock"
	"ota/internal/kit/hint"
	"ota/internal/kit/proc"
)

func (a *app) busyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "busy [--] COMMAND [ARGUMENT]...",
		Short: "Run a command that no new release may interrupt",
		Long: `Run a command, and keep ota from switching releases until it has ended. An
upload that comes meanwhile waits in deposit/, at most as long as max_defer in
ota.toml allows.

It is known by the lock on a file: the one that OTA_BUSY names (ota sets it for
the program), or that of the folder. The kernel takes the lock back, however
the command ends. What the command leaves in the background is not waited for.

Exit code: that of the command (128 + signal); 1 if it could not be run.`,
		Example: `  ota busy -- python3 render.py
  ota -C /home/pi/garden busy -- rsync -a photos/ nas:photos/`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError(cmd, "which command?")
			}
			return nil
		},
		RunE: a.act(func(_ context.Context, args []string) exitCode { return a.busy(args) }),
	}
	// What follows the command is the command's.
	cmd.Flags().SetInterspersed(false)
	return cmd
}

func (a *app) busy(args []string) exitCode {
	lock, err := a.openBusy()
	if err != nil {
		return a.fail(fmt.Errorf("cannot keep ota from switching: %w", err))
	}
	defer lock.Close()
	// Until the command runs, signals do what they always do.
	err = flock.Try(lock, flock.Shared)
	if errors.Is(err, flock.ErrHeld) {
		a.tell("waiting for the end of a switch")
		err = flock.Wait(lock, flock.Shared)
	}
	if err != nil {
		return a.fail(fmt.Errorf("cannot keep ota from switching: %w", err))
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, a.stdout, a.stderr
	if err := runThrough(cmd); err != nil {
		return a.fail(fmt.Errorf("cannot run the command: %w", err))
	}
	return exitCode(codeOf(cmd.ProcessState))
}

// openBusy opens the file to lock. A folder that is named counts more than the
// environment. No child inherits what package os opens, so nothing that the
// command leaves behind has the lock.
func (a *app) openBusy() (*os.File, error) {
	path := os.Getenv(agent.BusyVariable)
	if path == "" || a.directory != "" {
		dir, err := a.folder()
		if err != nil {
			return nil, err
		}
		path = agent.BusyFile(dir)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hint.With(fmt.Errorf("there is no folder for %s", path), `name the folder that ota runs in: ota busy -C DIR -- COMMAND`)
	}
	return file, err
}

// passed are the signals that must not end ota before the command.
var passed = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}

// runThrough runs cmd to its end and passes signals on to it. The error is that
// it could not be started.
func runThrough(cmd *exec.Cmd) error {
	signals := make(chan os.Signal, len(passed))
	for _, one := range passed {
		// Caught, it would no longer be ignored by the command either.
		if !signal.Ignored(one) {
			signal.Notify(signals, one)
		}
	}
	defer signal.Stop(signals)
	if err := proc.Start(cmd); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = proc.Wait(cmd) // its ProcessState tells
	}()
	for {
		select {
		case one := <-signals:
			if one == syscall.SIGTERM || !sentToAll() {
				_ = cmd.Process.Signal(one) // it may have ended
			}
		case <-ended:
			return nil
		}
	}
}
