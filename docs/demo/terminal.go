//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	columns  = 90
	rows     = 24
	keyEvery = 45 * time.Millisecond // a quick typist's
	patience = 60 * time.Second      // for a step of the session
)

// origin says who made an entry.
type origin string

const (
	printed origin = "printed" // by a program
	typed   origin = "typed"   // after a prompt
)

// entry is something that appeared in a terminal. Times are since the session
// began.
type entry struct {
	origin origin
	at     time.Duration // when it appeared; of what was typed, the prompt
	from   time.Duration // when the first key was struck
	until  time.Duration // and the last
	text   []byte
}

// terminal runs one command after the other and remembers what was seen.
// Several goroutines may use it.
type terminal struct {
	title string
	dir   string
	start time.Time

	command *exec.Cmd
	done    chan error
	free    time.Duration // since when it can be typed into

	lock    sync.Mutex
	entries []entry
	frozen  chan struct{} // closed when nothing is to be remembered any more
	changed chan struct{}
}

func newTerminal(title, dir string, start time.Time) *terminal {
	return &terminal{
		title: title, dir: dir, start: start,
		frozen: make(chan struct{}), changed: make(chan struct{}, 1),
	}
}

// enter types line and starts it.
func (t *terminal) enter(line string) func(context.Context) error {
	return func(ctx context.Context) error {
		from, length := time.Since(t.start), time.Duration(len(line))*keyEvery
		t.remember(entry{origin: typed, at: t.free, from: from, until: from + length, text: []byte(line + "\n")})
		if err := pause(length)(ctx); err != nil {
			return err
		}
		return t.run(line)
	}
}

// run starts line in a shell that has a terminal of its own.
func (t *terminal) run(line string) error {
	master, slave, err := openTerminal()
	if err != nil {
		return fmt.Errorf("cannot open a terminal: %w", err)
	}
	defer slave.Close()
	command := exec.Command("sh", "-c", line)
	command.Dir = t.dir
	// Nothing of the environment of whoever records may show.
	command.Env = []string{
		"PATH=" + filepath.Join(t.dir, "bin") + ":/usr/local/bin:/usr/bin:/bin",
		"HOME=" + t.dir, "LANG=C.UTF-8", "TERM=xterm-256color",
	}
	command.Stdin, command.Stdout, command.Stderr = slave, slave, slave
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := command.Start(); err != nil {
		return errors.Join(fmt.Errorf("cannot start %q: %w", line, err), master.Close())
	}
	t.command, t.done = command, make(chan error, 1)
	go t.listen(master, command, t.done)
	return nil
}

// listen remembers what comes until the last program has closed its side.
func (t *terminal) listen(master *os.File, command *exec.Cmd, done chan<- error) {
	buffer := make([]byte, 4096)
	for {
		count, err := master.Read(buffer)
		if count > 0 {
			t.remember(entry{origin: printed, at: time.Since(t.start), text: bytes.Clone(buffer[:count])})
		}
		// EIO is how Linux says that the other side is closed (pty(7)).
		if errors.Is(err, syscall.EIO) || errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			done <- errors.Join(err, command.Wait(), master.Close())
			return
		}
	}
	done <- errors.Join(command.Wait(), master.Close())
}

func (t *terminal) remember(e entry) {
	select {
	case <-t.frozen:
		return
	default:
	}
	t.lock.Lock()
	t.entries = append(t.entries, e)
	t.lock.Unlock()
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// seen waits until text has appeared count times.
func (t *terminal) seen(text string, count int) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		for t.count(text) < count {
			select {
			case <-t.changed:
			case <-ctx.Done():
				return fmt.Errorf("cannot see %q in %s: %w; there is:\n%s", text, t.title, ctx.Err(), t.all())
			}
		}
		return nil
	}
}

func (t *terminal) count(text string) int { return bytes.Count(t.all(), []byte(text)) }

func (t *terminal) all() []byte {
	t.lock.Lock()
	defer t.lock.Unlock()
	var all []byte
	for _, each := range t.entries {
		all = append(all, each.text...)
	}
	return all
}

// ended waits for the command, which has to succeed.
func (t *terminal) ended() func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case err := <-t.done:
			t.command, t.free = nil, time.Since(t.start)
			if err != nil {
				return fmt.Errorf("a command of the session failed: %w; there is:\n%s", err, t.all())
			}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// freeze ends the recording of this terminal, with a prompt if it shows one.
func (t *terminal) freeze() {
	if t.command == nil {
		t.remember(entry{origin: typed, at: t.free, from: t.free, until: t.free, text: []byte("\n")})
	}
	close(t.frozen)
}

// stop ends what still runs.
func (t *terminal) stop() error {
	if t.command == nil {
		return nil
	}
	// To all of the session, as Ctrl-C does.
	if err := syscall.Kill(-t.command.Process.Pid, syscall.SIGINT); err != nil {
		return fmt.Errorf("cannot stop the session: %w", err)
	}
	<-t.done
	return nil
}

// openTerminal returns both sides of a new one.
func openTerminal() (master, slave *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, master.Close())
		}
	}()
	number := 0
	raw, err := master.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	// Not Fd, which would make reads of the terminal hold a thread.
	var inner error
	err = raw.Control(func(fd uintptr) {
		size := &unix.Winsize{Row: rows, Col: columns}
		inner = errors.Join(
			unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0),
			unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, size))
		if inner == nil {
			number, inner = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err = errors.Join(err, inner); err != nil {
		return nil, nil, err
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	return master, slave, err
}
