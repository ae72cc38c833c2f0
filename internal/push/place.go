package push

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"time"

	"ota/internal/kit/hint"
	"ota/internal/receive"
)

// Place is where a release goes.
type Place struct {
	host string // [user@]host, as ssh reads it; empty: this machine
	dir  string
}

// ParsePlace reads [user@]host:dir, or the path of a folder.
func ParsePlace(text string) (Place, error) {
	host, dir, isRemote := strings.Cut(text, ":")
	if text == "" || isRemote && host == "" {
		return Place{}, fmt.Errorf("%q names no folder", text)
	}
	if strings.HasPrefix(dir, "//") {
		return Place{}, hint.With(fmt.Errorf("%q is no place to push to", text), "name a folder, or [user@]host:dir for one behind ssh")
	}
	if !isRemote || strings.Contains(host, "/") || len(host) == 1 { // C:\
		return Place{dir: text}, nil
	}
	if strings.HasPrefix(host, "-") || strings.ContainsAny(host, " \t\r\n\x00") {
		return Place{}, fmt.Errorf("%q is no name of a host", host)
	}
	if dir == "" {
		dir = "."
	}
	return Place{host: host, dir: strings.TrimPrefix(dir, "~/")}, nil
}

// IsRemote reports whether it is behind ssh.
func (p Place) IsRemote() bool { return p.host != "" }

// Folder is the path of a folder of this machine.
func (p Place) Folder() string { return p.dir }

// At is the place with another path.
func (p Place) At(dir string) Place { return Place{p.host, dir} }

// connect connects to the other side. Close waits for its end; its error says how
// that came.
func (p Place) connect(ctx context.Context) (io.ReadWriteCloser, error) {
	if !p.IsRemote() {
		return connectHere(ctx, p.dir), nil
	}
	return connectSSH(p.host, "exec ota receive "+quoted(p.dir))
}

// quoted is a word for a shell.
func quoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// here is the other side on this machine.
type here struct {
	net.Conn
	ended chan error
	once  sync.Once
	err   error
}

func connectHere(ctx context.Context, dir string) *here {
	ours, theirs := net.Pipe()
	h := &here{Conn: ours, ended: make(chan error, 1)}
	go func() {
		err := receive.Serve(ctx, dir, theirs)
		theirs.Close()
		h.ended <- err
	}()
	return h
}

func (h *here) Close() error {
	h.once.Do(func() {
		h.Conn.Close()
		h.err = <-h.ended
		// A side that finds nobody there any more has done what it should.
		if errors.Is(h.err, io.ErrClosedPipe) || errors.Is(h.err, io.EOF) {
			h.err = nil
		}
	})
	return h.err
}

// overSSH is the other side behind the system's ssh.
type overSSH struct {
	io.Reader
	io.WriteCloser
	cmd    *exec.Cmd
	errors bytes.Buffer
	once   sync.Once
	err    error
}

// Options of ssh: a connection that is dead is noticed within a minute.
var sshOptions = []string{"-T", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3", "-o", "ConnectTimeout=20"}

// leaveAfter is how long ssh has to end by itself.
const leaveAfter = 3 * time.Second

func connectSSH(host, command string) (*overSSH, error) {
	s := &overSSH{cmd: exec.Command("ssh", append(append([]string{}, sshOptions...), "--", host, command)...)}
	s.cmd.Stderr = &s.errors
	s.cmd.WaitDelay = leaveAfter
	in, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.Reader, s.WriteCloser = out, in
	if err := s.cmd.Start(); err != nil {
		return nil, hint.With(fmt.Errorf("cannot start ssh: %w", err), "install the client of OpenSSH")
	}
	return s, nil
}

// Exit codes of the shell on the other side.
const (
	notFound   = 127
	wrongUsage = 2
)

// Close ends ssh and says why it had ended, if it had.
func (s *overSSH) Close() error {
	s.once.Do(func() {
		s.WriteCloser.Close()
		late := time.AfterFunc(leaveAfter, func() { s.cmd.Process.Kill() })
		err := s.cmd.Wait()
		late.Stop()
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			return
		}
		said := strings.TrimSpace(s.errors.String())
		if _, last, more := strings.Cut(said, "\n"); more {
			said = last[strings.LastIndexByte(last, '\n')+1:]
		}
		if said == "" {
			said = "ssh ended: " + exit.Error()
		}
		s.err = errors.New(strings.TrimPrefix(strings.TrimSpace(said), "ota: "))
		switch exit.ExitCode() {
		case notFound:
			s.err = final{hint.With(errors.New("there is no ota on the device"), "install it there, where a command over ssh finds it: /usr/local/bin")}
		case wrongUsage:
			s.err = final{hint.With(s.err, "use the same version of ota on both sides")}
		}
	})
	return s.err
}
