package update

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// asker asks the conductor of a stage to leave.
type asker struct {
	mutex sync.Mutex
	told  []string
	err   error
	done  chan struct{}
}

func askToLeave(ctx context.Context, s *stage) *asker {
	a := &asker{done: make(chan struct{})}
	go func() {
		defer close(a.done)
		a.err = s.conductor.Leave(ctx, func(reason string) {
			a.mutex.Lock()
			defer a.mutex.Unlock()
			a.told = append(a.told, reason)
		})
	}()
	synctest.Wait()
	return a
}

func (a *asker) waits() string {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if len(a.told) == 0 {
		return ""
	}
	return a.told[len(a.told)-1]
}

// heirOf is a stage whose conductor goes on where that of another has left, with
// the same rooms and the same run.
func heirOf(t *testing.T, s *stage) *stage {
	t.Helper()
	handed, begin := s.conductor.Handed(), make(chan struct{})
	var left Run
	if s.program.last != nil {
		left = s.program.last
	}
	next := newStage(t, func(o *Options) {
		o.Deposit, o.Main, o.Releases, o.Program, o.Trial, o.Busy = s.deposit, s.main, s.releases, s.program, s.trial, s.busy
		o.Handed, o.Run, o.Begin = &handed, left, begin
	})
	next.deposit, next.main, next.releases, next.program, next.trial, next.busy = s.deposit, s.main, s.releases, s.program, s.trial, s.busy
	if err := next.conductor.Answer(t.Context()); err != nil {
		t.Error("it does not answer before it begins:", err)
	}
	if want, got := handed.State, next.conductor.Report().State; got != want {
		t.Errorf("it begins with %v, not %v", got, want)
	}
	close(begin)
	synctest.Wait()
	return next
}

// TestLeaveWaitsForATrial, and the conductor that comes after it goes on: with the
// program that runs, its end, and an upload.
func TestLeaveWaitsForATrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.deposit.put("one")
		time.Sleep(time.Second)
		s.expect(Running, Idle)
		asked := askToLeave(t.Context(), s)
		if asked.waits() != "the release is on trial" {
			t.Errorf("it waits for %q", asked.waits())
		}
		if s.conductor.Left() {
			t.Error("it has left while it waits")
		}
		time.Sleep(time.Minute)
		<-asked.done
		<-s.done
		if asked.err != nil || !s.conductor.Left() {
			t.Fatalf("%v", asked.err)
		}
		if !s.program.running() {
			t.Fatal("the program was stopped")
		}
		starts := len(s.program.starts)
		next := heirOf(t, s)
		defer next.close()
		next.stands(Settled, s.releases.Current())
		if report := next.conductor.Report(); len(s.program.starts) != starts || report.PID != s.program.last.pid {
			t.Errorf("the program was started anew: %+v", report)
		}
		s.program.exit(3)
		next.expect(Backoff, Idle)
		time.Sleep(time.Minute)
		next.expect(Running, Idle)
		if report := next.conductor.Report(); report.LastExit == nil || report.LastExit.Code != 3 || report.Restarts != 1 {
			t.Errorf("%+v", report)
		}
	})
}

// TestLeaveCallsOff what waits for the program; the next conductor begins it
// again.
func TestLeaveCallsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.confirmed("one", 1)
		s.busy.set(true)
		s.deposit.put("two")
		time.Sleep(time.Second)
		s.expect(Running, Deferred)
		asked := askToLeave(t.Context(), s)
		<-asked.done
		<-s.done
		if asked.err != nil {
			t.Fatal(asked.err)
		}
		if handed := s.conductor.Handed(); handed.State.Attempt != Idle {
			t.Errorf("it leaves in %v", handed.State)
		}
		next := heirOf(t, s)
		defer next.close()
		time.Sleep(time.Second)
		next.expect(Running, Deferred)
		s.busy.set(false)
		time.Sleep(time.Minute)
		next.stands(Settled, 2)
	})
}

// TestLeaveCanBeTakenBack, and ends with the conductor.
func TestLeaveCanBeTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.deposit.put("one")
		time.Sleep(time.Second)
		s.expect(Running, Idle)
		ctx, cancel := context.WithCancel(t.Context())
		asked := askToLeave(ctx, s)
		cancel()
		<-asked.done
		if !errors.Is(asked.err, context.Canceled) {
			t.Errorf("%v", asked.err)
		}
		time.Sleep(time.Minute)
		s.expect(Running, Idle)
		s.deposit.put("two")
		time.Sleep(time.Second)
		s.expect(Running, Idle)
		asked = askToLeave(t.Context(), s)
		s.close()
		<-asked.done
		if !errors.Is(asked.err, ErrEnded) {
			t.Errorf("%v", asked.err)
		}
	})
}

// TestPausesAreHandedOn: what failed is tried again, and the program that failed
// is started again.
func TestPausesAreHandedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.confirmed("one", 1)
		for range 3 {
			s.program.exit(1)
			synctest.Wait()
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		s.program.exit(1)
		s.expect(Backoff, Idle)
		asked := askToLeave(t.Context(), s)
		<-asked.done
		<-s.done
		next := heirOf(t, s)
		defer next.close()
		next.expect(Backoff, Idle)
		time.Sleep(time.Minute)
		next.expect(Running, Idle)
		if report := next.conductor.Report(); report.Restarts != 4 {
			t.Errorf("%+v", report)
		}
	})
}
