// Package command runs a command to its end, with all that it has started in its
// process group.
//
// In: what to run, and whom to give its output. Out: its exit code. Never: a
// wait for somebody who was left behind with its output; a signal to a group
// that is no longer its own.
package command

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"time"

	"ota/internal/kit/proc"
)

// drainLimit is how long output is read on after a command has ended: by then
// all is in the pipe, and only a process that got away can keep it open. On a
// machine with much to do even that takes its time.
const drainLimit = 2 * time.Second

// Run runs cmd, in a process group of its own, and gives output all that it
// writes, one piece at a time; it sets Stdout and Stderr itself.
// started is called when it runs; it may be nil. The end of ctx kills it with
// all in its group, and the error is then that of ctx. Another error means that
// it could not be started. The code is as a shell tells it: 128 + the signal.
func Run(ctx context.Context, cmd *exec.Cmd, output io.Writer, started func(pid int)) (code int, err error) {
	out, err := newStream(output)
	if err != nil {
		return 0, err
	}
	defer out.close()
	return run(ctx, cmd, out, out, started)
}

// RunApart is Run for a command whose two outputs are not for the same.
func RunApart(ctx context.Context, cmd *exec.Cmd, stdout, stderr io.Writer, started func(pid int)) (code int, err error) {
	out, err := newStream(stdout)
	if err != nil {
		return 0, err
	}
	defer out.close()
	complaint, err := newStream(stderr)
	if err != nil {
		return 0, err
	}
	defer complaint.close()
	return run(ctx, cmd, out, complaint, started)
}

func run(ctx context.Context, cmd *exec.Cmd, stdout, stderr *stream, started func(pid int)) (code int, err error) {
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	cmd.Stdout, cmd.Stderr = stdout.in, stderr.in
	giveGroup(cmd)
	if err := proc.Start(cmd); err != nil {
		return 0, err
	}
	if started != nil {
		started(cmd.Process.Pid)
	}
	stdout.begin()
	stderr.begin()
	follow(ctx, cmd)
	stdout.finish()
	stderr.finish()
	code, ended := exitCode(cmd.ProcessState)
	if !ended && ctx.Err() != nil {
		return code, ctx.Err()
	}
	return code, nil
}

// stream is a pipe of our own: [exec.Cmd] would wait for the end of a
// grandchild that keeps it.
type stream struct {
	out, in *os.File
	to      io.Writer
	read    chan struct{} // closed when all was read; nil: nobody reads yet
}

func newStream(to io.Writer) (*stream, error) {
	out, in, err := os.Pipe()
	return &stream{out: out, in: in, to: to}, err
}

// begin reads, once the command has the writing end.
func (s *stream) begin() {
	if s.read != nil { // it is both outputs
		return
	}
	s.in.Close()
	s.read = make(chan struct{})
	go func() {
		defer close(s.read)
		_, _ = io.Copy(struct{ io.Writer }{s.to}, s.out)
	}()
}

// finish returns when all was read that the command has written.
func (s *stream) finish() {
	// Where pipes have no deadline, the end of the file has to do.
	_ = s.out.SetReadDeadline(time.Now().Add(drainLimit))
	<-s.read
}

func (s *stream) close() {
	s.out.Close()
	s.in.Close() // closed already if it ran
}

// Head keeps the beginning of what is written, at most Longest bytes. The zero
// value keeps nothing.
type Head struct {
	Longest int

	kept []byte
	cut  bool
}

// Write takes a piece of output. It never fails.
func (h *Head) Write(piece []byte) (int, error) {
	fits := min(len(piece), h.Longest-len(h.kept))
	h.cut = h.cut || fits < len(piece)
	h.kept = append(h.kept, piece[:fits]...)
	return len(piece), nil
}

// Kept returns the beginning.
func (h *Head) Kept() []byte { return h.kept }

// IsCut reports whether there was more.
func (h *Head) IsCut() bool { return h.cut }

// Tail keeps the last lines that are not empty, each at most longest bytes of
// its beginning. The zero value keeps none.
type Tail struct {
	Lines   int // how many
	Longest int

	kept    []string
	current []byte
}

// Write takes a piece of output. It never fails.
func (t *Tail) Write(piece []byte) (int, error) {
	for rest := piece; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte{'\n'})
		room := max(0, t.Longest-len(t.current))
		t.current = append(t.current, line[:min(len(line), room)]...)
		if ended {
			t.keep()
		}
		rest = after
	}
	return len(piece), nil
}

func (t *Tail) keep() {
	if line := bytes.TrimRight(t.current, " \t\r"); len(line) > 0 && t.Lines > 0 {
		if len(t.kept) == t.Lines {
			t.kept = append(t.kept[:0], t.kept[1:]...)
		}
		t.kept = append(t.kept, string(line))
	}
	t.current = t.current[:0]
}

// Kept returns the lines, the last one also if nothing ended it.
func (t *Tail) Kept() []string {
	t.keep()
	return t.kept
}
