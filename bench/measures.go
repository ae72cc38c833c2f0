//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// bench runs the measures, one subject at a time.
type bench struct {
	tools   *tools
	size    extent
	results *results
	costs   *costs
}

// part is what can be measured by itself.
type part string

const (
	partPeers part = "peers" // ota and what else people use
	partIdle  part = "idle"  // what all of them use while nothing happens
	partScale part = "scale" // a switch of few and many files, in a small and a large main/
	partDisk  part = "disk"  // what a device has to write
	partStore part = "store" // what is kept

	partStarts      part = "starts"      // between two versions of small and of large programs
	partCheck       part = "check"       // what the look at an upload takes
	partEnvironment part = "environment" // what an environment takes
)

var allParts = []part{partPeers, partIdle, partScale, partDisk, partStore, partStarts, partCheck, partEnvironment}

// measureParts measures some of the parts, with the subjects that are there.
func (b *bench) measureParts(ctx context.Context, parts []part, chosen []subject) error {
	for _, one := range parts {
		var err error
		switch one {
		case partPeers:
			err = b.measure(ctx, chosen)
		case partIdle:
			err = b.measureIdle(ctx, chosen)
		case partScale:
			err = b.measureScale(ctx)
		case partDisk:
			err = b.measureDisk(ctx)
		case partStore:
			err = b.measureStore(ctx)
		case partStarts:
			err = b.measureStarts(ctx)
		case partCheck:
			err = b.measureChecks(ctx)
		case partEnvironment:
			err = b.measureEnvironments(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// measure goes round and round the subjects instead of finishing one after the
// other, so that a machine that gets slower or faster does so for all of them.
func (b *bench) measure(ctx context.Context, chosen []subject) error {
	for round := range b.size.rounds {
		for _, one := range chosen {
			if one.period > 0 && round%2 == 1 {
				continue // it takes minutes, and its figures are seconds
			}
			progress("round %d of %d: %s", round+1, b.size.rounds, one.name)
			if err := b.round(ctx, one); err != nil {
				return fmt.Errorf("cannot measure %s: %w", one.name, err)
			}
		}
	}
	return nil
}

// round measures one subject once in each of the ways that need an update.
func (b *bench) round(ctx context.Context, s subject) error {
	updates := b.size.updates
	if s.period > 0 {
		updates = 1
	}
	measures := []struct {
		mode    mode
		updates int
		act     func(context.Context, *rig) error
	}{
		{modeClock, updates, b.timed},
		{modeServe, 1, b.connected},
		{modeClock, 1, b.paced},
	}
	for _, each := range measures {
		err := b.withRig(ctx, s, each.mode, func(r *rig) error {
			for range each.updates {
				if err := r.spread(ctx); err != nil {
					return err
				}
				if err := each.act(ctx, r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// timed notes how long after its last byte an update runs, and how long
// nothing ran.
func (b *bench) timed(ctx context.Context, r *rig) error {
	done, err := r.update(ctx, atOnce)
	if errors.Is(err, errNeverCame) {
		b.results.failed(r.subject)
		return nil
	}
	if err != nil {
		return err
	}
	b.results.add(r.subject, latency, milliseconds(done.latency))
	b.results.add(r.subject, gap, milliseconds(done.gap))
	if r.subject.period > 0 {
		return nil // a whole period has been waited for
	}
	return r.calm(ctx)
}

// connected notes how many clients of a server got no answer while it was
// updated.
func (b *bench) connected(ctx context.Context, r *rig) error {
	callers := newCallers(r.port)
	done, err := callers.during(ctx, func() error {
		if _, err := r.update(ctx, atOnce); err != nil {
			return err
		}
		return r.calm(ctx)
	})
	if errors.Is(err, errNeverCame) {
		b.results.failed(r.subject)
		return nil
	}
	if err != nil {
		return err
	}
	b.results.add(r.subject, refused, float64(done.failed))
	b.results.add(r.subject, outage, milliseconds(done.longest))
	return nil
}

// paced notes what was started during and after one upload whose files arrive
// as over a slow connection.
func (b *bench) paced(ctx context.Context, r *rig) error {
	if _, err := r.update(ctx, slowly); err != nil && !errors.Is(err, errNeverCame) {
		return err
	}
	if err := r.calm(ctx); err != nil {
		return err
	}
	done := r.started()
	b.results.add(r.subject, starts, float64(done.all))
	b.results.add(r.subject, tornStarts, float64(done.torn))
	b.results.add(r.subject, endings, float64(done.atRest))
	return nil
}

func (b *bench) withRig(ctx context.Context, s subject, m mode, act func(*rig) error) error {
	return b.withRigOf(ctx, s, m, b.size, act)
}

func (b *bench) withRigOf(ctx context.Context, s subject, m mode, size extent, act func(*rig) error) error {
	return b.withMadeUp(ctx, s, m, size, makeup{}, act)
}

// withMadeUp starts the subject over a fresh folder, and stops all of it after.
func (b *bench) withMadeUp(ctx context.Context, s subject, m mode, size extent, with makeup, act func(*rig) error) (err error) {
	dir, err := os.MkdirTemp(b.tools.dir, "rig-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := newRig(s, m, dir, size, with)
	defer func() {
		err = errors.Join(err, r.stop())
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, r.lastWords())
		}
	}()
	if err := r.start(ctx); err != nil {
		return err
	}
	return act(r)
}

// wait returns when the time is over, or ctx is.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
