//go:build linux

package main

import (
	"context"
	"errors"
	"time"
)

// play does what the README tells a newcomer to do, and returns both terminals
// as they looked.
func play(ctx context.Context, dir string) (terminals []*terminal, err error) {
	start := time.Now()
	one := newTerminal("one terminal", dir, start)
	two := newTerminal("another", dir, start)
	defer func() { err = errors.Join(err, one.stop(), two.stop()) }()
	steps := []func(context.Context) error{
		one.enter("ota run examples/hello"),
		one.seen("Hello from info.txt", 2),
		pause(500 * time.Millisecond),
		two.enter("cp examples/hello/update/* examples/hello/deposit/"),
		two.ended(),
		one.seen("Hello from text.txt", 1),
		pause(1500 * time.Millisecond),
		two.enter("ota -C examples/hello status"),
		two.ended(),
		one.seen("Hello from text.txt", 2),
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	one.freeze()
	two.freeze()
	return []*terminal{one, two}, nil
}

func pause(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
