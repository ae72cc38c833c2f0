package update

import (
	"context"
	"fmt"
	"time"
)

// act does one act. What takes time is begun and answers through c.happens.
func (c *Conductor) act(act Act) Event {
	switch act {
	case Start:
		return c.start()
	case Equip:
		c.beginEquip()
	case Reload:
		c.refreshed = time.Now()
		c.options.Program.Reload()
	case Watch:
		c.watch(c.run)
	case StopAll:
		c.unwatch()
		c.unequip()
		c.begun(c.stop)
	case Adopt:
		c.begun(c.cancellable(c.adopt))
	case Prepare:
		c.beginPrepare()
	case Defer:
		c.beginDefer()
	case Hurry:
		c.goAhead()
	case Revert:
		c.beginRevert()
	case Cancel:
		if c.cancel != nil {
			c.cancel()
		}
	case Drop:
		c.drop()
	case Switch:
		c.unwatch()
		c.beginSwitch()
	case Mend:
		c.beginMend()
	case Clear:
		c.beginClear()
	case GiveBack:
		c.begun(c.giveBack)
	case Discard:
		c.begun(c.discard)
	case Confirm:
		c.beginConfirm()
	case Pause:
		c.pauseBeforeRestart()
	case RetrySoon:
		c.retry.begin(func(timer *time.Timer) { c.post(happening{event: RetryDue, of: timer}) })
	case RetryLate:
		c.later.begin(func(timer *time.Timer) { c.post(happening{event: RetryDue, of: timer}) })
	case MendSoon:
		c.mending.begin(func(timer *time.Timer) { c.post(happening{event: RetryDue, of: timer}) })
	case NoteSoon:
		c.noting.begin(func(timer *time.Timer) { c.post(happening{event: NoteDue, of: timer}) })
	case Wait:
		c.opening.begin(func(timer *time.Timer) { c.post(happening{event: OpeningOver, of: timer}) })
	case Look:
		c.asks++
		c.options.Deposit.Look()
	case Again:
		c.asks++
		c.applyAsk = c.asks
		c.attempt.again = onRequest
		c.options.Deposit.Look()
	case Apply:
		c.asks++
		c.applyAsk = c.asks
		c.options.Deposit.Apply()
	default:
		panic(fmt.Sprintf("update: no such act: %s", act))
	}
	return ""
}

// begun does what takes time beside the conductor.
func (c *Conductor) begun(work func() happening) {
	c.acts.Go(func() { c.post(work()) })
}

func (c *Conductor) cancellable(work func(context.Context) happening) func() happening {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	return func() happening {
		defer cancel()
		return work(ctx)
	}
}

// post tells Run what happened. Run reads until every act has answered; only
// timers and runs may still speak when it has gone.
func (c *Conductor) post(happened happening) {
	select {
	case c.happens <- happened:
	case <-c.ended:
	}
}
