//go:build linux

package setup

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ota/internal/ssh"
	"ota/test/harness"
)

// laptop is where ota setup is called: an ssh with a config of its own.
type laptop struct {
	t   *testing.T
	dir string
	env []string
}

func newLaptop(t *testing.T, k harness.SSHKeys, config string) *laptop {
	t.Helper()
	l := &laptop{t: t, dir: t.TempDir()}
	host, err := os.ReadFile(filepath.Join(k.Dir, "host.pub"))
	if err != nil {
		t.Fatal(err)
	}
	harness.Tree{
		"known":   harness.File("* " + string(host)),
		"config":  harness.File(config + "\nHost *\nUserKnownHostsFile " + l.dir + "/known\nGlobalKnownHostsFile none\nStrictHostKeyChecking yes\nIdentitiesOnly yes\nIdentityFile " + k.Dir + "/user\n"),
		"bin/ssh": harness.Entry{Mode: 0o755, Content: "#!/bin/sh\nexec /usr/bin/ssh -F " + l.dir + "/config \"$@\"\n"},
	}.Write(t, l.dir)
	l.env = append(os.Environ(), "PATH="+l.dir+"/bin:"+os.Getenv("PATH"), "TMPDIR="+l.dir)
	return l
}

// answer is what a call said.
type answer struct {
	code        int
	result, err string
}

func (l *laptop) setup(args ...string) answer {
	l.t.Helper()
	cmd := exec.CommandContext(l.t.Context(), harness.Binary(), append([]string{"setup"}, args...)...)
	cmd.Env = l.env
	var result, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &result, &words
	err := cmd.Run()
	if _, isExit := err.(*exec.ExitError); err != nil && !isExit {
		l.t.Fatal(err)
	}
	left, _ := filepath.Glob(filepath.Join(l.dir, "ota-*"))
	if len(left) > 0 {
		l.t.Errorf("%v is left", left)
	}
	return answer{cmd.ProcessState.ExitCode(), result.String(), words.String()}
}

// typing is a setup on a terminal at which somebody types, that has to come
// through.
func (l *laptop) typing(text string, args ...string) {
	l.t.Helper()
	harness.Need(l.t, "script")
	words := []string{ssh.Quote(harness.Binary(), "setup"), ssh.Quote(args...)}
	cmd := exec.CommandContext(l.t.Context(), "script", "--quiet", "--return", "--command", strings.Join(words, " "), "/dev/null")
	cmd.Env = l.env
	keyboard, err := cmd.StdinPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	defer keyboard.Close()
	if _, err := io.WriteString(keyboard, text); err != nil {
		l.t.Fatal(err)
	}
	said, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(said), "[sudo] password for pi: ") || !strings.Contains(string(said), "next:") {
		l.t.Errorf("%v\n%s", err, said)
	}
}

// does is a setup with --json that has to come through.
func (l *laptop) does(args ...string) map[string]any {
	l.t.Helper()
	got := l.setup(append(args, "--json")...)
	var result map[string]any
	if err := json.Unmarshal([]byte(got.result), &result); err != nil || got.code != 0 {
		l.t.Fatalf("%v: exit code %d\n%s%s", args, got.code, got.result, got.err)
	}
	return result
}

// fails is one that has to fail with these words.
func (l *laptop) fails(words string, args ...string) string {
	l.t.Helper()
	got := l.setup(args...)
	if got.code != 1 || !strings.Contains(got.err, words) || got.result != "" {
		l.t.Errorf("%v: exit code %d, not 1 with %q\n%s%s", args, got.code, words, got.result, got.err)
	}
	return got.err
}

// programIn waits until the program runs, and returns its process. look asks the
// device for `ota status --json`, which a device that is busy may not answer.
func programIn(t *testing.T, look func() string) (pid int) {
	t.Helper()
	said := ""
	harness.Await(t, "the program runs", func() bool {
		said = look()
		_, text, _ := strings.Cut(said, "{") // a shell may have complained before
		var status harness.Status
		if json.Unmarshal([]byte("{"+text), &status) == nil && status.Program.State == "running" {
			pid = status.Program.PID
		}
		return pid != 0
	}, func() string { return said })
	return pid
}
