package notify

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// shell is a command that runs a script in dir.
func shell(dir, script string) *Command {
	return NewCommand(func() (*exec.Cmd, error) {
		return &exec.Cmd{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Dir: dir, Env: []string{"PATH=" + os.Getenv("PATH")}}, nil
	})
}

func TestCommandIsTold(t *testing.T) {
	dir := t.TempDir()
	result := shell(dir, `cat >stdin; env | grep OTA_ | sort >env`).Send(t.Context(), example())
	if result.Outcome != Delivered {
		t.Fatalf("%+v", result)
	}
	var got Message
	if err := json.Unmarshal(read(t, filepath.Join(dir, "stdin")), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(example(), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	env, err := os.ReadFile(filepath.Join(dir, "env"))
	if err != nil {
		t.Fatal(err)
	}
	want := `OTA_DEVICE=greenhouse
OTA_EVENT=failed
OTA_FROM=6
OTA_ID=k3v7q2hxwe-41
OTA_MESSAGE=greenhouse: release 7 failed: exit code 1, failed twice during its trial
OTA_REASON=exit code 1, failed twice during its trial
OTA_RELEASE=7
`
	if diff := cmp.Diff(want, string(env)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestCommandFails(t *testing.T) {
	for name, test := range map[string]struct {
		script string
		says   string
		said   string
	}{
		"by its exit code":         {"echo no net >&2; exit 3", "exit code 3", "no net"},
		"it does not read":         {"exec <&-; exit 4", "exit code 4", ""},
		"by a signal":              {"kill -9 $$", "exit code 137", ""},
		"it says a lot, unclearly": {"yes \"$(printf 'a\\033[2J')\" | head -n 100000; exit 1", "exit code 1", `a\x1b[2J; a`},
	} {
		t.Run(name, func(t *testing.T) {
			result := shell(t.TempDir(), test.script).Send(t.Context(), example())
			if result.Outcome != Again || result.Most != runTries || !strings.Contains(result.Why, test.says) || !strings.HasPrefix(result.Said, test.said) {
				t.Errorf("%+v", result)
			}
		})
	}
	missing := NewCommand(func() (*exec.Cmd, error) { return nil, errors.New("no user is called so") })
	if result := missing.Send(t.Context(), example()); result.Outcome != Again || !strings.Contains(result.Why, "no user is called so") {
		t.Errorf("%+v", result)
	}
}

// TestCommandIsEnded with all that it has started.
func TestCommandIsEnded(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan Result, 1)
	go func() {
		ended <- shell(dir, `sleep 1000 & echo $! >child.new; mv child.new child; wait`).Send(ctx, example())
	}()
	child := filepath.Join(dir, "child")
	for tick := time.NewTicker(5 * time.Millisecond); ; <-tick.C {
		if _, err := os.Stat(child); err == nil {
			break
		}
	}
	cancel()
	if result := <-ended; result.Outcome != Again {
		t.Errorf("%+v", result)
	}
	pid, err := os.ReadFile(child)
	if err != nil {
		t.Fatal(err)
	}
	stat := filepath.Join("/proc", strings.TrimSpace(string(pid)), "cmdline")
	for tick := time.NewTicker(5 * time.Millisecond); ; <-tick.C {
		if line, err := os.ReadFile(stat); err != nil || len(line) == 0 {
			break
		}
	}
}
