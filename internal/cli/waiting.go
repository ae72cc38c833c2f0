package cli

import (
	"context"
	"sync"
	"time"

	"ota/internal/api"
)

// lookAgain is between two questions of what somebody waits for.
const lookAgain = 500 * time.Millisecond

// waiting says on a terminal what an ota is at, from a second on until end is
// called: what it says itself, or else what was asked for.
func (a *app) waiting(ctx context.Context, ota *api.Client, asked string) (end func()) {
	return a.meanwhile(ctx, func(ctx context.Context) string {
		if status, err := ota.Status(ctx); err == nil {
			return doingOf(status, asked)
		}
		return asked
	})
}

// meanwhile says the same of anything that is asked what it is at.
func (a *app) meanwhile(ctx context.Context, ask func(context.Context) string) (end func()) {
	line := a.progress()
	if line.to == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var looking sync.WaitGroup
	looking.Go(func() {
		again := time.NewTicker(lookAgain)
		defer again.Stop()
		for {
			select {
			case now := <-again.C:
				line.say(ask(ctx), now)
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		looking.Wait()
		line.end()
	}
}

// doingOf is what takes its time just now.
func doingOf(status api.Status, otherwise string) string {
	for _, doing := range []*string{status.Deposit.Doing, status.Program.Doing} {
		if doing != nil {
			return *doing
		}
	}
	return otherwise
}

// patiently is a request during which it is said what an ota is at.
func (a *app) patiently(asked string, do func(*api.Client, context.Context) error) func(*api.Client, context.Context) error {
	return func(ota *api.Client, ctx context.Context) error {
		defer a.waiting(ctx, ota, asked)()
		return do(ota, ctx)
	}
}
