package update

import (
	"context"
	"fmt"
	"slices"
	"time"

	"ota/internal/reason"
	"ota/internal/trial"
)

// How often a deferred switch looks again. Nothing tells when a lock is free,
// or that the clock was set.
const (
	firstBusyLook = 50 * time.Millisecond
	lastBusyLook  = time.Second
	windowLook    = 30 * time.Second
)

func (c *Conductor) beginDefer() {
	hurried, goAhead := context.WithCancel(context.Background())
	c.goAhead = goAhead
	if c.attempt.urgency == urgent {
		goAhead()
	}
	c.begun(c.cancellable(func(ctx context.Context) happening {
		defer goAhead()
		return c.deferSwitch(ctx, hurried)
	}))
}

// deferSwitch waits until the program may be interrupted, and asks the probes of
// it then. It ends early when ctx does, and waits for nothing once hurried has
// ended.
func (c *Conductor) deferSwitch(ctx, hurried context.Context) happening {
	// An interpreter that waits takes memory, so not for half a day.
	if open, _ := c.options.Settings().Window(time.Now()); open {
		c.options.Program.Warm(ctx, Coming)
	}
	free := c.awaitTime(ctx, hurried)
	c.options.Program.Warm(ctx, Coming)
	happened := happening{event: Due, free: free, exempt: c.askProbes(ctx)}
	if ctx.Err() != nil {
		free()
		return happening{event: CalledOff}
	}
	return happened
}

// awaitTime returns when the switch may be, or ctx has ended.
func (c *Conductor) awaitTime(ctx, hurried context.Context) (free func()) {
	w := waiting{conductor: c, look: firstBusyLook}
	for ctx.Err() == nil && hurried.Err() == nil {
		free, pause := w.try()
		if free != nil {
			return free
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-hurried.Done():
		case <-ctx.Done():
		}
		again.Stop()
	}
	if free, ok, err := c.options.Busy.Take(); err == nil && ok {
		return free
	}
	return func() {}
}

// waiting is one deferral.
type waiting struct {
	conductor *Conductor
	since     time.Time // when the program was found busy; zero: it was not
	look      time.Duration
	told      string
}

// try returns free if the switch may be now; else what it waits for was told,
// and is looked for again after a pause.
func (w *waiting) try() (free func(), pause time.Duration) {
	options, settings := w.conductor.options, w.conductor.options.Settings()
	if open, words := settings.Window(time.Now()); !open {
		w.tell("it is not the time: the window is " + words)
		return nil, windowLook
	}
	free, ok, err := options.Busy.Take()
	switch {
	case err != nil:
		options.Log.Warn("it can't be told whether the program is busy", "error", err)
		return func() {}, 0
	case ok:
		return free, 0
	case w.since.IsZero():
		w.since = time.Now()
	case time.Since(w.since) >= settings.MaxDefer:
		options.Log.Warn("the program has been busy for too long; it is interrupted", "limit", settings.MaxDefer)
		return func() {}, 0
	}
	w.tell(fmt.Sprintf("the program is busy (it holds $OTA_BUSY); it is waited for %s at most", settings.MaxDefer))
	w.look = min(2*w.look, lastBusyLook)
	return nil, min(w.look, max(settings.MaxDefer-time.Since(w.since), time.Millisecond))
}

func (w *waiting) tell(message string) {
	if message != w.told {
		w.told = message
		w.conductor.post(happening{event: Postponed, reasons: []reason.Reason{{Message: message}}})
	}
}

// askProbes asks the probes of what runs now and returns those that it does not
// pass.
func (c *Conductor) askProbes(ctx context.Context) (exempt []string) {
	for _, result := range c.options.Trial.Ask(ctx) {
		if result.Answer != trial.OK && ctx.Err() == nil {
			exempt = append(exempt, result.Probe)
			c.options.Log.Warn("the probe is not passed now, so that it can't fail the next release",
				"probe", result.Probe, "answer", string(result.Answer), "detail", result.Detail)
		}
	}
	return exempt
}

// before is what a probe had said of the release before.
func before(probe string, exempt []string) string {
	if slices.Contains(exempt, probe) || slices.Contains(exempt, trial.Every) {
		return ""
	}
	return string(trial.OK)
}

// allowBusy lets the program become busy again.
func (c *Conductor) allowBusy() {
	if c.attempt.free != nil {
		c.attempt.free()
		c.attempt.free = nil
	}
}

func (c *Conductor) tellPostponed() {
	for _, one := range c.attempt.waitsFor {
		c.options.Log.Info("the switch is deferred", "reason", one.Message)
	}
}
