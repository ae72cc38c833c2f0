package push

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"ota/internal/kit/hint"
	"ota/internal/receive"
	"ota/internal/ssh"
)

// Place is where a release goes.
type Place struct {
	remote *ssh.Target // nil: not behind ssh
	kept   *login      // for many connections; nil: each has its own
	device *device     // nil: not behind HTTPS
	dir    string      // of this machine
}

// ParsePlace reads [USER@]HOST:DIR, ssh://…, https://HOST:PORT, or the path of a
// folder. A relative one is below here.
func ParsePlace(text, here string) (Place, error) {
	if text == "" {
		return Place{}, errors.New("the place to push to has no name")
	}
	switch scheme, _, isURL := strings.Cut(text, "://"); {
	case !isURL || scheme == "ssh":
	case scheme == "https" || scheme == "http":
		device, err := parseDevice(text)
		return Place{device: device}, err
	default:
		return Place{}, hint.With(fmt.Errorf("%q is no place to push to", text), "name a folder, [USER@]HOST:DIR for one behind ssh, or https://HOST:8484")
	}
	if !IsRemote(text) {
		if !filepath.IsAbs(text) {
			text = filepath.Join(here, text)
		}
		return Place{dir: text}, nil
	}
	target, err := ssh.ParseTarget(text)
	return Place{remote: &target}, err
}

// IsRemote reports whether a text names a folder of another machine: what has a
// colon before any slash, but for the letter of a drive.
func IsRemote(text string) bool {
	if strings.Contains(text, "://") {
		return true
	}
	host, _, hasColon := strings.Cut(text, ":")
	return hasColon && len(host) > 1 && !strings.Contains(host, "/")
}

// connect connects to the other side. Close waits for its end; its error says how
// that came.
func (p Place) connect(ctx context.Context) (io.ReadWriteCloser, error) {
	switch {
	case p.device != nil:
		return p.device.connect(ctx)
	case p.remote != nil:
		cmd, err := p.command(ctx, "ota", "receive", p.remote.RemoteDir())
		if err != nil {
			return nil, err
		}
		return connectSSH(cmd)
	}
	return connectHere(ctx, p.dir), nil
}

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
		err := receive.Serve(ctx, dir, receive.Whole, theirs)
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

// leaveAfter is how long ssh has to end by itself.
const leaveAfter = 3 * time.Second

func connectSSH(cmd *exec.Cmd) (*overSSH, error) {
	s := &overSSH{cmd: cmd}
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
		return nil, fmt.Errorf("cannot start ssh: %w", err)
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
		said := reason(s.errors.String(), fmt.Errorf("ssh ended: %w", exit))
		s.err = errors.New(strings.TrimPrefix(said.Error(), "ota: "))
		switch exit.ExitCode() {
		case notFound:
			s.err = final{hint.With(errors.New("there is no ota on the device"), "install it there, where a command over ssh finds it: /usr/local/bin")}
		case wrongUsage:
			s.err = final{hint.With(s.err, "use the same version of ota on both sides")}
		}
	})
	return s.err
}
