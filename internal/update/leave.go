package update

import (
	"context"
	"errors"
	"slices"
	"time"

	"ota/internal/reason"
)

// Handed is what a conductor leaves to the one that takes its place in the same
// process.
type Handed struct {
	State    State           `json:"state"`
	Restarts int             `json:"restarts"`
	Crashes  int             `json:"crashes"`
	LastExit *Exit           `json:"last_exit"`
	StartErr string          `json:"start_error"`
	Reasons  []reason.Reason `json:"reasons"` // of what is held
	Ready    time.Duration   `json:"ready"`
	Pauses   []HandedPause   `json:"pauses"` // in the order of Conductor.pauses
}

// HandedPause is one of its timers.
type HandedPause struct {
	Next    time.Duration `json:"next"`
	Running bool          `json:"running"`
}

// leaver waits until the conductor can leave.
type leaver struct {
	waits  func(reason string)
	told   string
	answer chan struct{} // one is sent when it leaves
}

// Leave asks the conductor to return from Run, with everything as it is, as soon
// as nothing is on its way. An upload that is being judged, or waits for the
// program, is called off: whoever comes next begins it again. waits is told each
// thing that is waited for. Until it has left, the end of ctx takes the wish
// back; the answer nil says that Run returns.
func (c *Conductor) Leave(ctx context.Context, waits func(reason string)) error {
	one := &leaver{waits: waits, answer: make(chan struct{}, 1)}
	select {
	case c.leaves <- one:
	case <-c.ended:
		return ErrEnded
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-one.answer:
		return nil
	case <-c.ended:
		return one.atEnd()
	case <-ctx.Done():
	}
	select { // it may have left meanwhile
	case c.stays <- one:
		return ctx.Err()
	case <-one.answer:
		return nil
	case <-c.ended:
		return one.atEnd()
	}
}

// atEnd tells why Run has ended.
func (l *leaver) atEnd() error {
	select {
	case <-l.answer:
		return nil
	default:
		return ErrEnded
	}
}

// considerLeaving leaves if that can be now, and else says what it waits for.
func (c *Conductor) considerLeaving() {
	if c.leaver == nil {
		return
	}
	if c.state.MayLeave() && len(c.waiters) == 0 {
		c.left, c.atLeaving = true, c.handedPauses()
		c.leaver.answer <- struct{}{}
		return
	}
	if len(c.waiters) == 0 {
		state, acts := Next(c.state, AskLeave)
		c.enter(state, acts...)
	}
	if text := c.waitsToLeave(); text != c.leaver.told {
		c.leaver.told = text
		c.leaver.waits(text)
	}
}

// waitsToLeave says what is in the way.
func (c *Conductor) waitsToLeave() string {
	switch state := c.state; {
	case len(c.waiters) > 0:
		return "somebody has asked for something that is not done yet"
	case state.Attempt == Torn || state.Attempt == Unfinished:
		return "a switch can't be finished yet; see the log"
	case !slices.Contains(free, state.Attempt):
		return "an upload or a rollback is on its way"
	case !slices.Contains(settled, state.Program):
		return "the program is being started or stopped"
	case state.Standing == OnTrial || state.Standing == Condemned:
		return "the release is on trial"
	default:
		return "what became of the trial is not written down yet"
	}
}

// Left reports whether Run has returned because somebody takes over. Several
// goroutines may ask it, at any time.
func (c *Conductor) Left() bool {
	select {
	case <-c.ended:
		return c.left
	default:
		return false
	}
}

// Handed returns what the next conductor needs. It is to be asked after Run.
func (c *Conductor) Handed() Handed {
	handed := Handed{
		State: c.state, Restarts: c.restarts, Crashes: c.crashes, LastExit: c.lastExit,
		Reasons: c.attempt.reasons, Ready: c.ready, Pauses: c.atLeaving,
	}
	if c.startErr != nil {
		handed.StartErr = c.startErr.Error()
	}
	return handed
}

// Peek is about what Handed would be.
func (c *Conductor) Peek() Handed {
	report := c.Report()
	return Handed{
		State: report.State, Restarts: report.Restarts, Crashes: report.Crashes, LastExit: report.LastExit, Reasons: report.Reasons,
	}
}

func (c *Conductor) handedPauses() []HandedPause {
	var all []HandedPause
	for _, one := range c.pauses() {
		all = append(all, HandedPause{Next: one.next, Running: one.timer != nil})
	}
	return all
}

// takeOver makes the state that of the conductor before, and returns when there
// is no way back any more. Until then it answers who asks how things stand, and
// does nothing.
func (c *Conductor) takeOver(handed Handed) {
	c.state, c.run = handed.State, c.options.Run
	c.restarts, c.crashes, c.lastExit, c.ready = handed.Restarts, handed.Crashes, handed.LastExit, handed.Ready
	c.attempt.reasons, c.tries = handed.Reasons, c.options.Releases.Tries()
	if handed.StartErr != "" {
		c.startErr = errors.New(handed.StartErr)
	}
	for i, one := range c.pauses() {
		if i < len(handed.Pauses) {
			one.next = handed.Pauses[i].Next
		}
	}
	c.publish()
	for {
		select {
		case <-c.options.Begin:
			c.goOn(handed)
			return
		case <-c.looks:
		}
	}
}

// goOn does what goes on by itself: it waits for the end of the program, and of
// the pauses, and looks what is in deposit/.
func (c *Conductor) goOn(handed Handed) {
	if c.run != nil {
		c.follow(c.run)
	}
	if c.state.Program == Running && c.state.Standing == Unproven {
		c.watch(c.run)
	}
	acts := [...]Act{Pause, RetrySoon, RetryLate, MendSoon, "", NoteSoon} // as Conductor.pauses
	for i, one := range c.pauses() {
		if i < len(handed.Pauses) && handed.Pauses[i].Running && acts[i] != "" {
			one.next = max(one.first, one.next/2) // that pause once more
			c.act(acts[i])
		}
	}
	if c.state.Program == Backoff && c.pause.timer == nil { // its environment was being made
		c.act(Pause)
	}
	c.act(Look)
}
