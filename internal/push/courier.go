package push

import (
	"context"
	"errors"
	"sync"
	"time"

	"ota/internal/pack"
	"ota/internal/receive"
)

// Courier brings saves to one place: one after the other, and of those that wait
// the newest.
//
// A save that is on its way is brought there. What becomes of it then is followed
// until its end, or until there is a newer one: nobody waits for the end of a trial
// that the next release is going to end anyhow.
type Courier struct {
	// Options are those of each push; Project, Met, Arrived and Hurry are the
	// Courier's own.
	Options Options
	// Begun and Delivered hear of each push, in turn.
	Begun     func(Save)
	Delivered func(Delivery)

	saves chan Save
	last  *pack.Project // that was brought; nil: none
}

// Delivery is what became of a save.
type Delivery struct {
	Save
	Report
	Err error // nil: it is known what became of it
	// FirstLine is the time from the save to the first line that the program of it
	// printed; 0: none came.
	FirstLine time.Duration
	Took      time.Duration // from the save to the end
}

// NewCourier makes a Courier, which brings nothing before Run.
func NewCourier(options Options, begun func(Save), delivered func(Delivery)) *Courier {
	return &Courier{Options: options, Begun: begun, Delivered: delivered, saves: make(chan Save, 1)}
}

// Bring has a save brought, in place of one that still waits. One goroutine calls
// it. It does not wait.
func (c *Courier) Bring(save Save) {
	select {
	case <-c.saves:
	default:
	}
	c.saves <- save
}

// Run brings saves until ctx ends.
func (c *Courier) Run(ctx context.Context) {
	var next *Save
	for {
		if next == nil {
			select {
			case save := <-c.saves:
				next = &save
			case <-ctx.Done():
				return
			}
		}
		if c.last != nil && c.last.SameAs(next.Project) {
			next = nil
			continue
		}
		next = c.deliver(ctx, *next)
		if ctx.Err() != nil {
			return
		}
	}
}

// Settled reports whether what was brought last has arrived, and nothing waits. It
// may be called when Run has ended.
func (c *Courier) Settled() bool { return c.last != nil && len(c.saves) == 0 }

// deliver brings one save, and returns the one that came meanwhile, nil if none has.
func (c *Courier) deliver(ctx context.Context, save Save) (next *Save) {
	c.last = nil
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	arrived, hurry, ended := make(chan struct{}), make(chan struct{}, 1), make(chan Delivery, 1)
	c.Begun(save)
	go func() { ended <- c.push(ctx, save, sync.OnceFunc(func() { close(arrived) }), hurry) }()
	for {
		mayLeave := arrived
		if next == nil {
			mayLeave = nil
		}
		select {
		case delivery := <-ended:
			c.conclude(ctx, delivery, next)
			return next
		case newer := <-c.saves:
			if next = &newer; newer.Project.SameAs(save.Project) {
				next = nil
			}
			select {
			case hurry <- struct{}{}:
			default:
			}
		case <-mayLeave:
			giveUp()
			delivery := <-ended
			if delivery.Err != nil {
				delivery.Err, delivery.Result = nil, receive.Superseded
			}
			c.conclude(context.WithoutCancel(ctx), delivery, next)
			return next
		}
	}
}

// conclude tells the end of a push.
func (c *Courier) conclude(ctx context.Context, delivery Delivery, next *Save) {
	if ctx.Err() != nil {
		return
	}
	if delivery.Err == nil {
		c.last, c.Options.Met = delivery.Project, true
	}
	if errors.Is(delivery.Err, pack.ErrChanged) {
		return // that was a save, and it is about to come
	}
	c.Delivered(delivery)
}

// push is one push, with its times.
func (c *Courier) push(ctx context.Context, save Save, arrived func(), hurry <-chan struct{}) Delivery {
	delivery := Delivery{Save: save}
	options := c.Options
	options.Project, options.Arrived, options.Hurry = save.Project, arrived, hurry
	options.Tell = func(news receive.News) {
		if news.Release != 0 {
			delivery.Release = &news.Release
		}
		if news.Output != nil && delivery.FirstLine == 0 {
			delivery.FirstLine = time.Since(save.Time)
		}
		c.Options.Tell(news)
	}
	report, err := Push(ctx, options)
	release := delivery.Release
	if delivery.Report, delivery.Err, delivery.Took = report, err, time.Since(save.Time); delivery.Release == nil {
		delivery.Release = release
	}
	return delivery
}
