package trial

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"ota/internal/kit/proc"
)

// drainLimit is how long output is read on after a command has ended: by then
// all is in the pipe, and only a process that got away can keep it open.
const drainLimit = 100 * time.Millisecond

// Command returns a way to execute commands in a folder, for [Options]. env is
// the whole environment, and resolve finds the path of what is to be run. A
// command and all in its process group are ended with it. Several goroutines
// may call what is returned.
func Command(dir string, env func() []string, resolve func(name string) (string, error)) func(ctx context.Context, argv []string) (code int, output string, err error) {
	return func(ctx context.Context, argv []string) (int, string, error) {
		path, err := resolve(argv[0])
		if err != nil {
			return 0, "", fmt.Errorf("%w: %w", ErrNotRun, err)
		}
		return execute(ctx, &exec.Cmd{Path: path, Args: argv, Dir: dir, Env: env(), SysProcAttr: ownGroup()})
	}
}

// execute runs a command. It owns the pipe of its output: [exec.Cmd] would wait
// for the end of a grandchild that keeps it.
func execute(ctx context.Context, cmd *exec.Cmd) (code int, output string, err error) {
	if ctx.Err() != nil {
		return 0, "", ctx.Err()
	}
	out, in, err := os.Pipe()
	if err != nil {
		return 0, "", fmt.Errorf("%w: %w", ErrNotRun, err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = in, in
	err = proc.Start(cmd)
	in.Close()
	if err != nil {
		return 0, "", fmt.Errorf("%w: %w", ErrNotRun, err)
	}
	var last lastLine
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(&last, out)
	}()
	follow(ctx, cmd)
	// Where pipes have no deadline, the end of the file has to do.
	_ = out.SetReadDeadline(time.Now().Add(drainLimit))
	<-read
	code, ended := exitCode(cmd.ProcessState)
	if !ended && ctx.Err() != nil {
		return code, last.String(), ctx.Err()
	}
	return code, last.String(), nil
}

// lastLine keeps the last line that is not empty, or the beginning of it.
type lastLine struct {
	last, current []byte
}

// Write takes a piece of output.
func (l *lastLine) Write(piece []byte) (int, error) {
	for rest := piece; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte{'\n'})
		// More than will be shown is kept, so that it is seen to be cut.
		room := max(0, longestDetail+1-len(l.current))
		l.current = append(l.current, line[:min(len(line), room)]...)
		if ended {
			l.keep()
			l.current = l.current[:0]
		}
		rest = after
	}
	return len(piece), nil
}

func (l *lastLine) keep() {
	if line := bytes.TrimSpace(l.current); len(line) > 0 {
		l.last = append(l.last[:0], line...)
	}
}

// String returns the line, harmless and short. No Write may follow.
func (l *lastLine) String() string {
	l.keep()
	return harmless(string(l.last))
}
