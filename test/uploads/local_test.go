//go:build linux && amd64

package uploads

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"ota/test/harness"
	"ota/test/ptrace"
)

// slowed runs a program as on a slow disk: each of its writes to a file waits
// until the bytes before it had their time. Copies that the kernel makes in one
// go are refused, and made by the program itself. It dies when ctx ends.
func slowed(ctx context.Context, j job, argv ...string) error {
	said, err := os.Create(filepath.Join(j.t.TempDir(), "output"))
	if err != nil {
		return err
	}
	defer said.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = j.from
	cmd.Stdout, cmd.Stderr = said, said
	begun := map[string]time.Time{}
	result, err := ptrace.Run(ctx, cmd, func(call ptrace.Call) ptrace.Action {
		switch call.Name {
		case "copy_file_range", "ioctl":
			return ptrace.Errno(syscall.EOPNOTSUPP)
		case "write", "writev", "pwrite64":
			if begun[call.Path].IsZero() {
				begun[call.Path] = time.Now()
			}
			if info, err := os.Stat(call.Path); err == nil {
				keepPace(begun[call.Path], info.Size())
			}
		}
		return ptrace.Continue
	})
	if err == nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err == nil && result.Status != 0 {
		output, _ := os.ReadFile(said.Name())
		err = fmt.Errorf("%v: status %#x\n%s", argv, result.Status, output)
	}
	return err
}

func copyTree(ctx context.Context, j job) error {
	return slowed(ctx, j, "cp", "-r", "./.", j.deposit)
}

func untar(ctx context.Context, j job) error {
	archive := filepath.Join(j.t.TempDir(), "upload.tar")
	if err := run(ctx, j, "tar", "-cf", archive, "."); err != nil {
		return err
	}
	return slowed(ctx, j, "tar", "-xf", archive, "-C", j.deposit)
}

// gitClone clones into a folder, which a clone that was cut must not be in the
// way of.
func gitClone(ctx context.Context, j job) error {
	repository := filepath.Join(j.t.TempDir(), "repository")
	if err := run(ctx, j, "cp", "-r", "app", repository); err != nil {
		return err
	}
	as := []string{"git", "-C", repository, "-c", "user.name=Test", "-c", "user.email=test@localhost"}
	for _, argv := range [][]string{{"init", "-q"}, {"add", "."}, {"commit", "-q", "-m", "first"}} {
		if err := run(ctx, j, append(as, argv...)...); err != nil {
			return err
		}
	}
	target := filepath.Join(j.deposit, "app")
	if j.again {
		if err := os.RemoveAll(target); err != nil {
			return err
		}
	}
	return slowed(ctx, j, "git", "clone", "-q", "--no-local", repository, target)
}

func moveFolder(ctx context.Context, j job) error {
	return run(ctx, j, "mv", "app", j.deposit)
}

// moveFromElsewhere moves from another file system: a copy, then a removal.
func moveFromElsewhere(ctx context.Context, j job) error {
	from := harness.FastDir(j.t)
	if onSameDevice(from, j.deposit) {
		harness.Lack(j.t, "there is no second file system to move from")
	}
	target := filepath.Join(j.deposit, "app")
	if j.again {
		if err := os.RemoveAll(target); err != nil {
			return err
		}
	}
	if err := run(ctx, j, "cp", "-r", "app", from); err != nil {
		return err
	}
	return slowed(ctx, j, "mv", filepath.Join(from, "app"), j.deposit)
}

func onSameDevice(a, b string) bool {
	var statA, statB syscall.Stat_t
	err := errors.Join(syscall.Stat(a, &statA), syscall.Stat(b, &statB))
	return err != nil || statA.Dev == statB.Dev
}

// hardLink puts names of files into deposit/, one of which somebody else is
// still writing under another name: no event tells of that.
func hardLink(ctx context.Context, j job) error {
	source := filepath.Join(j.from, table)
	content := newTree()[table].Content
	file, err := os.OpenFile(source, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := run(ctx, j, "cp", "-rlf", "./.", j.deposit); err != nil {
		return err
	}
	begun, sent := time.Now(), 0
	for sent < len(content) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		n, err := file.WriteString(content[sent:min(len(content), sent+64<<10)])
		if err != nil {
			return err
		}
		sent += n
		keepPace(begun, int64(sent))
	}
	return nil
}

// vim writes the large file from a buffer, its swap file beside it; the other
// files are copied while it is open.
func vim(ctx context.Context, j job) error {
	others := filepath.Join(j.t.TempDir(), "others")
	target := filepath.Join(j.deposit, table)
	swap := filepath.Join(filepath.Dir(target), ".table.py.swp")
	if err := run(ctx, j, "cp", "-r", ".", others); err != nil {
		return err
	}
	err := errors.Join(os.Remove(filepath.Join(others, table)), os.MkdirAll(filepath.Dir(target), 0o755))
	if j.again {
		err = errors.Join(err, os.Remove(swap), os.Remove(target))
	}
	if err != nil {
		return err
	}
	return slowed(ctx, j, "vim", "-u", "NONE", "-N", "-e", "-s",
		"-c", "set directory=.", "-c", "silent read "+filepath.Join(j.from, table),
		"-c", "silent !cp -r "+others+"/. "+j.deposit, "-c", "write", "-c", "quit", target)
}

// sedInPlace edits the large file where it lies, whole but not as it is to be.
// The upload is said to be complete while the editing goes on.
func sedInPlace(ctx context.Context, j job) error {
	hold := filepath.Join(j.deposit, ".hold")
	target := filepath.Join(j.deposit, table)
	unfinished := filepath.Join(filepath.Dir(target), "sed??????")
	if err := os.WriteFile(hold, nil, 0o644); err != nil {
		return err
	}
	left, err := filepath.Glob(unfinished)
	if err != nil || j.again && len(left) != 1 {
		return fmt.Errorf("sed left %q, %v", left, err)
	}
	for _, path := range left {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	draft := filepath.Join(j.t.TempDir(), "draft")
	err = errors.Join(
		run(ctx, j, "cp", "-r", ".", draft),
		run(ctx, j, "sed", "-i", "s/^ROW/EDIT/", filepath.Join(draft, table)),
		run(ctx, j, "cp", "-rlf", draft+"/.", j.deposit),
	)
	if err != nil {
		return err
	}
	edited := make(chan error, 1)
	go func() { edited <- slowed(ctx, j, "sed", "-i", "s/^EDIT/ROW/", target) }()
	harness.Await(j.t, "sed to be at work", func() bool {
		left, _ := filepath.Glob(unfinished)
		return len(left) > 0 || len(edited) > 0
	}, func() string { return "" })
	return errors.Join(os.Remove(hold), <-edited)
}
