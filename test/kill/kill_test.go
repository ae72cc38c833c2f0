//go:build linux && amd64

// Package kill kills the whole of ota, every thread and child of it, before
// system calls that change its folder, and looks whether a normal start makes all
// well: from what each of those calls finds, and each of those by which it recovers.
//
// In: the cycle of a device. Out: how many points there were. Never: a power
// cut; what was written stays written here, so what a missing sync would lose
// is not seen.
package kill

import (
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"

	"ota/test/cycle"
	"ota/test/harness"
	"ota/test/ptrace"
)

var (
	all  = flag.Bool("kill.all", false, "kill at each point of the cycle, and recover from all points of recoveries")
	most = flag.Int("kill.recoveries", 100, "without -kill.all: at how many points of recoveries, evenly chosen")
)

func TestMain(m *testing.M) {
	ptrace.Main()
	flag.Set("test.parallel", "12") // they wait for programs most of the time
	harness.Main(m, cycle.Program)
}

// killEach is how many points of the cycle go to one at which ota really is killed,
// without -kill.all: for that the cycle has to be gone through again up to it.
const killEach = 4

// lookEach is how many points of a recovery go to one of which the state is kept,
// without -kill.all: not always the same ones, and far more than are recovered from.
const lookEach = 8

// TestKillAnywhere recovers from the state at each point of the cycle, and then at
// those of each recovery, until the step is over in which ota was killed first. What
// a recovery does depends on nothing but the disk, so that each state of it is
// recovered from once, however many points lead to it. At most points the state is
// kept, while ota goes on: that is what a kill would leave there. That it is, those
// points of the cycle show at which ota is killed.
func TestKillAnywhere(t *testing.T) {
	var found findings
	points := uninterrupted(t)
	t.Run("cycle", func(t *testing.T) {
		for i, from := range points {
			t.Run(from.name, func(one *testing.T) {
				one.Parallel()
				skipAfterFailure(one, t)
				if *all || i%killEach == 0 {
					killAt(one, i+1, &found)
				} else if found.begin(from) {
					s := restored(one, from)
					s.CheckNothingLost()
					s.recover(found.look(s))
				}
			})
		}
	})
	// Threads race, so another run may have more calls than the first had.
	n := len(points)
	for more := true; more && !t.Failed(); {
		more = false // unless it is asked for and runs
		t.Run(fmt.Sprintf("cycle/%d", n+1), func(t *testing.T) { more = killAt(t, n+1, &found) })
		if more {
			n++
		}
	}
	t.Run("recovery", func(t *testing.T) {
		for i, from := range found.chosen() {
			t.Run(fmt.Sprintf("%d_%s", i, from.name), func(one *testing.T) {
				one.Parallel()
				skipAfterFailure(one, t)
				s := restored(one, from)
				s.CheckNothingLost()
				s.recover(nil)
			})
		}
	})
	if t.Failed() {
		return
	}
	report := fmt.Sprintf("%d points of the cycle, killed at %d; in %d recoveries looked at %d points, with %d other states of the disk: recovered from %d, left out %d",
		n, found.killed, found.recoveries, found.looked, len(found.states), len(found.states)-found.leftOut, found.leftOut)
	t.Log(report)
	fmt.Fprintln(os.Stdout, report)
}

// skipAfterFailure spares the deadlines of many points that fail alike.
func skipAfterFailure(one, all *testing.T) {
	if all.Failed() {
		one.Skip("another point has failed")
	}
}

// uninterrupted is the state at each point of the cycle.
func uninterrupted(t *testing.T) (points []state) {
	s := newScene(t)
	s.trace(func(call ptrace.Call) ptrace.Action {
		points = append(points, s.capture(fmt.Sprintf("%d_%s", len(points)+1, call.Name)))
		return ptrace.Continue
	}, func() {
		s.Check()
		s.CheckUndisturbed()
	})
	return points
}

// killAt kills before call n of the cycle and recovers; it returns false if
// the cycle was over before.
func killAt(t *testing.T, n int, found *findings) bool {
	s := newScene(t)
	points, name := 0, ""
	s.trace(func(call ptrace.Call) ptrace.Action {
		points++
		if points == n {
			name = call.Name
			return ptrace.Kill
		}
		return ptrace.Continue
	}, func() {})
	if name == "" {
		return false
	}
	s.CheckNothingLost()
	found.kill()
	if state := s.capture(fmt.Sprintf("%d_%s", n, name)); found.begin(state) {
		s.recover(found.look(s))
	} else {
		s.recover(nil)
	}
	return true
}

// findings is what all kills found; several goroutines may use it.
type findings struct {
	mu         sync.Mutex
	killed     int     // at so many points of the cycle
	looked     int     // points of recoveries of which the state was looked at
	recoveries int     // that were looked at
	states     []state // of the disk at these, each once
	seen       map[string]bool
	begun      map[string]bool // states at points of the cycle
	leftOut    int             // of states
}

func (f *findings) kill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.killed++
}

// look keeps the states that a recovery goes through and that have not been
// seen.
func (f *findings) look(s *scene) func(ptrace.Call) {
	f.mu.Lock()
	f.recoveries++
	points := f.recoveries
	f.mu.Unlock()
	return func(call ptrace.Call) {
		if points++; !*all && points%lookEach != 0 {
			return
		}
		state := s.capture(call.Name)
		isNew := f.claim(state.key)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.looked++
		if isNew {
			f.states = append(f.states, state)
		}
	}
}

// begin is true for the first that recovers from a state of the cycle.
func (f *findings) begin(from state) bool {
	f.claim(from.key)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.begun[from.key] {
		return false
	}
	if f.begun == nil {
		f.begun = map[string]bool{}
	}
	f.begun[from.key] = true
	return true
}

// claim is true for the first that asks about a state.
func (f *findings) claim(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen[key] {
		return false
	}
	if f.seen == nil {
		f.seen = map[string]bool{}
	}
	f.seen[key] = true
	return true
}

// chosen returns the states of recoveries that are recovered from: all, or
// evenly chosen ones.
func (f *findings) chosen() []state {
	if *all || len(f.states) <= *most {
		return f.states
	}
	chosen := make([]state, *most)
	for i := range chosen {
		chosen[i] = f.states[i*len(f.states)/len(chosen)]
	}
	f.leftOut = len(f.states) - len(chosen)
	return chosen
}
