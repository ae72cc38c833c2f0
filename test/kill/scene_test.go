//go:build linux && amd64

package kill

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ota/test/cycle"
	"ota/test/harness"
	"ota/test/ptrace"
)

// scene is a folder in which ota runs, is killed, and runs again.
type scene struct {
	*cycle.Scene
	t    testing.TB
	memo memo
}

func newScene(t testing.TB) *scene {
	t.Helper()
	return &scene{Scene: cycle.New(t), t: t, memo: memo{}}
}

// trace runs ota until decide has it killed at a call that changes the folder,
// or until the cycle is over and all that is written after that. Before it is
// killed then, check is called.
func (s *scene) trace(decide func(ptrace.Call) ptrace.Action, check func()) {
	s.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var calls atomic.Int64
	ota := s.Device.Command(context.Background(), "run", s.Device.Dir)
	console := &strings.Builder{}
	ota.Stdout, ota.Stderr = console, console
	ended := make(chan struct{})
	var err error
	go func() {
		defer close(ended)
		_, err = ptrace.Run(ctx, ota, func(call ptrace.Call) ptrace.Action {
			if !s.Counts(call) {
				return ptrace.Continue
			}
			calls.Add(1)
			return decide(call)
		})
	}()
	defer func() {
		stop()
		<-ended
		if s.t.Failed() {
			s.t.Logf("console of the traced ota:\n%s", console.String())
		}
	}()
	s.Live(ended)
	if awaitSilence(&calls, ended) {
		check()
	}
	stop()
	<-ended
	if err != nil {
		s.t.Fatal(err)
	}
	harness.Await(s.t, "the end of all that was killed", func() bool { return len(s.Device.Programs()) == 0 },
		func() string { return console.String() })
}

// awaitSilence returns true when no call was made for a while, and false if
// ended was closed before.
func awaitSilence(calls *atomic.Int64, ended <-chan struct{}) bool {
	const still = 50 * time.Millisecond
	for last := int64(-1); ; {
		now := calls.Load()
		if now == last {
			return true
		}
		last = now
		select {
		case <-time.After(still):
		case <-ended:
			return false
		}
	}
}

// recover starts ota as usual, goes on with the cycle to its end, and checks
// all. If look is there it is called before each call that changes the folder,
// until the step is over in which ota was killed.
func (s *scene) recover(look func(ptrace.Call)) {
	s.t.Helper()
	if look == nil {
		s.Device.Start()
		s.Live(nil)
		s.Check()
		s.Device.Kill()
		s.Device.KillPrograms()
		return
	}
	from := s.Stage().Step
	s.trace(func(call ptrace.Call) ptrace.Action {
		if s.Stage().Step == from {
			look(call)
		}
		return ptrace.Continue
	}, s.Check)
}
