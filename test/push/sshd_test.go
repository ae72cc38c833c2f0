//go:build linux

package push

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"ota/test/harness"
)

// sshServer is a real sshd on this machine, with keys of its own, that is reached
// through a relay.
type sshServer struct {
	t    *testing.T
	dir  string
	port int // of sshd itself
	*relay
}

func serveSSH(t *testing.T) *sshServer {
	t.Helper()
	harness.NeedRoot(t)
	harness.Need(t, "/usr/sbin/sshd", "ssh-keygen", "ssh")
	s := &sshServer{t: t, dir: harness.FastDir(t)}
	for _, name := range []string{"host", "user"} {
		s.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(s.dir, name))
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = free.Addr().(*net.TCPAddr).Port
	free.Close()
	harness.Tree{
		"sshd_config": harness.File(strings.NewReplacer("DIR", s.dir, "PORT", strconv.Itoa(s.port)).Replace(`ListenAddress 127.0.0.1
Port PORT
HostKey DIR/host
AuthorizedKeysFile DIR/user.pub
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
PidFile none
LogLevel VERBOSE
MaxStartups 1000
SetEnv PATH=DIR/bin:/usr/bin:/bin OTA_TEST_COUNT=DIR
`)),
		"bin/ota": harness.Link(harness.Binary()),
	}.Write(t, s.dir)
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command("/usr/sbin/sshd", "-D", "-e", "-f", filepath.Join(s.dir, "sshd_config"))
	server.Stderr = log
	server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-server.Process.Pid, syscall.SIGKILL)
		server.Wait()
		log.Close()
	})
	harness.Await(t, "sshd to answer", func() bool {
		conn, err := net.Dial("tcp", s.address())
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, s.said)
	s.relay = newRelay(t, s.address())
	return s
}

func (s *sshServer) run(argv ...string) {
	s.t.Helper()
	if said, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		s.t.Fatalf("%q: %v\n%s", argv, err, said)
	}
}

func (s *sshServer) address() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

func (s *sshServer) said() string {
	text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return string(text)
}

// logins counts those that came in.
func (s *sshServer) logins() int { return strings.Count(s.said(), "Accepted publickey") }

// host is a section of ssh_config(5) for it.
func (s *sshServer) host(name, more string) string {
	return strings.NewReplacer("NAME", name, "PORT", strconv.Itoa(s.relay.port), "DIR", s.dir).Replace(`Host NAME
HostName 127.0.0.1
Port PORT
User root
HostKeyAlias test
IdentityFile DIR/user
IdentitiesOnly yes
StrictHostKeyChecking no
UserKnownHostsFile DIR/known
LogLevel ERROR
`) + more
}

// agent starts an ssh-agent that has the key, and returns its socket.
func (s *sshServer) agent() string {
	s.t.Helper()
	harness.Need(s.t, "ssh-agent", "ssh-add")
	socket := filepath.Join(s.dir, "agent")
	agent := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := agent.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { agent.Process.Kill(); agent.Wait() })
	harness.Await(s.t, "the agent", func() bool { _, err := os.Stat(socket); return err == nil }, func() string { return "" })
	add := exec.Command("ssh-add", "-q", filepath.Join(s.dir, "user"))
	add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
	if said, err := add.CombinedOutput(); err != nil {
		s.t.Fatalf("%v\n%s", err, said)
	}
	return socket
}

// knows gives the laptop an ssh with these sections of a config.
func (l *laptop) knows(s *sshServer, hosts ...string) {
	l.t.Helper()
	real, err := exec.LookPath("ssh")
	if err != nil {
		l.t.Fatal(err)
	}
	dir := l.t.TempDir()
	harness.Tree{
		"config": harness.File(strings.Join(hosts, "\n")),
		"ssh":    harness.Entry{Mode: 0o755, Content: "#!/bin/sh\nexec " + real + " -F " + dir + "/config \"$@\"\n"},
	}.Write(l.t, dir)
	l.env = append(l.env, "PATH="+dir+":"+os.Getenv("PATH"))
}

// relay is between ssh and sshd.
type relay struct {
	to   string
	port int

	mutex sync.Mutex
	limit func() (bytes int64, ok bool) // after which the next connection is cut, on its way up; nil: never
	conns map[net.Conn]bool
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &relay{to: to, port: listener.Addr().(*net.TCPAddr).Port, conns: map[net.Conn]bool{}}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		p.cut()
		all.Wait()
	})
	return p
}

// cutAfter has each next connection cut where limit says.
func (p *relay) cutAfter(limit func() (bytes int64, ok bool)) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.limit = limit
}

func (p *relay) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		client.Close()
		return
	}
	p.mutex.Lock()
	p.conns[client], p.conns[server] = true, true
	up := io.Reader(client)
	if p.limit != nil {
		if bytes, ok := p.limit(); ok {
			up = io.LimitReader(client, bytes)
		}
	}
	p.mutex.Unlock()
	var both sync.WaitGroup
	end := func() { client.Close(); server.Close() }
	both.Go(func() { io.Copy(server, up); end() })
	both.Go(func() { io.Copy(client, server); end() })
	both.Wait()
	p.mutex.Lock()
	defer p.mutex.Unlock()
	delete(p.conns, client)
	delete(p.conns, server)
}

// cut ends all connections that there are.
func (p *relay) cut() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for conn := range p.conns {
		conn.Close()
	}
}
