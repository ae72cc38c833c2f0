//go:build linux

package setup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ota/internal/ssh"
	"ota/test/harness"
)

// keys are made once for a test: of the servers, and of who logs in.
type keys struct{ dir string }

func newKeys(t *testing.T) keys {
	t.Helper()
	harness.NeedRoot(t)
	harness.Need(t, "/usr/sbin/sshd", "/usr/bin/ssh", "ssh-keygen", "ssh-agent", "ssh-add", "unshare")
	// Where none of the views has something else, and every user may read.
	dir, err := os.MkdirTemp("/dev/shm", "ota-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	k := keys{dir}
	for _, name := range []string{"host", "user"} {
		run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(k.dir, name))
	}
	return k
}

func run(t *testing.T, argv ...string) string {
	t.Helper()
	said, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, said)
	}
	return string(said)
}

// server is a real sshd.
type server struct {
	port int
	log  string
}

// serve starts one in a view of the file system of its own, in which prepare, a
// script, is run before. settings are added to those of sshd.
func serve(t *testing.T, k keys, prepare, settings string) server {
	t.Helper()
	dir, err := os.MkdirTemp(k.dir, "server-")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := server{listener.Addr().(*net.TCPAddr).Port, filepath.Join(dir, "log")}
	listener.Close()
	path := filepath.Join(dir, "settings")
	text := fmt.Sprintf(`ListenAddress 127.0.0.1
Port %d
HostKey %s
AuthorizedKeysFile %s
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
PidFile none
LogLevel VERBOSE
%s
`, s.port, filepath.Join(k.dir, "host"), filepath.Join(k.dir, "user.pub"), settings)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(s.log)
	if err != nil {
		t.Fatal(err)
	}
	view := []string{"--mount"}
	if prepare != "" {
		// What is left running in it ends with it.
		view = append(view, "--pid", "--fork", "--kill-child", "--mount-proc")
	}
	cmd := exec.Command("unshare", append(view, "sh", "-ec", prepare+`
mkdir -p /run/sshd
exec /usr/sbin/sshd -D -e -f "$0"`, path)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
		log.Close()
	})
	harness.Await(t, "sshd to answer", func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, s.said)
	return s
}

func (s server) said() string {
	text, _ := os.ReadFile(s.log)
	return string(text)
}

// logins counts those that came in.
func (s server) logins() int { return strings.Count(s.said(), "Accepted publickey") }

// laptop is where ota setup is called: an ssh with a config of its own.
type laptop struct {
	t   *testing.T
	dir string
	env []string
}

func newLaptop(t *testing.T, k keys, config string) *laptop {
	t.Helper()
	l := &laptop{t: t, dir: t.TempDir()}
	host, err := os.ReadFile(filepath.Join(k.dir, "host.pub"))
	if err != nil {
		t.Fatal(err)
	}
	harness.Tree{
		"known":   harness.File("* " + string(host)),
		"config":  harness.File(config + "\nHost *\nUserKnownHostsFile " + l.dir + "/known\nGlobalKnownHostsFile none\nStrictHostKeyChecking yes\nIdentitiesOnly yes\nIdentityFile " + k.dir + "/user\n"),
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
