//go:build linux && amd64

package kill

import (
	"context"
	"fmt"
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
}

func newScene(t *testing.T) *scene {
	t.Helper()
	return &scene{cycle.New(t)}
}

// trace runs ota until decide has it killed or the update is done. Once the
// program runs, the upload is complete.
func (s *scene) trace(t *testing.T, decide func(ptrace.Call) ptrace.Action) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var calls atomic.Int64
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		s.watch(ctx, &calls)
		stop()
	}()
	ota := s.Device.Command(context.Background(), "run", s.Device.Dir)
	console := &strings.Builder{}
	ota.Stdout, ota.Stderr = console, console
	_, err := ptrace.Run(ctx, ota, func(call ptrace.Call) ptrace.Action {
		if !s.Counts(call) {
			return ptrace.Continue
		}
		calls.Add(1)
		return decide(call)
	})
	stop()
	<-watched
	if err != nil {
		t.Fatal(err)
	}
	harness.Await(t, "the end of all that was killed", func() bool { return len(s.Device.Programs()) == 0 },
		func() string { return console.String() })
}

// watch completes the upload once the program runs, and returns when the update
// is done and nothing has been written for a while, or ctx has ended.
func (s *scene) watch(ctx context.Context, calls *atomic.Int64) {
	const still = 50 * time.Millisecond
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(harness.Deadline)
	last, since := int64(0), time.Now()
	for {
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		case <-deadline:
			return // the checks that follow say what is wrong
		}
		if now := calls.Load(); now != last {
			last, since = now, time.Now()
		}
		if s.IsHeld() {
			if status, err := s.Device.Status(); err == nil && status.Program.State == "running" {
				s.Release()
			}
		} else if time.Since(since) > still && s.IsDone() {
			return
		}
	}
}

// recover starts ota as usual, waits until the update is done, and checks all.
func (s *scene) recover(t *testing.T) {
	t.Helper()
	s.Release()
	s.Device.Start()
	harness.Await(t, "the update", s.IsDone, func() string {
		status, err := s.Device.Status()
		return fmt.Sprintf("status: %+v, %v", status, err)
	})
	s.Check(t)
	s.Device.Kill()
	s.Device.KillPrograms()
}
