package program

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ota/internal/kit/command"
	"ota/internal/kit/proc"
)

const (
	// helloLimit is for a process to come to the point at which it listens: the
	// start of an interpreter, on a cold card.
	helloLimit = 15 * time.Second
	// waitLimit is for all that is done before it waits, if nothing else is
	// said.
	waitLimit = time.Minute
	// startedLimit is for the answer to the word that it may go on. It comes
	// within a millisecond; a plain start takes less than to wait for longer.
	startedLimit = 250 * time.Millisecond
	// longestLine is of what a waiting process says.
	longestLine = 4096
	// keptOutput is how much of each of its outputs is logged of what it prints
	// before it waits.
	keptOutput = 4096
)

// Prepare starts a process that waits to become the program of spec, beside the
// one that runs. It returns before the process waits, but after the probe,
// which takes as long as the start of an interpreter; and it waits for a Start
// or Stop that is at work. A process that nobody starts is to be closed.
func (r *Room) Prepare(spec Spec, hook WaitSpec) (*Waiting, error) {
	if err := spec.check(); err != nil {
		return nil, fmt.Errorf("cannot prepare a start: %w", err)
	}
	if err := r.probe(spec, hook); err != nil {
		return nil, fmt.Errorf("cannot prepare a start: %w", err)
	}
	w, err := r.hold(spec, hook)
	if err != nil {
		return nil, fmt.Errorf("cannot prepare a start: %w", err)
	}
	return w, nil
}

// probe makes sure that such a command waits.
func (r *Room) probe(spec Spec, hook WaitSpec) error {
	spec.Argv = hook.Probe
	if err := spec.check(); err != nil {
		return err
	}
	what, err := identity(spec)
	if err != nil {
		return err
	}
	r.waits.mu.Lock()
	known := r.waits.probed == what
	r.waits.mu.Unlock()
	if known {
		return nil
	}
	hook.First, hook.Limit = nil, helloLimit
	w, err := r.hold(spec, hook)
	if err != nil {
		return err
	}
	select {
	case <-w.ready:
		w.Close()
	case <-w.done:
		return fmt.Errorf("this Python does not wait: %w", w.Err())
	}
	r.waits.mu.Lock()
	defer r.waits.mu.Unlock()
	r.waits.probed = what
	return nil
}

// identity is the same as long as a command does the same at its start.
func identity(spec Spec) (string, error) {
	info, err := os.Stat(spec.Argv[0])
	if err != nil {
		return "", err
	}
	what := []string{spec.Dir, strconv.FormatInt(info.Size(), 10), info.ModTime().String()}
	what = append(what, spec.Argv...)
	for _, entry := range spec.Env {
		if name, _, _ := strings.Cut(entry, "="); !isOwn(name) {
			what = append(what, entry)
		}
	}
	return strings.Join(what, "\x00"), nil
}

// hold starts a process that waits.
func (r *Room) hold(spec Spec, hook WaitSpec) (*Waiting, error) {
	dir, err := os.Stat(spec.Dir)
	if err != nil {
		return nil, err
	}
	line, theirs, err := newLine()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	stdout, stderr, err := newPipes()
	if err != nil {
		line.file.Close()
		return nil, err
	}
	spec.wait = &waitEnd{file: theirs, env: hook.Env}
	w := &Waiting{
		room: r, spec: spec, dir: dir, line: line, stdout: stdout, stderr: stderr,
		standing: standingPreparing,
		ready:    make(chan struct{}), attended: make(chan struct{}),
		decided: make(chan struct{}), done: make(chan struct{}),
	}
	r.turn.Lock()
	r.open()
	w.env = r.environ(spec)
	if w.sockets = r.sockets.numbers(spec.Sockets); len(w.sockets) < len(spec.Sockets) {
		err = errSockets
	} else {
		w.cmd, err = r.fork(spec, stdout.in, stderr.in)
	}
	r.turn.Unlock()
	stdout.in.Close()
	stderr.in.Close()
	if err != nil {
		w.shut()
		return nil, err
	}
	w.id = proc.ID{PID: w.cmd.Process.Pid, Start: startOf(w.cmd.Process.Pid)}
	r.waits.add(w)
	go w.follow()
	go w.attend(hook)
	return w, nil
}

func (w *Waiting) shut() {
	w.line.file.Close()
	w.stdout.out.Close()
	w.stderr.out.Close()
}

var errEnded = errors.New("it has ended")

// follow follows the process to its end, as which of the two it may be.
func (w *Waiting) follow() {
	proc.AwaitEnd(w.id.PID)
	// Mostly it has said why; what it has started may keep the line open.
	_ = w.line.file.SetReadDeadline(time.Now().Add(drainLimit)) // closed: it is the program
	<-w.attended
	w.mu.Lock()
	if w.standing == standingCalled {
		w.mu.Unlock()
		<-w.decided
		w.mu.Lock()
	}
	run := w.run
	if run == nil {
		// What it has started is of its group, as long as that is numbered.
		w.kill(errEnded)
		w.standing = standingEnded
	}
	w.mu.Unlock()
	w.room.waits.remove(w)
	if run != nil {
		run.wait()
		return
	}
	_ = proc.Wait(w.cmd) // nobody asks how
	w.shut()
	close(w.done)
}

// attend listens until the process waits.
func (w *Waiting) attend(hook WaitSpec) {
	defer close(w.attended)
	silence := w.hush()
	err := w.prepare(hook)
	silence()
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err != nil:
		w.kill(err)
	case w.standing == standingPreparing && w.reason == nil:
		w.standing = standingWaiting
		close(w.ready)
	}
}

// prepare talks with the process until it waits.
func (w *Waiting) prepare(hook WaitSpec) error {
	limit := hook.Limit
	if limit == 0 {
		limit = waitLimit
	}
	begin := time.Now()
	until := begin.Add(min(helloLimit, limit))
	for {
		_ = w.line.file.SetDeadline(until) // a socket has deadlines
		word, text, err := w.line.hear()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("it does not wait after %s", until.Sub(begin))
		case err != nil:
			return err
		}
		switch word {
		case "hello":
			until = begin.Add(limit)
			_ = w.line.file.SetDeadline(until)
			if err := w.line.say(hook.First); err != nil {
				return err
			}
		case "missing":
			w.mu.Lock()
			w.missing = append(w.missing, text)
			w.mu.Unlock()
		case "waiting":
			return nil
		default:
			return fmt.Errorf("it said %q", word+" "+text)
		}
	}
}

// hush throws away what the process prints, until the function that it returns
// is called. What had been printed by then does not come out as the program's.
func (w *Waiting) hush() (silence func()) {
	var readers sync.WaitGroup
	var printed [2]command.Head // of stdout and stderr
	for i, from := range []pipe{w.stdout, w.stderr} {
		head := &printed[i]
		head.Longest = keptOutput
		readers.Go(func() {
			_, err := io.Copy(head, from.out)
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				return
			}
			if err := from.out.SetReadDeadline(time.Time{}); err == nil {
				from.empty(head)
			}
		})
	}
	return func() {
		for _, from := range []pipe{w.stdout, w.stderr} {
			_ = from.out.SetReadDeadline(time.Unix(1, 0)) // closed: at its end as well
		}
		readers.Wait()
		if text := slices.Concat(printed[0].Kept(), printed[1].Kept()); len(text) > 0 {
			w.room.log.Debug("printed while a start was prepared, and not kept", "text", string(text))
		}
	}
}

// empty reads what is in the pipe now.
func (p pipe) empty(w io.Writer) {
	raw, err := p.out.SyscallConn()
	if err != nil {
		return
	}
	piece := make([]byte, pieceSize)
	_ = raw.Read(func(fd uintptr) bool {
		for {
			n, err := unix.Read(int(fd), piece)
			if n <= 0 && !errors.Is(err, unix.EINTR) {
				return true
			}
			_, _ = w.Write(piece[:max(n, 0)])
		}
	})
}

// adopt makes the waiting process of spec the program. Nil: a plain start is to
// follow, and nothing of the waiting process is in its way.
func (r *Room) adopt(spec Spec, last *Run) *Run {
	w := spec.Waiting
	if w == nil {
		return nil
	}
	changes, err := w.fits(r, spec)
	if err == nil {
		var run *Run
		if run, err = w.become(spec, last, changes); err == nil {
			return run
		}
	}
	r.log.Info("plain start instead of the prepared one", "reason", err)
	// One that was not called does nothing of the program while it is ended.
	w.end(err)
	return nil
}

// become tells the process to go on, and returns it as a run when it has.
func (w *Waiting) become(spec Spec, last *Run, changes []byte) (*Run, error) {
	if err := w.call(); err != nil {
		return nil, err
	}
	run := newRun(w.room, w.stdout, w.stderr)
	run.cmd, run.id, run.origin = w.cmd, w.id, FromWaiting
	w.room.notify.expect(run)
	events, unwatch := proc.Watch()
	run.started = time.Now()
	err := w.start(changes)
	w.mu.Lock()
	if err != nil {
		w.kill(err)
		w.standing = standingRefused
		close(w.decided)
		w.mu.Unlock()
		unwatch()
		// It may be the program, and only failed to say so.
		<-w.done
		return nil, err
	}
	w.standing, w.run = standingProgram, run
	run.listen(spec, last)
	close(w.decided)
	w.mu.Unlock()
	w.line.file.Close()
	go run.tend(events, unwatch)
	return run, nil
}

// call takes a process that waits.
func (w *Waiting) call() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.reason != nil:
		return w.reason
	case w.standing != standingWaiting:
		return fmt.Errorf("it is %s", w.standing)
	}
	w.standing = standingCalled
	return nil
}

// start gives the word to a process that waits.
func (w *Waiting) start(changes []byte) error {
	_ = w.line.file.SetDeadline(time.Now().Add(startedLimit))
	if err := w.line.say(changes); err != nil {
		return err
	}
	word, text, err := w.line.hear()
	switch {
	case err != nil:
		return err
	case word != "started":
		return fmt.Errorf("it said %q", word+" "+text)
	}
	return nil
}

// line is our end of the socket to a waiting process.
type line struct {
	file *os.File
	in   *bufio.Reader
}

// newLine returns our end and the process's.
func newLine() (*line, *os.File, error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	// Only a file that does not block has deadlines.
	if err := unix.SetNonblock(ends[0], true); err != nil {
		return nil, nil, errors.Join(os.NewSyscallError("fcntl", err), unix.Close(ends[0]), unix.Close(ends[1]))
	}
	ours := os.NewFile(uintptr(ends[0]), "waiting process")
	return &line{ours, bufio.NewReaderSize(ours, longestLine)}, os.NewFile(uintptr(ends[1]), "ota"), nil
}

// say sends one message.
func (l *line) say(message []byte) error {
	_, err := l.file.Write(append(strconv.AppendInt(nil, int64(len(message)), 10), "\n"+string(message)...))
	return err
}

// hear returns the next line: its first word, and the rest.
func (l *line) hear() (word, text string, err error) {
	read, err := l.in.ReadSlice('\n')
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return "", "", errEnded
	}
	if err != nil {
		return "", "", fmt.Errorf("it says nothing: %w", err)
	}
	word, text, _ = strings.Cut(strings.TrimSuffix(string(read), "\n"), " ")
	if word == "off" {
		return "", "", errors.New(text)
	}
	return word, text, nil
}
