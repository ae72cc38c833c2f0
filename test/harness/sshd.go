//go:build linux

package harness

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// SSHKeys are made once for a test, in a folder that every user may read: "host"
// of the servers, and "user" of who logs in.
type SSHKeys struct{ Dir string }

// NewSSHKeys makes them, and removes them when the test ends. It ends the test as
// Need does where a server can't be.
func NewSSHKeys(t testing.TB) SSHKeys {
	t.Helper()
	NeedRoot(t)
	Need(t, "/usr/sbin/sshd", "/usr/bin/ssh", "ssh-keygen", "ssh-agent", "ssh-add", "unshare")
	// Where none of the views has something else, and every user may read.
	dir, err := os.MkdirTemp("/dev/shm", "ota-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	k := SSHKeys{dir}
	for _, name := range []string{"host", "user"} {
		Run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(k.Dir, name))
	}
	return k
}

// SSHAgent starts an ssh-agent that has the key of who logs in, until the test ends.
// It returns its socket.
func (k SSHKeys) SSHAgent(t testing.TB) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "agent")
	agent := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { agent.Process.Kill(); agent.Wait() })
	Await(t, "the agent to answer", answers("unix", socket), func() string { return "" })
	Run(t, "env", "SSH_AUTH_SOCK="+socket, "ssh-add", "-q", filepath.Join(k.Dir, "user"))
	return socket
}

// answers tells whether somebody listens.
func answers(network, address string) func() bool {
	return func() bool {
		conn, err := net.Dial(network, address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}
}

// SSHServer is a real sshd.
type SSHServer struct {
	Port int // on 127.0.0.1
	log  string
}

// ServeSSH starts one, until the test ends, in a view of the file system of its
// own, in which prepare, a script, is run before. settings are added to those of
// sshd.
func ServeSSH(t testing.TB, k SSHKeys, prepare, settings string) SSHServer {
	t.Helper()
	dir, err := os.MkdirTemp(k.Dir, "server-")
	if err != nil {
		t.Fatal(err)
	}
	s := SSHServer{FreePort(t), filepath.Join(dir, "log")}
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
`, s.Port, filepath.Join(k.Dir, "host"), filepath.Join(k.Dir, "user.pub"), settings)
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
	Await(t, "sshd to answer", answers("tcp", s.Address()), s.Said)
	return s
}

// Address is where it listens.
func (s SSHServer) Address() string { return fmt.Sprintf("127.0.0.1:%d", s.Port) }

// Said is what it has written into its log.
func (s SSHServer) Said() string {
	text, _ := os.ReadFile(s.log)
	return string(text)
}

// Logins counts those that came in.
func (s SSHServer) Logins() int { return strings.Count(s.Said(), "Accepted publickey") }
