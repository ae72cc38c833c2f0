//go:build unix

package trial

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ota/internal/kit/owner"
)

// shell runs a script as a command probe does.
func shell(ctx context.Context, dir, script string) (int, string, error) {
	env := func() []string { return append(os.Environ(), "GREETING=hello") }
	resolve := func(name string) (string, error) { return "/bin/" + name, nil }
	return Command(dir, env, resolve, ourselves)(ctx, []string{"sh", "-c", script})
}

func ourselves() (*owner.Owner, error) { return nil, nil }

func TestCommand(t *testing.T) {
	dir := t.TempDir()
	here, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, script string
		code         int
		output       string
	}{
		{"silent", "exit 0", 0, ""},
		{"fails", "echo one; echo two; exit 3", 3, "two"},
		{"on stderr", "echo out; echo err >&2; exit 1", 1, "err"},
		{"empty lines at the end", "echo last; echo; printf '  \\r\\n'", 0, "last"},
		{"no newline", "printf 'one\\ntwo'", 0, "two"},
		{"harmless", "printf 'a\\033[31m\\377'", 0, `a\x1b[31m\xff`},
		{"long", "printf '%0300d' 0; exit 1", 1, strings.Repeat("0", 197) + "…"},
		{"much", "i=0; while [ $i -lt 3000 ]; do echo 'a line of forty characters, more or less'; i=$((i+1)); done; echo end", 0, "end"},
		{"its folder", "pwd -P", 0, here},
		{"its environment", "echo $GREETING", 0, "hello"},
		{"no input", "read line || echo none", 0, "none"},
		{"killed by itself", "kill -9 $$", 137, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, output, err := shell(t.Context(), dir, test.script)
			if code != test.code || output != test.output || err != nil {
				t.Errorf("code %d, output %q, error %v; want %d, %q", code, output, err, test.code, test.output)
			}
		})
	}
}

func TestCommandThatCannotBeRun(t *testing.T) {
	lost := errors.New("lost")
	for name, resolve := range map[string]func(string) (string, error){
		"not resolved": func(string) (string, error) { return "", lost },
		"not there":    func(string) (string, error) { return "/no/such/program", nil },
		"no program":   func(string) (string, error) { return "/etc/passwd", nil },
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := Command(t.TempDir(), os.Environ, resolve, ourselves)(t.Context(), []string{"x"})
			if !errors.Is(err, ErrNotRun) {
				t.Errorf("error %v", err)
			}
			if name == "not there" && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the reason is lost: %v", err)
			}
		})
	}
}

// TestEndOfTimeKillsWhatWasStarted: nobody of the group is left, and one that
// has left it and keeps the output does not block.
func TestEndOfTimeKillsWhatWasStarted(t *testing.T) {
	for name, script := range map[string]string{
		"alone":              "echo $$ >pid; exec sleep 1000",
		"with a child":       "sleep 1000 & echo $! >pid; wait",
		"deaf":               "trap '' INT TERM; echo $$ >pid; while :; do sleep 1000; done",
		"child in the back":  "sleep 1000 & echo $! >pid; exit 0",
		"with its own group": "setsid sh -c 'echo $$ >pid.other; exec sleep 1000' & while [ ! -s pid.other ]; do :; done; echo $$ >pid; wait",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				awaitFile(ctx, filepath.Join(dir, "pid"))
				if !strings.HasSuffix(script, "exit 0") {
					cancel()
				}
			}()
			_, _, err := shell(ctx, dir, script)
			if cut := !strings.HasSuffix(script, "exit 0"); errors.Is(err, context.Canceled) != cut {
				t.Errorf("error %v", err)
			}
			if other, err := readPID(filepath.Join(dir, "pid.other")); err == nil {
				_ = unix.Kill(other, unix.SIGKILL)
			}
			pid, err := readPID(filepath.Join(dir, "pid"))
			if err != nil {
				t.Fatal(err)
			}
			mustEnd(t, pid)
		})
	}
}

func TestEndOfTimeBeforeTheStart(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if _, _, err := shell(ctx, dir, "echo >ran"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "ran")); err == nil {
		t.Error("it was run")
	}
}

// TestCommandAsProbe is the whole way.
func TestCommandAsProbe(t *testing.T) {
	execute := Command(t.TempDir(), os.Environ, func(string) (string, error) { return "/bin/sh", nil }, ourselves)
	ask := func(script string, timeout time.Duration) Options {
		return Options{Command: []string{"sh", "-c", script}, Execute: execute, Timeout: timeout}
	}
	mustSay(t, ask("true", time.Minute), OK, "exit code 0")
	mustSay(t, ask("echo no sensor; exit 4", time.Minute), Bad, "exit code 4: no sensor")
	mustSay(t, ask("sleep 1000", 100*time.Millisecond), Bad, "took longer than 100ms")
}

func awaitFile(ctx context.Context, path string) {
	for deadline := time.Now().Add(time.Minute); ctx.Err() == nil && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if _, err := readPID(path); err == nil {
			return
		}
	}
}

func readPID(path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// mustEnd fails if a process lives on. An orphan is a zombie until init, which
// may be slow, has reaped it.
func mustEnd(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if unix.Kill(pid, 0) != nil || err == nil && strings.Contains(string(stat), ") Z ") {
			return
		}
	}
	t.Errorf("process %d lives on", pid)
}
