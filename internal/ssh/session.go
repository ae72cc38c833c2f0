package ssh

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Session is one connection for several commands, so that what ssh asks it asks
// once. Where ssh can't share one (Windows) each command has its own.
type Session struct {
	Target
	options Options
	master  *exec.Cmd      // nil: none is shared
	input   io.WriteCloser // of the master
	folder  string         // of its socket
	ended   chan struct{}  // closed when the master has ended; nil: it was not started
}

// Open connects to the target. What ssh has to say goes to words: its own
// terminal, as a rule. The connection ends with ctx, with Close, and with this
// process, however that ends.
func Open(ctx context.Context, target Target, batch bool, words io.Writer) (*Session, error) {
	s := &Session{Target: target, options: Options{Batch: batch}}
	if !canShare {
		_, err := Find()
		return s, err
	}
	if err := s.connect(ctx, words); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// ErrNoConnection says that ssh has not come through; it has said why.
var ErrNoConnection = errors.New("ssh has not come through")

// ready is what the other side sends back: some shells greet before it.
const ready = "ota-is-connected"

// connect starts the ssh that holds the connection. It runs cat, which ends when
// this process is no longer there to write to it.
func (s *Session) connect(ctx context.Context, words io.Writer) (err error) {
	if s.folder, err = os.MkdirTemp(shortTemp(), "ota-"); err != nil {
		return err
	}
	s.options.ControlPath = filepath.Join(s.folder, "ssh")
	master := s.CommandWith(ctx, s.options, "cat")
	master.Args = append([]string{master.Args[0], "-M"}, master.Args[1:]...)
	master.Stderr = words
	if s.input, err = master.StdinPipe(); err != nil {
		return err
	}
	output, err := master.StdoutPipe()
	if err != nil {
		return err
	}
	if err := master.Start(); err != nil {
		return err
	}
	s.master, s.ended = master, make(chan struct{})
	connected := false
	defer func() {
		if connected {
			go s.await()
		} else {
			s.input.Close()
			s.await()
		}
	}()
	if _, err := io.WriteString(s.input, ready+"\n"); err != nil {
		return ErrNoConnection
	}
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if strings.HasSuffix(strings.TrimSpace(lines.Text()), ready) {
			connected = true
			return nil
		}
	}
	return errors.Join(ErrNoConnection, ctx.Err())
}

// await waits for the master, which ends with what it runs; how, is of no interest.
func (s *Session) await() {
	_ = s.master.Wait()
	close(s.ended)
}

// HasEnded reports whether the connection was lost: what is run now would be a
// login of its own, or none. It may be called by several goroutines.
func (s *Session) HasEnded() bool {
	select {
	case <-s.ended: // never, where none is shared
		return true
	default:
		return false
	}
}

// shortTemp is where temporary folders are, if the path of a socket fits there:
// 104 bytes on macOS, of which ssh takes 17 for itself.
func shortTemp() string {
	if len(os.TempDir()) > 60 {
		return "/tmp"
	}
	return ""
}

// Command returns the call that runs argv over the connection.
func (s *Session) Command(ctx context.Context, argv ...string) *exec.Cmd {
	return s.CommandWith(ctx, s.options, argv...)
}

// WithTerminal is Command for a command that asks: it gets a terminal if this
// process has one.
func (s *Session) WithTerminal(ctx context.Context, argv ...string) *exec.Cmd {
	options := s.options
	options.Terminal = true
	return s.CommandWith(ctx, options, argv...)
}

// Close ends the connection.
func (s *Session) Close() error {
	if s.master != nil {
		s.input.Close()
		<-s.ended
	}
	if s.folder == "" {
		return nil
	}
	return os.RemoveAll(s.folder)
}
