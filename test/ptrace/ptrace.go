//go:build linux && amd64

// Package ptrace runs a program and decides about each of its system calls that
// change the disk, before the call happens.
//
// In: a command. Out: those calls of all its threads and descendants, in one
// order and with one counter; each is let through, answered with an error, or
// everything is killed there. Never: a system call that changes no disk, unless
// asked for; those run at full speed (a seccomp filter picks those that stop).
//
// The calls happen one at a time, also where the program's threads would race:
// so what stands on the disk when the nth is decided about is what the calls
// before it made. `strace -e inject` counts per thread and can't do that.
//
// See ptrace(2) and seccomp(2); it takes Linux 4.8, since when the registers
// may still be changed at a stop made by seccomp.
package ptrace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Call is a system call that is about to change the disk.
type Call struct {
	N    int    // 1, 2, 3 … over all threads and descendants
	Name string // as in the manual: "renameat2"
	TID  int    // the thread that makes it
	Path string // what is changed; "" where that can't be told
	To   string // the second path of a rename or link
}

// String is the call as a person reads it.
func (c Call) String() string {
	if c.To != "" {
		return fmt.Sprintf("%d: %s %s → %s", c.N, c.Name, c.Path, c.To)
	}
	return fmt.Sprintf("%d: %s %s", c.N, c.Name, c.Path)
}

// Action is what becomes of a call.
type Action struct {
	verb  verb
	errno syscall.Errno
}

type verb string

const (
	proceed verb = ""
	kill    verb = "kill"
	refuse  verb = "refuse"
)

// The actions, with [Errno].
var (
	Continue = Action{}           // the call happens
	Kill     = Action{verb: kill} // it does not; every process and thread is killed by SIGKILL
)

// Errno answers the call with an error; it does not happen.
func Errno(errno syscall.Errno) Action { return Action{refuse, errno} }

// Kind is a kind of calls that change no disk.
type Kind string

// Descriptors are the calls that make a descriptor: opens to read, pipes,
// sockets and the like.
const Descriptors Kind = "descriptors"

// Result is how it went.
type Result struct {
	Calls  int             // that were decided about
	Status unix.WaitStatus // of the command itself
}

// Run starts cmd and returns when it and all its descendants have ended; when
// ctx ends they are killed. Before each call that changes the disk, decide is
// asked, by one goroutine, while the calling thread stands still. A function
// that calls Run must be in a binary that calls [Main] first. Several may run
// at the same time. Calls that change nothing are asked about if their kind is
// named.
func Run(ctx context.Context, cmd *exec.Cmd, decide func(Call) Action, also ...Kind) (Result, error) {
	t := &tracer{decide: decide, also: also, calls: callsOf(also), tracees: map[int]tracee{}}
	var err error
	onOwnThread(func() { err = t.run(ctx, cmd) })
	if err != nil {
		return t.result, fmt.Errorf("cannot trace %s: %w", cmd.Path, err)
	}
	return t.result, nil
}

// onOwnThread calls do on a thread that has no children: only the thread that
// started a process may trace it, and waiting for all of its children must not
// reap one that another goroutine waits for.
func onOwnThread(do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		const look = unix.WEXITED | unix.WSTOPPED | unix.WNOWAIT | unix.WNOHANG
		if unix.Waitid(unix.P_ALL, 0, nil, look|mine, nil) == unix.ECHILD {
			do()
		} else {
			onOwnThread(do) // on another one, as this stays taken
		}
	}()
	<-done
}

// mine makes wait calls look at the calling thread's children only, and at
// threads beside processes.
const mine = unix.WALL | unix.WNOTHREAD

// tracee is how far a traced thread is on its way into the house.
type tracee string

const (
	announced tracee = "announced" // its creator has told of it
	attached  tracee = "attached"
)

// tracer belongs to one locked thread, but for what mu guards.
type tracer struct {
	decide  func(Call) Action
	also    []Kind
	calls   map[uint64]known
	result  Result
	root    int
	changes int   // the thread whose call is happening; 0: none
	waiting []int // threads whose calls stand still for that

	mu      sync.Mutex
	tracees map[int]tracee // by thread id; none of them is reaped while mu is held
	ending  error          // why all are killed, if they are
}

var errKilled = errors.New("killed on request")

func (t *tracer) run(ctx context.Context, cmd *exec.Cmd) error {
	if err := t.start(cmd); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { t.killAll(errKilled) })
	defer stop()
	for {
		err := t.next()
		if errors.Is(err, unix.ECHILD) {
			break
		}
		if err != nil {
			t.killAll(err)
		}
	}
	cmd.Wait() // it is reaped already; this closes the pipes
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ending != errKilled {
		return t.ending
	}
	return nil
}

func (t *tracer) start(cmd *exec.Cmd) error {
	if cmd.Err != nil {
		return cmd.Err
	}
	stage(cmd, t.also)
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Ptrace = true
	if err := cmd.Start(); err != nil {
		return err
	}
	t.root = cmd.Process.Pid
	t.tracees[t.root] = attached
	var status unix.WaitStatus
	if _, err := unix.Wait4(t.root, &status, unix.WALL, nil); err != nil {
		return os.NewSyscallError("wait4", err)
	}
	const options = unix.PTRACE_O_EXITKILL | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK |
		unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_TRACESYSGOOD |
		unix.PTRACE_O_TRACESECCOMP
	if err := unix.PtraceSetOptions(t.root, options); err != nil {
		return os.NewSyscallError("ptrace", err)
	}
	t.proceed(t.root, 0)
	return nil
}

// next waits for one event and acts on it. ECHILD: everything has ended.
func (t *tracer) next() error {
	// Look without reaping, so that killAll never meets the id of a process
	// that came after one of ours.
	err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WSTOPPED|unix.WNOWAIT|mine, nil)
	if err == unix.EINTR {
		return nil
	}
	if err != nil {
		return err
	}
	t.mu.Lock()
	var status unix.WaitStatus
	tid, err := unix.Wait4(-1, &status, unix.WNOHANG|mine, nil)
	if err != nil || tid == 0 {
		t.mu.Unlock()
		return err
	}
	before := t.tracees[tid]
	if status.Stopped() {
		t.tracees[tid] = attached
	} else {
		delete(t.tracees, tid)
	}
	ending := t.ending
	t.mu.Unlock()

	switch {
	case !status.Stopped():
		t.gone(tid, status)
	case ending != nil:
		unix.Kill(tid, unix.SIGKILL)
	default:
		return t.stopped(tid, status, before)
	}
	return nil
}

func (t *tracer) gone(tid int, status unix.WaitStatus) {
	if tid == t.root {
		t.result.Status = status
	}
	if tid == t.changes {
		t.changes = 0
		t.changeNext()
	}
}

func (t *tracer) stopped(tid int, status unix.WaitStatus, before tracee) error {
	signal := status.StopSignal()
	switch {
	case signal == unix.SIGTRAP|0x80: // the end of a call that was let through
		t.proceed(tid, 0)
		t.changes = 0
		t.changeNext()
	case signal != unix.SIGTRAP:
		if before != attached && signal == unix.SIGSTOP {
			signal = 0 // how a new thread is attached
		}
		t.proceed(tid, signal)
	case status.TrapCause() == unix.PTRACE_EVENT_SECCOMP:
		t.waiting = append(t.waiting, tid)
		t.changeNext()
	default:
		if err := t.follow(tid, status.TrapCause()); err != nil {
			return err
		}
		t.proceed(tid, 0)
	}
	return nil
}

// follow notes new and vanished threads.
func (t *tracer) follow(tid, event int) error {
	switch event {
	case unix.PTRACE_EVENT_CLONE, unix.PTRACE_EVENT_FORK, unix.PTRACE_EVENT_VFORK, unix.PTRACE_EVENT_EXEC:
	default:
		return nil
	}
	message, err := unix.PtraceGetEventMsg(tid)
	if err != nil {
		return ignoreGone(os.NewSyscallError("ptrace", err))
	}
	other := int(message)
	t.mu.Lock()
	defer t.mu.Unlock()
	if event == unix.PTRACE_EVENT_EXEC { // other was its id until now
		if other != tid {
			delete(t.tracees, other)
		}
	} else if t.tracees[other] == "" {
		t.tracees[other] = announced
	}
	return nil
}

// changeNext lets the next call happen, if none is happening.
func (t *tracer) changeNext() {
	for t.changes == 0 && len(t.waiting) > 0 {
		tid := t.waiting[0]
		t.waiting = t.waiting[1:]
		t.change(tid)
	}
}

func (t *tracer) change(tid int) {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &regs); err != nil {
		return // killed meanwhile; its end will be reported
	}
	call, changes := describe(tid, &regs, t.calls)
	if !changes {
		t.proceed(tid, 0)
		return
	}
	t.result.Calls++
	call.N, call.TID = t.result.Calls, tid
	switch action := t.decide(call); action.verb {
	case kill:
		t.killAll(errKilled)
	case refuse:
		answer(&regs, action.errno)
		unix.PtraceSetRegs(tid, &regs)
		t.proceed(tid, 0)
	default:
		t.changes = tid
		unix.PtraceSyscall(tid, 0)
	}
}

func (t *tracer) proceed(tid int, signal syscall.Signal) { unix.PtraceCont(tid, int(signal)) }

// killAll may be called by any goroutine.
func (t *tracer) killAll(reason error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ending == nil {
		t.ending = reason
	}
	for tid := range t.tracees {
		unix.Kill(tid, unix.SIGKILL)
	}
}

func ignoreGone(err error) error {
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}
