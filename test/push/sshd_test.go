//go:build linux

package push

import (
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"ota/test/harness"
)

// sshServer is a real sshd on this machine, with keys of its own, that is reached
// through a relay.
type sshServer struct {
	harness.SSHServer
	*relay
	t    *testing.T
	keys harness.SSHKeys
	dir  string // of the keys, and of what is found there as ota
}

func serveSSH(t *testing.T) *sshServer {
	t.Helper()
	keys := harness.NewSSHKeys(t)
	harness.Tree{"bin/ota": harness.Link(harness.Binary())}.Write(t, keys.Dir)
	server := harness.ServeSSH(t, keys, "", strings.ReplaceAll(`MaxStartups 1000
SetEnv PATH=DIR/bin:/usr/bin:/bin OTA_TEST_COUNT=DIR`, "DIR", keys.Dir))
	return &sshServer{server, newRelay(t, server.Address()), t, keys, keys.Dir}
}

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
	return s.keys.SSHAgent(s.t)
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
