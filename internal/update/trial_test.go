package update

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ota/internal/check"
	"ota/internal/release"
)

// confirmed puts an upload in and lets it prove itself.
func (s *stage) confirmed(target string, number int) {
	s.t.Helper()
	s.deposit.put(target)
	time.Sleep(time.Minute)
	s.expect(Running, Idle)
	s.stands(Settled, number)
}

func (s *stage) state(number int) release.State {
	s.t.Helper()
	record, err := s.releases.Record(number)
	if err != nil {
		s.t.Fatal(err)
	}
	return record.State
}

func TestReleaseProvesItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		s.deposit.put("v1")
		time.Sleep(9 * time.Second)
		s.stands(OnTrial, 1)
		if s.state(1) != release.Trial {
			t.Errorf("release 1 is %s", s.state(1))
		}
		time.Sleep(2 * time.Second)
		s.stands(Settled, 1)
		if s.state(1) != release.Confirmed || s.trial.asked != 1 {
			t.Errorf("release 1 is %s; the old one was asked %d times", s.state(1), s.trial.asked)
		}
	})
}

func TestFailedReleaseGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		s.confirmed("v1", 1)
		s.trial.fail("the probe says BAD")
		s.deposit.put("v2")
		time.Sleep(time.Minute)
		s.expect(Running, Held)
		s.stands(Settled, 1)
		evidence, err := s.releases.Evidence(2)
		if err != nil || evidence.Why != "the probe says BAD" || evidence.BackTo != 1 || len(evidence.Output) != 1 || len(evidence.Files) != 1 {
			t.Errorf("evidence: %+v, %v", evidence, err)
		}
		if s.state(2) != release.RolledBack || s.deposit.returned != 1 {
			t.Errorf("release 2 is %s, files came back %d times", s.state(2), s.deposit.returned)
		}
		if reasons := s.conductor.Report().Reasons; len(reasons) != 1 || !strings.Contains(reasons[0].Message, "failed its trial as release 2") {
			t.Errorf("reasons: %v", reasons)
		}
		switches := s.main.switched
		time.Sleep(24 * time.Hour)
		if s.main.switched != switches {
			t.Error("the same was tried again by itself")
		}
	})
}

func TestRetryTriesTheSameAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		s.confirmed("v1", 1)
		s.trial.fail("by accident")
		s.deposit.put("v2")
		time.Sleep(time.Minute)
		s.expect(Running, Held)
		applied, err := s.conductor.Retry(t.Context())
		if err != nil || applied.Outcome != Taken || applied.Release != 3 {
			t.Errorf("retry says %+v, %v", applied, err)
		}
		time.Sleep(time.Minute)
		s.stands(Settled, 3)
	})
}

func TestCrashesDuringATrial(t *testing.T) {
	for name, test := range map[string]struct {
		crashes int
		current int
	}{
		"once":  {1, 2}, // a port may still have been taken
		"twice": {2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, nil)
				defer s.close()
				s.confirmed("v1", 1)
				s.deposit.put("v2")
				time.Sleep(time.Second)
				for range test.crashes {
					s.program.exit(1)
					time.Sleep(1500 * time.Millisecond)
				}
				s.stands(OnTrial, test.current)
				time.Sleep(time.Minute)
				s.stands(Settled, test.current)
			})
		})
	}
}

func TestCrashAfterwardsIsNoReasonToGoBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		s.confirmed("v1", 1)
		s.confirmed("v2", 2)
		for range loopingAfter {
			if s.conductor.Report().Looping() {
				t.Error("it loops too early")
			}
			s.program.exit(1)
			time.Sleep(30 * time.Second)
		}
		s.stands(Settled, 2)
		if !s.conductor.Report().Looping() {
			t.Error("nobody says that it loops")
		}
		time.Sleep(time.Minute)
		if s.conductor.Report().Looping() {
			t.Error("it still loops")
		}
	})
}

func TestGoodEndConfirms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		s.deposit.put("v1")
		time.Sleep(time.Second)
		s.program.exit(0)
		time.Sleep(time.Second)
		s.expect(Finished, Idle)
		s.stands(Settled, 1)
	})
}

func TestUploadDuringATrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		s.confirmed("v1", 1)
		s.deposit.put("v2")
		time.Sleep(time.Second)
		s.trial.fail("bad")
		s.deposit.put("v3")
		time.Sleep(time.Second)
		s.stands(OnTrial, 3)
		if s.state(2) != release.Superseded {
			t.Errorf("release 2 is %s", s.state(2))
		}
		time.Sleep(time.Minute)
		s.stands(Settled, 1)
	})
}

// TestFirstReleaseStays: there is nothing to go back to.
func TestFirstReleaseStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		s.deposit.put("v1")
		time.Sleep(time.Second)
		for range 4 {
			s.program.exit(1)
			time.Sleep(9 * time.Second)
		}
		s.stands(Unproven, 1)
		s.expect(Running, Idle)
		time.Sleep(time.Minute)
		s.stands(Settled, 1)
	})
}

// TestRollbackThatFailsGoesFurther: to the one before it, and no further.
func TestRollbackThatFailsGoesFurther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		s.confirmed("v1", 1)
		s.confirmed("v2", 2)
		s.confirmed("v3", 3)
		s.trial.fail("it is no better")
		number, err := s.conductor.Rollback(t.Context(), 0, false)
		if err != nil || number != 2 {
			t.Errorf("rollback says %d, %v", number, err)
		}
		time.Sleep(time.Minute)
		s.stands(Settled, 1)
		if s.state(2) != release.RolledBack || s.state(3) != release.Confirmed {
			t.Errorf("release 2 is %s, 3 is %s", s.state(2), s.state(3))
		}
		if _, err := s.conductor.Rollback(t.Context(), 0, false); err == nil {
			t.Error("there is nothing before the first")
		}
		if number, err := s.conductor.Rollback(t.Context(), 3, true); err != nil || number != 3 {
			t.Errorf("rollback says %d, %v", number, err)
		}
		s.stands(Settled, 3)
	})
}

func TestBusyProgramIsNotInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		time.Sleep(time.Second)
		s.busy.set(true)
		s.deposit.put("v1")
		time.Sleep(50 * time.Minute)
		s.expect(Running, Deferred)
		if waits := s.conductor.Report().WaitsFor; len(waits) != 1 {
			t.Errorf("it waits for %v", waits)
		}
		if applied, err := s.conductor.Apply(t.Context(), false); err != nil || applied.Outcome != NotYet {
			t.Errorf("apply says %+v, %v", applied, err)
		}
		s.busy.set(false)
		time.Sleep(2 * time.Second)
		s.expect(Running, Idle)
		s.stands(OnTrial, 1)
		if s.busy.taken != 0 {
			t.Error("the program can't become busy again")
		}
	})
}

// TestRollbackComesFirst: an upload that waits makes way, and waits again.
func TestRollbackComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		s.confirmed("v1", 1)
		s.confirmed("v2", 2)
		s.busy.set(true)
		s.deposit.put("v3")
		time.Sleep(time.Minute)
		s.expect(Running, Deferred)
		number, err := s.conductor.Rollback(t.Context(), 0, true)
		if err != nil || number != 1 {
			t.Errorf("rollback says %d, %v", number, err)
		}
		time.Sleep(time.Minute)
		s.expect(Running, Deferred)
		s.stands(Settled, 1)
	})
}

func TestBusyForTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		s.busy.set(true)
		s.deposit.put("v1")
		time.Sleep(61 * time.Minute)
		s.expect(Running, Idle)
		s.busy.set(true)
		s.deposit.put("v2")
		time.Sleep(time.Minute)
		s.expect(Running, Deferred)
		if applied, err := s.conductor.Apply(t.Context(), true); err != nil || applied.Outcome != Taken {
			t.Errorf("apply --now says %+v, %v", applied, err)
		}
	})
}

// TestMoreArrivesWhileItWaits: it is taken together.
func TestMoreArrivesWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		time.Sleep(time.Second)
		s.busy.set(true)
		s.deposit.put("v1")
		time.Sleep(time.Minute)
		s.deposit.put("v2")
		time.Sleep(time.Minute)
		s.expect(Running, Deferred)
		s.busy.set(false)
		time.Sleep(time.Minute)
		s.stands(Settled, 1)
		if s.main.switched != 1 {
			t.Errorf("%d switches", s.main.switched)
		}
	})
}

func TestOutsideTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opens := time.Now().Add(3 * time.Hour)
		s := newStage(t, func(o *Options) {
			settings := o.Settings()
			settings.Window = func(now time.Time) (bool, string) { return !now.Before(opens), "03:00-04:00" }
			o.Settings = func() Settings { return settings }
		})
		defer s.close()
		s.deposit.put("v1") // before the first start: the old program is started meanwhile
		time.Sleep(time.Hour)
		s.expect(Running, Deferred)
		time.Sleep(2*time.Hour + time.Minute)
		s.expect(Running, Idle)
		s.stands(Settled, 1)
	})
}

func TestDiscardEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		s.confirmed("v1", 1)
		s.trial.fail("bad")
		s.deposit.put("v2")
		time.Sleep(time.Minute)
		s.expect(Running, Held)
		found, err := s.conductor.Discard(t.Context())
		if err != nil || found.Files != 1 {
			t.Errorf("discard says %+v, %v", found, err)
		}
		s.expect(Running, Idle)
		if returned, err := s.releases.Returned(); returned.Step != release.None || err != nil {
			t.Errorf("what came back is %+v, %v", returned, err)
		}
	})
}

// TestEnvironmentIsMadeBeforeTheStart: a start that lacks its environment waits
// for it, and for nothing else.
func TestEnvironmentIsMadeBeforeTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		s.confirmed("v1", 1)
		s.program.unready = time.Hour
		s.program.exit(1)
		time.Sleep(time.Minute)
		s.expect(Backoff, Idle)
		time.Sleep(time.Hour)
		s.expect(Running, Idle)
		s.stands(Settled, 1)
	})
}

// TestRestartIsAnsweredWhenTheProgramRuns: making its environment is a part of it.
func TestRestartIsAnsweredWhenTheProgramRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		s.confirmed("v1", 1)
		s.program.unready = time.Hour
		asked := time.Now()
		if err := s.conductor.Ask(t.Context(), AskRestart); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(asked); took < time.Hour {
			t.Errorf("answered after %v", took)
		}
		s.expect(Running, Idle)
		s.program.refuses = errors.New("no")
		if err := s.conductor.Ask(t.Context(), AskRestart); err == nil {
			t.Error("a restart that failed is said to be done")
		}
	})
}

// TestStopEndsTheMakingOfAnEnvironment: who asks is not kept waiting by pip.
func TestStopEndsTheMakingOfAnEnvironment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		defer s.close()
		s.confirmed("v1", 1)
		s.program.unready = time.Hour
		s.program.exit(1)
		time.Sleep(time.Minute)
		if err := s.conductor.Ask(t.Context(), AskStop); err != nil {
			t.Fatal(err)
		}
		s.expect(Stopped, Idle)
		time.Sleep(2 * time.Hour)
		s.expect(Stopped, Idle)
	})
}

// TestNoRestart: what the program reads while it runs is switched under it, is
// on trial all the same, and goes away if the program does not bear it.
func TestNoRestart(t *testing.T) {
	for name, test := range map[string]struct {
		dies    bool
		current int
	}{"it bears it": {false, 2}, "it dies of it": {true, 1}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				restart := check.Needed
				s := newStage(t, func(o *Options) {
					o.Check = func(context.Context, check.Candidate) (check.Verdict, error) {
						return check.Verdict{Restart: restart}, nil
					}
				})
				defer s.close()
				s.confirmed("v1", 1)
				restart = check.NotNeeded
				starts := s.program.count()
				s.deposit.put("v2")
				time.Sleep(time.Second)
				s.expect(Running, Idle)
				s.stands(OnTrial, 2)
				if s.program.count() != starts || s.program.reloads != 1 {
					t.Errorf("%d starts, %d reloads", s.program.count()-starts, s.program.reloads)
				}
				for i := 0; test.dies && i < 2; i++ {
					s.program.exit(1)
					time.Sleep(3 * time.Second)
				}
				time.Sleep(time.Minute)
				s.stands(Settled, test.current)
			})
		})
	}
}

// TestRestartPolicies: what is done when the program ends by itself.
func TestRestartPolicies(t *testing.T) {
	for _, test := range []struct {
		policy Restart
		code   int
		want   Program
	}{
		{OnFailure, 0, Finished}, {OnFailure, 1, Running},
		{Always, 0, Running}, {Always, 1, Running},
		{Never, 0, Finished}, {Never, 1, Finished},
	} {
		t.Run(fmt.Sprint(test.policy, " ", test.code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, func(o *Options) {
					settings := o.Settings()
					settings.Restart = test.policy
					o.Settings = func() Settings { return settings }
				})
				defer s.close()
				s.confirmed("v1", 1)
				time.Sleep(time.Hour)
				s.program.exit(test.code)
				time.Sleep(time.Minute)
				s.expect(test.want, Idle)
			})
		})
	}
}
