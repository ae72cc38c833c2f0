//go:build linux && amd64

// Package kill kills the whole of ota, every thread and child of it, before
// each system call that changes its folder, and again before each of those by
// which it recovers, and then looks whether a normal start makes all well.
//
// In: a folder with an old program and an upload. Out: how many points there
// were. Never: a power cut; what was written stays written here, so what a
// missing sync would lose is not seen.
package kill

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"

	"ota/test/harness"
	"ota/test/ptrace"
)

func TestMain(m *testing.M) {
	ptrace.Main()
	harness.Main(m)
}

// TestKillAnywhere goes through all points of one update: start, adoption,
// sealing, switch, start of the new version. Then through all points of every
// recovery. What a recovery does depends on nothing but the disk, so each
// state of the disk is recovered from once, however many points lead to it.
func TestKillAnywhere(t *testing.T) {
	var found findings
	t.Run("update", func(t *testing.T) {
		for n := range uninterrupted(t) {
			t.Run(strconv.Itoa(n+1), func(one *testing.T) {
				one.Parallel()
				skipAfterFailure(one, t)
				killAt(one, n+1, &found)
			})
		}
	})
	// Threads race, so another run may have more calls than the first had.
	for more := true; more && !t.Failed(); {
		more = false // unless it is asked for and runs
		n := found.points + 1
		t.Run(fmt.Sprintf("update/%d", n), func(t *testing.T) { more = killAt(t, n, &found) })
	}
	once := found.points
	if t.Failed() {
		return
	}
	t.Run("recovery", func(t *testing.T) {
		for i, from := range found.states {
			t.Run(fmt.Sprintf("%d_%s", i, from.name), func(one *testing.T) {
				one.Parallel()
				skipAfterFailure(one, t)
				killInRecovery(one, from, &found)
			})
		}
	})
	report := fmt.Sprintf("killed at %d points of an update, at %d points of %d recoveries; %d states of the disk, all recovered from",
		once, found.points-once, found.recoveries, len(found.seen))
	t.Log(report)
	fmt.Fprintln(os.Stdout, report)
}

// skipAfterFailure spares the deadlines of many points that fail alike.
func skipAfterFailure(one, all *testing.T) {
	if all.Failed() {
		one.Skip("another point has failed")
	}
}

// uninterrupted counts the points of an update.
func uninterrupted(t *testing.T) int {
	s := newScene(t)
	points := 0
	s.trace(t, func(ptrace.Call) ptrace.Action {
		points++
		return ptrace.Continue
	})
	s.Check(t)
	return points
}

// killAt kills before call n of an update and recovers; it returns false if
// the update was over before.
func killAt(t *testing.T, n int, found *findings) bool {
	s := newScene(t)
	points, name := 0, ""
	s.trace(t, func(call ptrace.Call) ptrace.Action {
		points++
		if points == n {
			name = call.Name
			return ptrace.Kill
		}
		return ptrace.Continue
	})
	if name == "" {
		s.Check(t)
		return false
	}
	s.CheckNothingLost(t)
	found.reach(1)
	found.add(s.capture(t, fmt.Sprintf("%d_%s", n, name)))
	s.recover(t)
	return true
}

// killInRecovery starts from one state of the disk again and again, each time
// killing before the first call that would be made in a state not seen yet,
// until a recovery gets through.
func killInRecovery(t *testing.T, from state, found *findings) {
	s := restored(t, from)
	passed := 0 // points whose states have been seen
	for !t.Failed() {
		s.restore(t, from)
		points, name := 0, ""
		s.trace(t, func(call ptrace.Call) ptrace.Action {
			points++
			if points > passed && found.claim(s.key(t)) {
				name, passed = call.Name, points
				return ptrace.Kill
			}
			return ptrace.Continue
		})
		if name == "" {
			found.reach(points)
			found.recovered()
			return
		}
		found.claim(s.key(t)) // what another thread had under way is done now
		s.CheckNothingLost(t)
		s.recover(t)
	}
}

// findings is what all kills found; several goroutines may use it.
type findings struct {
	mu         sync.Mutex
	points     int
	recoveries int
	states     []state // after one kill, each once
	seen       map[string]bool
}

func (f *findings) reach(points int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.points += points
}

func (f *findings) recovered() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recoveries++
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

func (f *findings) add(s state) {
	if f.claim(s.key) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.states = append(f.states, s)
	}
}
