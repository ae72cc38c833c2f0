package program

import (
	"context"
	"slices"
	"sort"
	"syscall"
	"time"

	"ota/internal/kit/proc"
)

const (
	// strayGrace is how long the end of the main process's group may end the
	// whole tree before those outside of the group are looked up: mostly it
	// does, and the look costs more than all the rest of a stop.
	strayGrace = 20 * time.Millisecond
	// stubborn is how long after SIGKILL it is said that somebody is left.
	stubborn = 5 * time.Second

	// The pauses between two looks at who is left, where nothing tells.
	firstPause = time.Millisecond
	lastPause  = 50 * time.Millisecond
	// latePause is the same when even SIGKILL has not helped for long.
	latePause = time.Second
)

// ladder returns the steps in order of time, the last one SIGKILL.
func ladder(steps []Step) []Step {
	if len(steps) == 0 {
		return []Step{
			{Signal: syscall.SIGINT},
			{Signal: syscall.SIGTERM, After: 5 * time.Second},
			{Signal: syscall.SIGKILL, After: 10 * time.Second},
		}
	}
	steps = slices.Clone(steps)
	sort.SliceStable(steps, func(i, j int) bool { return steps[i].After < steps[j].After })
	if last := steps[len(steps)-1]; last.Signal != syscall.SIGKILL {
		steps = append(steps, Step{Signal: syscall.SIGKILL, After: last.After + 5*time.Second})
	}
	return steps
}

// Stop ends the program and all that came from it, and returns when nothing of
// it is left; at once if nothing is. When ctx ends, everything is killed at
// once, and Stop still waits for the end. A process that we have no right to
// end (a program of another user's, started by sudo) is told in the log and
// not waited for. A process that the kernel can't end (it hangs in a read from
// a broken disk) makes Stop wait for as long.
func (r *Room) Stop(ctx context.Context) error {
	r.turn.Lock()
	defer r.turn.Unlock()
	run := r.newest()
	if run == nil || r.gone(run) {
		return nil
	}
	run.dog.off()
	r.sockets.hold(r.log)
	r.climb(ctx, run, run.steps)
	return nil
}

// gone says whether nothing of run is left.
func (r *Room) gone(run *Run) bool { return run.isGone() || run.lookClosely() }

// target is what the steps of a stop are done to.
type target interface {
	// signal sends a signal to all of the target.
	signal(syscall.Signal)
	// await returns true when the target is gone, false when ctx has ended.
	await(ctx context.Context) bool
	// left returns who is left.
	left() []proc.Stat
}

// climb goes up the steps until the target is gone.
func (r *Room) climb(ctx context.Context, t target, steps []Step) {
	begin := time.Now()
	for i, step := range steps {
		if step.Signal == syscall.SIGKILL {
			break
		}
		t.signal(step.Signal)
		until, cancel := context.WithDeadline(ctx, begin.Add(steps[i+1].After))
		gone := t.await(until)
		cancel()
		if gone {
			return
		}
		if ctx.Err() != nil {
			break
		}
	}
	r.kill(t)
}

// kill kills until nothing is left: processes that are started meanwhile may
// be missed by every single look.
func (r *Room) kill(t target) {
	begin := time.Now()
	pause, longest := firstPause, lastPause
	for {
		t.signal(syscall.SIGKILL)
		until, cancel := context.WithTimeout(context.Background(), pause)
		gone := t.await(until)
		cancel()
		if gone {
			return
		}
		pause = min(2*pause, longest)
		if longest == lastPause && time.Since(begin) > stubborn {
			longest = latePause
			for _, one := range t.left() {
				r.log.Warn("process cannot be ended yet", "pid", one.PID, "name", one.Name, "state", string(one.State))
			}
		}
	}
}

// signal makes a Run the target of a stop. The group gets the signal at once,
// in one call; strays get it after they had the time to end by themselves.
func (run *Run) signal(signal syscall.Signal) {
	reached := 0
	run.whileNumbered(func(group int) {
		if signalGroup(group, signal) == nil {
			reached = group
		}
	})
	if signal != syscall.SIGKILL && reached != 0 {
		until, cancel := context.WithTimeout(context.Background(), strayGrace)
		defer cancel()
		if run.await(until) {
			return
		}
	}
	run.room.host.signalMembers(run, signal, reached)
}

func (run *Run) await(ctx context.Context) bool {
	pause := firstPause
	done := run.done
	for {
		var again <-chan time.Time
		if run.at(phaseReaped) {
			done = nil
			if run.lookClosely() {
				return true
			}
			if !run.room.host.adopts() {
				again = time.After(pause)
				pause = min(2*pause, lastPause)
			}
		}
		select {
		case <-run.gone:
			return true
		case <-done:
		case <-run.stirred:
		case <-again:
		case <-ctx.Done():
			return run.isGone()
		}
	}
}

func (run *Run) left() []proc.Stat { return run.room.host.members(run) }
