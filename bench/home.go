//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// idleText is a program that writes nothing, so that all that is written is
// ota's.
const idleText = "import signal\n\nsignal.pause()\n"

// homeSettings keep few releases, so that each update drops one, and confirm a
// release soon, so that this is in what an update costs.
const homeSettings = "[trial]\nperiod = \"100ms\"\n\n[store]\nkeep = %d\n"

// home is a folder that ota looks after. One goroutine may use it.
type home struct {
	ota     string
	dir     string
	keep    int
	newest  int // the highest release
	process *exec.Cmd
	ended   chan error
}

func newHome(ota, dir string, keep int) *home { return &home{ota: ota, dir: dir, keep: keep} }

// start lays out main/ and returns when ota has adopted it.
func (h *home) start(ctx context.Context, main []file) error {
	if err := os.MkdirAll(h.deposit(), 0o755); err != nil {
		return err
	}
	settings := file{path: "ota.toml", text: fmt.Sprintf(homeSettings, h.keep)}
	if err := settings.writeAtOnce(h.dir); err != nil {
		return err
	}
	for _, one := range append([]file{{path: "main.py", text: idleText}}, main...) {
		if err := one.writeAtOnce(h.main()); err != nil {
			return err
		}
	}
	h.process = exec.Command(h.ota, "run")
	h.process.Dir = h.dir
	h.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := h.process.Start(); err != nil {
		return fmt.Errorf("cannot start ota: %w", err)
	}
	h.ended = make(chan error, 1)
	go func() { h.ended <- h.process.Wait() }()
	h.newest = 1
	return errors.Join(awaitRelease(ctx, h.ota, h.dir, 1), wait(ctx, warmUp))
}

// upload brings files, which are not complete before release is called.
func (h *home) upload(files []file) error {
	if err := os.WriteFile(h.hold(), nil, 0o644); err != nil {
		return err
	}
	for _, one := range files {
		if err := one.writeAtOnce(h.deposit()); err != nil {
			return err
		}
	}
	return nil
}

// take lets the upload be taken and returns when its release has proved itself.
func (h *home) take(ctx context.Context) error {
	if err := os.Remove(h.hold()); err != nil {
		return err
	}
	h.newest++
	return h.awaitConfirmed(ctx, h.newest)
}

// goBack rolls back to a release and returns when that has proved itself again.
func (h *home) goBack(ctx context.Context, to int) error {
	if err := rollBack(ctx, h.ota, h.dir, to); err != nil {
		return err
	}
	return h.awaitConfirmed(ctx, to)
}

func (h *home) awaitConfirmed(ctx context.Context, number int) error {
	if err := awaitRelease(ctx, h.ota, h.dir, number); err != nil {
		return err
	}
	return await(ctx, func() (bool, error) {
		var record struct{ State string }
		err := readJSON(recordPath(h.dir, number), &record)
		return record.State == "confirmed", err
	})
}

func (h *home) stop() error {
	if h.process == nil || h.process.Process == nil {
		return nil
	}
	return errors.Join(endProcess(h.process, h.ended), killOrphans())
}

func (h *home) main() string    { return filepath.Join(h.dir, "main") }
func (h *home) deposit() string { return filepath.Join(h.dir, "deposit") }
func (h *home) hold() string    { return filepath.Join(h.deposit(), ".hold") }

// awaitRelease returns when release number is current in ota's folder dir,
// everything of the switch to it is put away, and ota says so too. It is asked
// only then, so that it is left alone meanwhile.
func awaitRelease(ctx context.Context, ota, dir string, number int) error {
	err := await(ctx, func() (bool, error) {
		var state struct{ Current int }
		err := readJSON(filepath.Join(dir, ".ota", "state.json"), &state)
		if err != nil || state.Current != number {
			return false, err
		}
		if _, err := os.Lstat(filepath.Join(dir, ".ota", "journal.json")); !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		left, err := os.ReadDir(filepath.Join(dir, "deposit"))
		return len(left) == 0, err
	})
	if err == nil {
		err = await(ctx, func() (bool, error) { return isAtRest(ctx, ota, dir) })
	}
	if err != nil {
		return fmt.Errorf("cannot wait for release %d: %w", number, err)
	}
	return nil
}

func isAtRest(ctx context.Context, ota, dir string) (bool, error) {
	command := exec.CommandContext(ctx, ota, "status", "--json")
	command.Dir = dir
	said, err := command.Output()
	if err != nil {
		return false, fmt.Errorf("cannot ask ota for its status: %w", err)
	}
	var status struct{ Deposit struct{ State string } }
	err = json.Unmarshal(said, &status)
	return status.Deposit.State == "empty", err
}

// await asks until the answer is yes.
func await(ctx context.Context, ask func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, tooLong)
	defer cancel()
	for {
		yes, err := ask()
		if yes || err != nil {
			return err
		}
		if err := wait(ctx, lookEvery); errors.Is(err, context.DeadlineExceeded) {
			return errNeverCame
		} else if err != nil {
			return err
		}
	}
}

// readJSON reads a file that may not be there yet.
func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	return err
}

func recordPath(dir string, number int) string {
	return filepath.Join(dir, ".ota", "releases", strconv.Itoa(number)+".json")
}

// rollBack asks the ota that looks after dir to go back.
func rollBack(ctx context.Context, ota, dir string, to int) error {
	command := exec.CommandContext(ctx, ota, "rollback", strconv.Itoa(to))
	command.Dir = dir
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot roll back: %w\n%s", err, output)
	}
	return nil
}

// endProcess ends a process nicely, or else not.
func endProcess(process *exec.Cmd, ended chan error) error {
	if err := process.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("cannot stop: %w", err)
	}
	select {
	case <-ended:
	case <-time.After(stopTime):
		progress("%s did not end in %s; killing it", process.Path, stopTime)
		if err := process.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("cannot kill: %w", err)
		}
		<-ended
	}
	return nil
}

// writeAtOnce writes the file below root.
func (f file) writeAtOnce(root string) error {
	return f.write(root, func() error { return nil })
}
