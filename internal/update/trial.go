package update

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"ota/internal/release"
	"ota/internal/trial"
)

// failure is why a release has to go.
type failure struct {
	why    string
	run    Run // the one that failed; nil: it was not started
	exit   *release.Exit
	probes []trial.Result
	to     int // the release to go back to; 0: the last good one
}

// watch begins to watch a run of a release that has not proved itself. Where
// there is nothing to go back to, it may do so later than in time.
func (c *Conductor) watch(run Run) {
	ctx, cancel := context.WithCancel(context.Background())
	c.watching = cancel
	terms, standing := c.terms(), c.state.Standing
	terms.Since = c.refreshed
	c.acts.Go(func() {
		defer cancel()
		verdict := c.options.Trial.Watch(ctx, run, terms)
		for standing == Unproven && verdict.Outcome == trial.Failed {
			verdict = c.options.Trial.Watch(ctx, run, terms)
		}
		switch verdict.Outcome {
		case trial.Proved:
			c.post(happening{event: Proved, of: run, ready: verdict.ReadyAfter})
		case trial.Failed:
			c.post(happening{event: Failed, of: run, failure: failure{why: verdict.Why, run: run, probes: verdict.Results}})
		}
	})
}

func (c *Conductor) unwatch() {
	if c.watching != nil {
		c.watching()
		c.watching = nil
	}
}

// terms are what the running release is measured by.
func (c *Conductor) terms() trial.Terms {
	if c.unrecorded() {
		record := c.attempt.candidate.shown(c.options.Releases)
		return trial.Terms{ReadyAfter: c.readyAfter(record), Exempt: c.attempt.candidate.Exempt}
	}
	record, err := c.options.Releases.Record(c.running())
	if err != nil {
		return trial.Terms{}
	}
	return trial.Terms{ReadyAfter: c.readyAfter(record), Exempt: record.Exempt}
}

// readyAfter is how long the last confirmed release took to be ready: the same
// one, if it was confirmed before.
func (c *Conductor) readyAfter(record release.Record) time.Duration {
	for record.ReadyAfter == 0 && record.From != 0 {
		before, err := c.options.Releases.Record(record.From)
		if err != nil {
			return 0
		}
		if record = before; record.State.Good() {
			break
		}
	}
	return time.Duration(record.ReadyAfter)
}

// afterEnd is the event that the end of a run is: during a trial a good end is
// a proof, and a bad one may be one too many.
func (c *Conductor) afterEnd(happened happening) Event {
	event := happened.event
	if c.state.Program != Running {
		return event
	}
	if event == Crashed {
		event = c.countCrash(nil)
	} else if c.state.Standing == OnTrial || c.state.Standing == Unproven {
		c.queued = append(c.queued, happening{event: Proved})
	}
	if c.options.Once {
		return AskEnd
	}
	switch policy := c.options.Settings().Restart; {
	case event == EndedWell && policy == Always:
		return Crashed // it is one for what comes next
	case event == Crashed && policy == Never:
		return EndedWell
	}
	return event
}

// countCrash takes down that the program failed, or could not be started
// because of err.
func (c *Conductor) countCrash(err error) Event {
	c.crashes++
	if c.state.Standing != OnTrial || isOfDevice(err) {
		return Crashed
	}
	c.tries.Crashes++
	if !c.unrecorded() {
		c.noteTries()
	}
	settings := c.options.Settings()
	if c.tries.Crashes < settings.Attempts && settings.Restart != Never {
		return Crashed
	}
	c.failure = c.crash(err)
	c.options.Log.Error("the release failed its trial", "release", c.running(), "reason", c.failure.why)
	return CrashedOut
}

func (c *Conductor) crash(err error) failure {
	if err != nil {
		return failure{why: "it can't be started: " + err.Error()}
	}
	exit := c.run.Exit()
	found := failure{run: c.run, exit: &release.Exit{Code: exit.Code, Signal: exit.Signal}}
	found.why = fmt.Sprintf("exit code %d", exit.Code)
	if exit.Signal != "" {
		found.why = "killed by " + exit.Signal
	}
	if exit.Cause != "" {
		found.why += ", " + exit.Cause
	}
	if c.tries.Crashes > 1 {
		found.why += fmt.Sprintf(", failed %s during its trial", times(c.tries.Crashes))
	}
	return found
}

// isOfDevice reports whether an error of a start says nothing of the release.
func isOfDevice(err error) bool {
	for _, one := range []error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN, syscall.ENOSPC, syscall.EIO, syscall.EROFS,
		syscall.EADDRINUSE, syscall.EADDRNOTAVAIL, // of [program] listen: settings of the device
	} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}

// noteTries writes the count down, beside the conductor.
func (c *Conductor) noteTries() {
	number, tries := c.running(), c.tries
	c.acts.Go(func() {
		if err := c.put(func() error { return c.options.Releases.NoteTries(number, tries) }); err != nil {
			c.options.Log.Warn("it can't be written down that the trial failed once", "error", err)
		}
	})
}

// noteTriesAgain makes up for what could not be written before the release was
// recorded.
func (c *Conductor) noteTriesAgain() {
	if c.tries != (release.Tries{}) && c.tries != c.options.Releases.Tries() {
		c.noteTries()
	}
}

// confirmation is the number of a release that is being confirmed.
type confirmation int

func (c *Conductor) beginConfirm() {
	number, ready := c.running(), c.ready
	c.begun(func() happening {
		err := c.put(func() error { return c.options.Releases.Confirm(number, release.Duration(ready)) })
		if err == nil {
			err = c.tellConfirmed(number)
		}
		if err != nil {
			c.options.Log.Error("it can't be written down that the release proved itself; it is tried again",
				"release", number, "error", err)
			return happening{event: NotNoted, of: confirmation(number)}
		}
		c.options.Log.Info("the release is confirmed", "release", number)
		return happening{event: Noted, of: confirmation(number)}
	})
}

// tellConfirmed tells who has to know, when it is on the disk that the release is
// confirmed.
func (c *Conductor) tellConfirmed(number int) error {
	record, err := c.options.Releases.Record(number)
	if err != nil || c.options.Confirmed == nil {
		return err
	}
	return c.spending(func() error { return c.options.Confirmed(record) })
}

// put writes ota's own state and syncs it. On a full disk it spends the
// reserve.
func (c *Conductor) put(write func() error) error {
	return c.spending(func() error { return c.options.Main.Record(write) })
}

// spending does something once more with the reserve, if the disk is full.
func (c *Conductor) spending(try func() error) error {
	err := try()
	if isFull(err) && c.options.Reserve.Spend() {
		c.options.Log.Warn("the disk is full: ota uses its reserve", "error", err)
		err = try()
	}
	return err
}

func (c *Conductor) fillReserve() {
	if err := c.options.Reserve.Fill(); err != nil {
		c.options.Log.Warn("there is no room for ota's reserve", "error", err)
	}
}

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// evidence is what is kept of a failure.
func (c *Conductor) evidence(number int, failed failure, backTo int) release.Evidence {
	found := release.Evidence{
		Release: number, At: time.Now(), Why: failed.why, Exit: failed.exit, BackTo: backTo,
	}
	if failed.run != nil {
		found.Output, found.Traceback = failed.run.Output()
	}
	record, err := c.options.Releases.Record(number)
	for _, result := range failed.probes {
		answer := release.ProbeAnswer{Probe: result.Probe, Answer: string(result.Answer), Detail: result.Detail}
		if err == nil {
			answer.Before = before(result.Probe, record.Exempt)
		}
		found.Probes = append(found.Probes, answer)
	}
	differences, err := c.options.Releases.Diff(backTo, number)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.options.Log.Warn("it can't be told what the release changed", "release", number, "error", err)
	}
	for _, one := range differences {
		if one.Before.Kind != release.Folder && one.After.Kind != release.Folder {
			found.Files = append(found.Files, release.Touched{Path: release.Name(one.Path), Effect: one.Effect()})
		}
	}
	return found
}
