package update

import (
	"context"
	"errors"
	"slices"
	"strings"

	"ota/internal/deposit"
	"ota/internal/kit/hint"
	"ota/internal/reason"
	"ota/internal/release"
)

// Applied is what became of an upload that somebody wanted taken.
type Applied struct {
	Outcome Outcome
	Release int // the release that was made or gone back to, if there is one
	Reasons []reason.Reason
}

// Outcome is how an attempt ended, in one word.
type Outcome string

// The outcomes.
const (
	Taken        Outcome = "applied"
	Same         Outcome = "nothing changed"
	NotTaken     Outcome = "held"
	NotYet       Outcome = "deferred"
	NothingThere Outcome = "empty"
	Occupied     Outcome = "busy"
)

// ErrEnded is the answer to who asks when the conductor ends.
var ErrEnded = errors.New("ota is ending")

// ErrBusy is the answer to who asks while a switch is on its way.
var ErrBusy = hint.With(errors.New("another switch is on its way"), "try again in a moment")

// ErrOvertaken is the answer to who asked for something when somebody else
// asked for the opposite before it was done.
var ErrOvertaken = hint.With(errors.New("something else was asked for meanwhile"), `"ota status" says how things stand`)

// waiter waits for what somebody asked for.
type waiter struct {
	event  Event
	target target     // of AskRollback
	answer chan error // one is sent
	// What follows is valid after the answer.
	result    Applied
	discarded deposit.Discarded
}

func newWaiter(event Event) *waiter { return &waiter{event: event, answer: make(chan error, 1)} }

func (w *waiter) is(events ...Event) bool { return slices.Contains(events, w.event) }

// Ask asks for AskStart, AskStop or AskRestart and returns when it is done.
// The end of ctx ends the waiting only.
func (c *Conductor) Ask(ctx context.Context, event Event) error {
	return c.ask(ctx, newWaiter(event))
}

// Answer returns when the conductor does answer: it has come to an end of what it
// does just now. The error is ErrEnded, or that of ctx.
func (c *Conductor) Answer(ctx context.Context) error {
	select {
	case c.looks <- struct{}{}:
		return nil
	case <-c.ended:
		return ErrEnded
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Apply asks to take what is in deposit/ as it is, and returns when it is known
// what became of it. With now it does not wait until the program may be
// interrupted.
func (c *Conductor) Apply(ctx context.Context, now bool) (Applied, error) {
	asked := newWaiter(AskApply)
	if now {
		asked.event = AskNow
	}
	err := c.ask(ctx, asked)
	return asked.result, err
}

// Retry asks to try what is held once more, also the very content that has
// failed its trial, and returns when it is known what became of it.
func (c *Conductor) Retry(ctx context.Context) (Applied, error) {
	asked := newWaiter(AskRetry)
	err := c.ask(ctx, asked)
	return asked.result, err
}

// Discard asks to put away what is in deposit/.
func (c *Conductor) Discard(ctx context.Context) (deposit.Discarded, error) {
	asked := newWaiter(AskDiscard)
	err := c.ask(ctx, asked)
	return asked.discarded, err
}

// Rollback asks to go back to a release (0: the last good one before the
// current) and returns its number when it runs.
func (c *Conductor) Rollback(ctx context.Context, number int, sure bool) (int, error) {
	asked := newWaiter(AskRollback)
	asked.target.number = number
	if sure {
		asked.target.trial = withoutTrial
	}
	err := c.ask(ctx, asked)
	return asked.result.Release, err
}

func (c *Conductor) ask(ctx context.Context, asked *waiter) error {
	select {
	case c.happens <- happening{event: asked.event, waiter: asked}:
	case <-c.ended:
		return ErrEnded
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-asked.answer:
		return err
	case <-c.ended:
		return ErrEnded
	case <-ctx.Done():
		return ctx.Err()
	}
}

// await takes in who asked for something that was begun, and answers who asked
// for what can't be now.
func (c *Conductor) await(asked *waiter) {
	attempt := c.state.Attempt
	switch {
	case asked == nil:
	case asked.is(AskApply, AskRetry) && attempt == Deferred && len(c.attempt.waitsFor) > 0:
		asked.result = Applied{Outcome: NotYet, Reasons: c.attempt.waitsFor}
		asked.answer <- nil
	case asked.is(AskApply, AskNow, AskRetry) && !slices.Contains(free, attempt) && attempt != Deferred:
		asked.result.Outcome = Occupied
		asked.answer <- nil
	case asked.is(AskRollback) && attempt != Reverting && attempt != Withdrawn,
		asked.is(AskDiscard) && attempt != Discarding && attempt != Unwanted:
		asked.answer <- ErrBusy
	default:
		c.waiters = append(c.waiters, asked)
	}
}

// settle answers those whose wish came true, or can't.
func (c *Conductor) settle() {
	if !slices.Contains(settled, c.state.Program) || c.state.Attempt == Switching || c.state.Attempt == Torn {
		return
	}
	c.answer(func(one *waiter) bool {
		if !one.is(AskStart, AskStop, AskRestart) || c.startIsNear() && !one.is(AskStop) {
			return false
		}
		one.answer <- c.verdict(one.event)
		return true
	})
}

// startIsNear reports whether the program is started as soon as its environment
// is made, or is known not to be had.
func (c *Conductor) startIsNear() bool { return c.equipping != nil && c.state.Program == Backoff }

func (c *Conductor) verdict(asked Event) error {
	switch {
	case asked == AskStop && c.state.Program == Stopped, asked != AskStop && c.state.Program == Running:
		return nil
	case asked != AskStop && c.state.Program == Finished: // it ran, and was quick
		return nil
	case asked != AskStop && c.startErr != nil:
		return c.startErr
	default:
		return ErrOvertaken
	}
}

// tellWaiters answers those who wait for what becomes of deposit/ or of a
// rollback.
func (c *Conductor) tellWaiters(happened happening) {
	if happened.event == Discarded || happened.event == NotDiscarded {
		c.answer(func(one *waiter) bool {
			if one.is(AskDiscard) {
				one.discarded = happened.discarded
				one.answer <- happened.err
			}
			return one.is(AskDiscard)
		})
	}
	if c.isRollback() {
		c.tellRollback(happened)
		return
	}
	result, known := c.outcome(happened)
	if !known {
		return
	}
	c.answer(func(one *waiter) bool {
		isMeant := one.is(AskApply, AskRetry) || one.is(AskNow) && happened.event != Postponed
		if isMeant {
			one.result = result
			one.answer <- nil
		}
		return isMeant
	})
}

// isRollback reports whether what is on its way is no upload.
func (c *Conductor) isRollback() bool {
	candidate := c.attempt.candidate
	return c.state.Attempt == Reverting || candidate != nil && candidate.Back != nil
}

func (c *Conductor) tellRollback(happened happening) {
	var err error
	switch happened.event {
	case PutAway:
	case Refused, Hindered, BackUndone, NothingPrior:
		err = &reason.Refused{Reasons: happened.reasons}
	default:
		return
	}
	number := c.running()
	c.answer(func(one *waiter) bool {
		if one.is(AskRollback) {
			one.result.Release = number
			one.answer <- err
		}
		return one.is(AskRollback)
	})
}

func (c *Conductor) outcome(happened happening) (Applied, bool) {
	switch happened.event {
	case PutAway:
		if c.attempt.candidate == nil {
			return Applied{}, false
		}
		return Applied{Outcome: Taken, Release: c.attempt.candidate.number()}, true
	case Unchanged:
		return Applied{Outcome: Same}, true
	case Refused, Hindered, SwitchUndone:
		return Applied{Outcome: NotTaken, Reasons: happened.reasons}, true
	case Postponed:
		return Applied{Outcome: NotYet, Reasons: happened.reasons}, true
	case Changed, Empty, Waits:
		return c.notApplied()
	}
	return Applied{}, false
}

// notApplied is what deposit/ shows after it was told to take what is there and
// does not. While the upload is on its way it shows what the upload leaves.
func (c *Conductor) notApplied() (Applied, bool) {
	view := c.attempt.view
	if view.Asked < c.applyAsk || !slices.Contains(free, c.state.Attempt) {
		return Applied{}, false
	}
	if view.State == deposit.Empty {
		return Applied{Outcome: NothingThere}, true
	}
	return Applied{Outcome: NotTaken, Reasons: view.Waiting}, true
}

func (c *Conductor) answer(done func(*waiter) bool) {
	c.waiters = slices.DeleteFunc(c.waiters, done)
}

// hold takes in why an upload is held, or why there is no way back.
func (c *Conductor) hold(happened *happening) {
	if c.isRollback() {
		for _, one := range happened.reasons {
			c.options.Log.Error("there is no way back", "reason", one.String())
		}
		return
	}
	c.attempt.relax()
	c.attempt.reasons = happened.reasons
	c.tellHeld()
}

// tellHeld logs why the upload is held.
func (c *Conductor) tellHeld() {
	for _, one := range c.attempt.reasons {
		c.tellReason("the upload is held", one)
	}
}

func (c *Conductor) tellReason(sentence string, one reason.Reason) {
	log := c.options.Log
	if one.Path != "" {
		log = log.With("file", one.Path)
	}
	if one.Line != 0 {
		log = log.With("line", one.Line)
	}
	if one.Column != 0 {
		log = log.With("column", one.Column)
	}
	log = log.With("reason", one.Message)
	isHidden := c.options.Hides != nil && c.options.Hides(one.Path)
	if source := strings.TrimSpace(one.Source); source != "" && !isHidden {
		log = log.With("source", source)
	}
	if one.Hint != "" {
		log = log.With("hint", one.Hint)
	}
	log.Warn(sentence)
}

// tellSwitched logs what changed in main/.
func (c *Conductor) tellSwitched() {
	if c.attempt.candidate == nil {
		return
	}
	effects := map[release.Effect]int{}
	if back := c.attempt.candidate.Back; back != nil {
		c.options.Log.Warn("an earlier release is back in main/", "release", back.To, "instead_of", back.From)
		return
	}
	for _, file := range c.attempt.candidate.Record.Files {
		effects[file.Effect]++
	}
	c.options.Log.Info("the files are switched", "release", c.attempt.candidate.number(),
		"added", effects[release.Added], "replaced", effects[release.Replaced], "removed", effects[release.Removed])
}
