package program

import (
	"cmp"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ota/internal/kit/proc"
)

// phase is how far a run has come. It only goes forward.
type phase string

const (
	phaseRunning phase = "running" // the main process is there
	phaseEnded   phase = "ended"   // it has ended and is about to be reaped
	phaseReaped  phase = "reaped"  // its exit is known; others of the tree may live
	phaseGone    phase = "gone"    // nothing of the tree is left
)

// Run is one program from its start to the end of its tree. Its methods may be
// called by several goroutines.
type Run struct {
	room           *Room
	dog            watchdog
	steps          []Step // by which it is stopped
	cmd            *exec.Cmd
	id             proc.ID
	started        time.Time
	origin         Origin
	group          grouping // that it was started into
	stdout, stderr pipe

	ready   chan struct{} // closed at the first READY=1
	told    sync.Once     // closes ready
	done    chan struct{} // closed after the main process was reaped
	gone    chan struct{} // closed with phaseGone
	drained chan struct{} // closed after the last Write of output
	stirred chan struct{} // of one: a child has ended since
	stopped chan struct{} // closed instead of drained when the program was left

	reaping sync.Mutex     // held while its end is taken in, and for good once the program was left
	isLeft  atomic.Bool    // the program was left, see Room.Leave
	resumed HandedWatchdog // of a program that was taken over

	looking sync.Mutex // held by who finds out whether the tree is gone
	mu      sync.Mutex // guards what follows
	phase   phase
	exit    Exit
	said    Said
	cause   Cause                // of an end that somebody is bringing about
	known   map[proc.ID]struct{} // members seen so far, where orphans are not ours
}

func newRun(r *Room, stdout, stderr pipe) *Run {
	run := &Run{
		room: r, stdout: stdout, stderr: stderr, phase: phaseRunning, origin: FromStart,
		ready: make(chan struct{}), done: make(chan struct{}), gone: make(chan struct{}),
		drained: make(chan struct{}), stirred: make(chan struct{}, 1), stopped: make(chan struct{}),
	}
	run.dog = watchdog{run: run, leash: leashTied}
	return run
}

// PID is the number of the main process, which is also that of its group and,
// where there are sessions, of its session.
func (run *Run) PID() int { return run.id.PID }

// Started is when the main process was started.
func (run *Run) Started() time.Time { return run.started }

// Ready is closed when anybody of the tree has said READY=1 on the socket of
// [Options.Notify]; never where there is none.
func (run *Run) Ready() <-chan struct{} { return run.ready }

// Done is closed when the main process has ended. Others of the tree may live:
// see [Room.Left] and [Room.Stop].
func (run *Run) Done() <-chan struct{} { return run.done }

// Drained is closed when the output of the whole tree has been handed over,
// shortly after its last process has ended. The writers may then be closed.
func (run *Run) Drained() <-chan struct{} { return run.drained }

// Signal sends a signal to the main process alone. Nothing is done if that has
// ended.
func (run *Run) Signal(signal syscall.Signal) (err error) {
	run.whileNumbered(func(int) { err = run.cmd.Process.Signal(signal) })
	return err
}

// Exit is how the main process ended; only to be asked after Done.
func (run *Run) Exit() Exit {
	run.mu.Lock()
	defer run.mu.Unlock()
	return run.exit
}

// wait follows the main process to its end.
func (run *Run) wait() {
	var at time.Time
	waitFor(run.cmd, func() {
		at = time.Now()
		run.reaping.Lock()
		// As long as it is not reaped, its number is that of its group and
		// session: what is to be known of them by number is looked up now.
		run.remember(run.room.host.session(run))
		run.mu.Lock()
		defer run.mu.Unlock()
		run.phase = phaseEnded
	})
	run.dog.off()
	exit := exitOf(run.cmd, at)
	if run.room.host.outOfMemory(exit) {
		exit.Cause = CauseMemory
	}
	run.mu.Lock()
	exit.Cause = cmp.Or(run.cause, exit.Cause)
	run.phase, run.exit = phaseReaped, exit
	run.mu.Unlock()
	run.reaping.Unlock()
	run.room.sockets.hold(run.room.log)
	close(run.done)
	run.look()
}

// tend reaps orphans for as long as there can be any, then ends the output.
func (run *Run) tend(events <-chan os.Signal, unwatch func()) {
	defer unwatch()
	run.look() // nobody has reaped while nothing ran
	for {
		select {
		case <-events:
			run.look()
			select {
			case run.stirred <- struct{}{}:
			default:
			}
		case <-run.gone:
			run.stdout.limit()
			run.stderr.limit()
			return
		}
	}
}

// look reaps orphans, and finds out whether the tree is gone where that is
// told quickly.
func (run *Run) look() proc.Offspring {
	if !run.at(phaseReaped) {
		return proc.Reap()
	}
	// Several ask at the same moment: while a process waits to become the next
	// program each answer takes a hundred system calls, and the first will do.
	run.looking.Lock()
	defer run.looking.Unlock()
	if run.isGone() {
		return proc.None
	}
	left := run.room.host.left()
	if left == proc.None {
		run.leave()
	}
	return left
}

// lookClosely says whether the tree is gone, and goes through all processes if
// it must.
func (run *Run) lookClosely() bool {
	left := run.look()
	if run.isGone() {
		return true
	}
	if left == proc.Some {
		return false
	}
	// One list is no picture of one moment: a process that starts another and
	// ends meanwhile may hide both.
	for range 2 {
		if !run.at(phaseReaped) || len(run.room.host.members(run)) > 0 {
			return false
		}
	}
	run.leave()
	return true
}

// leave is called by who has seen that nothing of the tree is left.
func (run *Run) leave() {
	run.mu.Lock()
	defer run.mu.Unlock()
	// Before its exit is known a run is not over: wait looks again then.
	if run.phase == phaseReaped {
		run.phase = phaseGone
		close(run.gone)
	}
}

func (run *Run) at(p phase) bool {
	run.mu.Lock()
	defer run.mu.Unlock()
	return run.phase == p
}

func (run *Run) isGone() bool {
	select {
	case <-run.gone:
		return true
	default:
		return false
	}
}

// becomeReady may be told more than once: a program says READY=1 again after it
// has reloaded.
func (run *Run) becomeReady() { run.told.Do(func() { close(run.ready) }) }

// remember keeps who was seen to be a member: a process that is ending has
// dropped its environment and left its control group a while before it is
// gone, and a session without its leader can't be told from a later one.
func (run *Run) remember(members []proc.Stat) {
	run.mu.Lock()
	defer run.mu.Unlock()
	for _, member := range members {
		if run.known == nil {
			run.known = map[proc.ID]struct{}{}
		}
		run.known[member.ID] = struct{}{}
	}
}

// remembered says whether a process was seen to be a member.
func (run *Run) remembered(id proc.ID) bool {
	run.mu.Lock()
	defer run.mu.Unlock()
	_, ok := run.known[id]
	return ok
}

// whileNumbered calls act if the main process is not reaped, and keeps it
// unreaped meanwhile: its number is that of its group.
func (run *Run) whileNumbered(act func(group int)) {
	run.mu.Lock()
	defer run.mu.Unlock()
	if run.phase == phaseRunning {
		act(run.id.PID)
	}
}
