package update

import (
	"context"
	"errors"
	"slices"

	"ota/internal/deposit"
	"ota/internal/reason"
	"ota/internal/release"
)

// Applied is what became of an upload that somebody wanted taken.
type Applied struct {
	Outcome Outcome
	Release int // the new release, if one was made
	Reasons []reason.Reason
}

// Outcome is how an attempt ended, in one word.
type Outcome string

// The outcomes.
const (
	Taken        Outcome = "applied"
	Same         Outcome = "nothing changed"
	NotTaken     Outcome = "held"
	NothingThere Outcome = "empty"
	Busy         Outcome = "busy"
)

// ErrEnded is the answer to who asks when the conductor ends.
var ErrEnded = errors.New("ota is ending")

// ErrOvertaken is the answer to who asked for something when somebody else
// asked for the opposite before it was done.
var ErrOvertaken = errors.New("something else was asked for meanwhile")

// waiter waits for what somebody asked for.
type waiter struct {
	event  Event
	answer chan error // one is sent
	result Applied    // for AskApply, valid after the answer
}

// Ask asks for AskStart, AskStop or AskRestart and returns when it is done.
// The end of ctx ends the waiting only.
func (c *Conductor) Ask(ctx context.Context, event Event) error {
	_, err := c.ask(ctx, event)
	return err
}

// Apply asks to take what is in deposit/ as it is, and returns when it is known
// what became of it.
func (c *Conductor) Apply(ctx context.Context) (Applied, error) { return c.ask(ctx, AskApply) }

func (c *Conductor) ask(ctx context.Context, event Event) (Applied, error) {
	asked := &waiter{event: event, answer: make(chan error, 1)}
	select {
	case c.happens <- happening{event: event, waiter: asked}:
	case <-c.ended:
		return Applied{}, ErrEnded
	case <-ctx.Done():
		return Applied{}, ctx.Err()
	}
	select {
	case err := <-asked.answer:
		return asked.result, err
	case <-c.ended:
		return Applied{}, ErrEnded
	case <-ctx.Done():
		return Applied{}, ctx.Err()
	}
}

// await takes in who asked for something.
func (c *Conductor) await(asked *waiter) {
	if asked == nil {
		return
	}
	if asked.event == AskApply && !slices.Contains(free, c.state.Attempt) {
		asked.result.Outcome = Busy
		asked.answer <- nil
		return
	}
	c.waiters = append(c.waiters, asked)
}

// settle answers those whose wish came true, or can't.
func (c *Conductor) settle() {
	if !slices.Contains(settled, c.state.Program) || c.state.Attempt == Switching || c.state.Attempt == Torn {
		return
	}
	c.answer(func(one *waiter) bool {
		if one.event == AskApply {
			return false
		}
		one.answer <- c.verdict(one.event)
		return true
	})
}

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

// tellWaiters answers those who wait for what becomes of deposit/.
func (c *Conductor) tellWaiters(happened happening) {
	result, known := c.outcome(happened)
	if !known {
		return
	}
	c.answer(func(one *waiter) bool {
		if one.event != AskApply {
			return false
		}
		one.result = result
		one.answer <- nil
		return true
	})
}

func (c *Conductor) outcome(happened happening) (Applied, bool) {
	switch happened.event {
	case PutAway:
		if c.attempt.candidate == nil {
			return Applied{}, false
		}
		return Applied{Outcome: Taken, Release: c.attempt.candidate.record.Number}, true
	case Unchanged:
		return Applied{Outcome: Same}, true
	case Refused, Hindered, SwitchUndone:
		return Applied{Outcome: NotTaken, Reasons: happened.reasons}, true
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

// tellHeld logs why the upload is held.
func (c *Conductor) tellHeld() {
	for _, one := range c.attempt.reasons {
		log := c.options.Log
		if one.Path != "" {
			log = log.With("file", one.Path)
		}
		if one.Line != 0 {
			log = log.With("line", one.Line)
		}
		log.Warn("the upload is held", "reason", one.Message)
	}
}

// tellSwitched logs what changed in main/.
func (c *Conductor) tellSwitched() {
	if c.attempt.candidate == nil {
		return
	}
	effects := map[release.Effect]int{}
	for _, file := range c.attempt.candidate.record.Files {
		effects[file.Effect]++
	}
	c.options.Log.Info("the files are switched", "release", c.attempt.candidate.record.Number,
		"added", effects[release.Added], "replaced", effects[release.Replaced], "removed", effects[release.Removed])
}
