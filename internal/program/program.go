// Package program is where the program is started, stopped and listened to.
//
// In: what to run, on which sockets and within which limits, and whom to give
// its output. Out: a process, what it says of itself, and its end; on request
// the end of the whole tree that came from it, whatever its members
// did to get away. Never: a decision about when to start or to stop; a second
// program beside a living first; a signal to a process that is not of the
// tree.
//
// Words: the main process is the one that was started; the tree is it and all
// that descend from it; a stray is a member outside the main process's group;
// a leftover is what an ota that was killed has left running.
package program

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"ota/internal/kit/proc"
)

// MarkVariable is the environment variable by which members of the tree are
// known; its value is [Options.Mark].
const MarkVariable = "OTA_MARK"

// ErrAlive is returned by Start while something of the program before is left.
var ErrAlive = errors.New("the program before it has not ended yet")

// Spec says what to run.
type Spec struct {
	Argv []string // Argv[0] is a path, absolute or from Dir; it is not looked up in PATH
	Dir  string   // the working directory
	Env  []string // the whole environment but mark and socket; of duplicates the last counts

	// Stdout and Stderr get the output in pieces of up to 64 KB. Write must
	// not block. Each is written by one goroutine at a time, also from one
	// program to the next. Nil: thrown away.
	Stdout, Stderr io.Writer

	// Stop are the signals that end it, as in [Options.StopSignals]. None: those
	// of the room.
	Stop []Step

	Sockets    []Socket      // on which it listens, as descriptors 3, 4, …
	Watchdog   time.Duration // how long it may give no sign of life; 0: forever
	Credential *Credential   // nil: our own user
	Nice       int           // of the whole tree; 0: as ours
	MemoryMax  int64         // in bytes, of the whole tree where there are control groups; 0: no limit

	// Waiting is a process of [Room.Prepare] that may become the program. If it
	// can't, it is ended, and the program is started as without it.
	Waiting *Waiting

	wait *waitEnd // of a process that is to wait; nil: it starts at once
}

// Step is one signal of a stop.
type Step struct {
	Signal syscall.Signal
	After  time.Duration // from the stop's beginning
}

// Options are what a room is told once.
type Options struct {
	Record string // path of the file that says what runs, for the next ota if this one is killed
	Mark   string // unique for the folder, and the same at every start of ota in it

	// Notify is the path of a socket on which members of the tree tell of the
	// program, as sd_notify(3) does; see [Run.Ready] and [Run.Said]. Empty:
	// none. Linux only.
	Notify string

	// StopSignals are sent to the whole tree until nothing is left of it, in
	// this order. SIGKILL is added where it is not the last. None: SIGINT at
	// once, SIGTERM after 5 s, SIGKILL after 10 s.
	StopSignals []Step

	Log *slog.Logger // nil: nothing is logged
}

// Room holds at most one program. All its methods may be called by several
// goroutines; Start, Stop, EndLeftovers and Close take turns. A process has one
// room only: where orphans come to us, all of them are taken for the program's.
type Room struct {
	options Options
	steps   []Step
	log     *slog.Logger
	host    host
	notify  notifier
	sockets sockets

	ready sync.Once  // what is done before the first start
	turn  sync.Mutex // held by who starts or stops
	mu    sync.Mutex // guards last
	last  *Run       // the newest program, nil before the first

	waits waits
	meter meter
}

// New returns a room in which nothing runs.
func New(options Options) *Room {
	r := &Room{options: options, steps: ladder(options.StopSignals), log: options.Log}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	return r
}

// Start starts the program. It fails with [ErrAlive] while anything is left of
// the one before; after [Room.Stop] nothing is.
func (r *Room) Start(spec Spec) (*Run, error) {
	r.turn.Lock()
	defer r.turn.Unlock()
	last := r.newest()
	if last != nil && !r.gone(last) {
		return nil, fmt.Errorf("cannot start program: %w", ErrAlive)
	}
	if err := spec.check(); err != nil {
		return nil, fmt.Errorf("cannot start program: %w", err)
	}
	r.open()
	r.host.refresh(r.options.Mark, r.log)
	r.notify.admit(spec.Credential, r.log)
	if err := r.sockets.keep(spec.Sockets, r.log); err != nil {
		return nil, fmt.Errorf("cannot start program: %w", err)
	}
	run, err := r.launch(spec, last)
	if err != nil {
		return nil, fmt.Errorf("cannot start program: %w", err)
	}
	run.steps = r.stepsOf(spec)
	run.group = r.host.cgroup()
	r.mu.Lock()
	r.last = run
	r.mu.Unlock()
	if err := r.record(run); err != nil {
		// The mark in its environment still tells the next ota.
		r.log.Warn("cannot record the process of the program", "error", err)
	}
	return run, nil
}

func (spec Spec) check() error {
	if len(spec.Argv) == 0 || !strings.ContainsRune(spec.Argv[0], filepath.Separator) {
		return fmt.Errorf("no path in command %q", spec.Argv)
	}
	return nil
}

// open does what is done once, before the first process.
func (r *Room) open() {
	r.ready.Do(func() {
		r.host.prepare(r.options.Mark, r.log)
		r.notify.open(r.options.Notify, r.log)
	})
}

// launch starts the process and what listens to it.
func (r *Room) launch(spec Spec, last *Run) (*Run, error) {
	if run := r.adopt(spec, last); run != nil {
		r.limit(spec, run.id.PID)
		run.dog.begin(spec.Watchdog)
		return run, nil
	}
	stdout, stderr, err := newPipes()
	if err != nil {
		return nil, err
	}
	run := newRun(r, stdout, stderr)
	r.notify.expect(run)
	events, unwatch := proc.Watch()
	run.started = time.Now()
	run.cmd, err = r.fork(spec, stdout.in, stderr.in)
	// The program alone may hold the writing ends, or there is no end of file.
	stdout.in.Close()
	stderr.in.Close()
	if err != nil {
		unwatch()
		stdout.out.Close()
		stderr.out.Close()
		return nil, err
	}
	r.limit(spec, run.cmd.Process.Pid)
	run.listen(spec, last)
	run.id = proc.ID{PID: run.cmd.Process.Pid, Start: startOf(run.cmd.Process.Pid)}
	run.dog.begin(spec.Watchdog)
	go run.wait()
	go run.tend(events, unwatch)
	return run, nil
}

// stepsOf are the steps by which what is started is stopped.
func (r *Room) stepsOf(spec Spec) []Step {
	if len(spec.Stop) > 0 {
		return ladder(spec.Stop)
	}
	return r.steps
}

// fork starts the process, if need be without what this system does not have.
func (r *Room) fork(spec Spec, stdout, stderr *os.File) (*exec.Cmd, error) {
	hear(r.stepsOf(spec))
	for {
		cmd := &exec.Cmd{
			Path: spec.Argv[0], Args: spec.Argv, Dir: spec.Dir,
			Env:    r.environ(spec),
			Stdout: stdout, Stderr: stderr,
			SysProcAttr: r.host.attributes(),
		}
		if err := r.equip(cmd, spec); err != nil {
			return nil, err
		}
		spec.wait.equip(cmd)
		err := proc.Start(cmd)
		if err == nil || !r.host.retreat(r.log, err) {
			return cmd, err
		}
	}
}

// environ is what the program finds in its environment.
func (r *Room) environ(spec Spec) []string {
	return environment(spec.Env, r.options.Mark, r.notify.address())
}

// Left says how many processes of the tree live beside the main one.
func (r *Room) Left() int {
	run := r.newest()
	if run == nil || run.isGone() {
		return 0
	}
	count := 0
	for _, member := range r.host.members(run) {
		if member.PID != run.id.PID {
			count++
		}
	}
	return count
}

// equip gives cmd what spec asks for beyond a plain process.
func (r *Room) equip(cmd *exec.Cmd, spec Spec) error {
	var variables []string
	if r.notify.address() != "" && spec.Watchdog > 0 {
		cmd.Env = append(cmd.Env, watchdogFor(spec.Watchdog)...)
		variables = append(variables, watchdogPID)
	}
	if err := becomeUser(cmd, spec.Credential); err != nil {
		return err
	}
	return r.sockets.equip(cmd, spec.Sockets, r.log, variables...)
}

// Close removes what the room keeps outside of this process. It is to be
// called last, after Stop; while a program is left it does nothing.
func (r *Room) Close() error {
	r.turn.Lock()
	defer r.turn.Unlock()
	r.waits.end()
	if last := r.newest(); last != nil && !r.gone(last) {
		return nil
	}
	if err := errors.Join(r.sockets.close(), r.notify.close(), r.host.close(), r.forget()); err != nil {
		return fmt.Errorf("cannot tidy up after the program: %w", err)
	}
	return nil
}

func (r *Room) newest() *Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// hear makes sure that the program hears the signals that are to stop it. What
// ota was started to ignore (a shell does that to SIGINT of a job in the
// background), the program would ignore as well, and Python would not raise
// KeyboardInterrupt. A signal that is handled is not handed down, and a handler
// that does nothing is for ota as good as ignoring.
func hear(steps []Step) {
	for _, step := range steps {
		if signal.Ignored(step.Signal) {
			signal.Notify(make(chan os.Signal, 1), step.Signal)
		}
	}
}
