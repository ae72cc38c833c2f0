//go:build linux

package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	preparing  measure = "complete to the end of the old version, ms"
	callsMade  measure = "system calls"
	callsSwept measure = "system calls, with a sweep of the store"
	bytesGiven measure = "bytes written by calls"
)

// deed is what a switch is made for.
type deed string

const (
	updating    deed = "update"
	rollingBack deed = "rollback"
)

// place is what was measured, and where: so many changed files in a main/ of so
// many.
type place struct {
	subject string
	deed    deed
	changed int
	files   int
	measure measure
}

// The sizes that are compared. Nothing of a switch should know the second.
var (
	changedFiles = []int{1, 20, 2000}
	allFiles     = []int{2000, 50000}
)

const (
	rollbackFiles = 20
	afterSwitch   = 200 * time.Millisecond // for what is done when all is put away
)

// measureScale times switches of few and of many files in a small and a large
// main/, for ota and for the floor.
func (b *bench) measureScale(ctx context.Context) error {
	b.costs.noCalls = canTrace()
	compared := slices.DeleteFunc(subjects(b.tools), func(s subject) bool { return s.name != floorName && s.name != heldName })
	for round := range b.size.scaleRounds {
		for _, files := range allFiles {
			for _, one := range compared {
				progress("switch %d of %d: %s, main/ of %d files", round+1, b.size.scaleRounds, one.name, files)
				if err := b.scaleRound(ctx, one, files, round); err != nil {
					return fmt.Errorf("cannot measure a switch of %s: %w", one.name, err)
				}
			}
		}
	}
	return nil
}

func (b *bench) scaleRound(ctx context.Context, s subject, files, round int) error {
	most := changedFiles[len(changedFiles)-1]
	size := b.size
	size.folder, size.parts, size.tree = perFolder, most-1, files-most
	return b.withRigOf(ctx, s, modeClock, size, func(r *rig) error {
		if err := r.settle(ctx); err != nil {
			return err
		}
		for n := range 1 + b.size.scaleUpdates {
			for _, changed := range changedFiles {
				at := place{subject: s.name, deed: updating, changed: changed, files: files}
				if err := b.scaleUpdate(ctx, r, at, n > 0); err != nil {
					return err
				}
			}
		}
		if s.name == floorName {
			return nil
		}
		if err := b.timeRollbacks(ctx, r, files); err != nil || round > 0 || b.costs.noCalls != "" {
			return err
		}
		return b.countCalls(ctx, r, files)
	})
}

// scaleUpdate makes an update; the first of each kind warms up.
func (b *bench) scaleUpdate(ctx context.Context, r *rig, at place, counts bool) error {
	r.changed = at.changed - 1
	done, err := r.update(ctx, atOnce)
	if err != nil {
		return err
	}
	if counts {
		b.costs.noteSwitch(at, done)
	}
	return r.settle(ctx)
}

func (b *bench) timeRollbacks(ctx context.Context, r *rig, files int) error {
	at := place{subject: r.subject.name, deed: updating, changed: rollbackFiles, files: files}
	for n := range 1 + b.size.scaleUpdates {
		if err := b.scaleUpdate(ctx, r, at, false); err != nil {
			return err
		}
		back := at
		back.deed = rollingBack
		done, err := r.rollBack(ctx)
		if err != nil {
			return err
		}
		if n > 0 {
			b.costs.noteSwitch(back, done)
		}
		if err := r.settle(ctx); err != nil {
			return err
		}
	}
	return nil
}

// countCalls has each kind of switch watched by strace, which makes it far too
// slow to be timed. The least counts: one update in five has the store swept,
// and one after many files rewrites the long record of those. The most is noted
// apart, where it is sure to be that of a sweep.
func (b *bench) countCalls(ctx context.Context, r *rig, files int) error {
	at := place{subject: r.subject.name, deed: updating, files: files}
	for _, at.changed = range changedFiles {
		times := 3
		if at.changed == rollbackFiles {
			times = sweepsEvery
		}
		var made []callsAndBytes
		for range times {
			r.changed = at.changed - 1
			one, err := b.countDeed(ctx, r, func() error { _, err := r.update(ctx, atOnce); return err })
			if err != nil {
				return err
			}
			made = append(made, one)
		}
		b.costs.noteCalls(at, leastOf(made))
		if at.changed != rollbackFiles {
			continue
		}
		b.costs.note(at, callsSwept, float64(mostCalls(made)))
		one, err := b.countDeed(ctx, r, func() error { _, err := r.rollBack(ctx); return err })
		if err != nil {
			return err
		}
		back := at
		back.deed = rollingBack
		b.costs.noteCalls(back, one)
	}
	return nil
}

func leastOf(made []callsAndBytes) callsAndBytes {
	least := made[0]
	for _, one := range made {
		least.calls, least.bytes = min(least.calls, one.calls), min(least.bytes, one.bytes)
	}
	return least
}

func mostCalls(made []callsAndBytes) (most int64) {
	for _, one := range made {
		most = max(most, one.calls)
	}
	return most
}

func (b *bench) countDeed(ctx context.Context, r *rig, act func() error) (callsAndBytes, error) {
	made, err := traced(ctx, b.tools.dir, r.process.Process.Pid, func() error {
		if err := act(); err != nil {
			return err
		}
		return r.settle(ctx)
	})
	if err != nil {
		return made, fmt.Errorf("cannot count the system calls of a switch: %w", err)
	}
	return made, nil
}

func (c *costs) noteCalls(at place, made callsAndBytes) {
	c.note(at, callsMade, float64(made.calls))
	c.note(at, bytesGiven, float64(made.bytes))
}

func (c *costs) noteSwitch(at place, done update) {
	c.note(at, gap, milliseconds(done.gap))
	c.note(at, preparing, milliseconds(done.latency-done.gap))
}

func (c *costs) note(at place, m measure, value float64) {
	at.measure = m
	c.scaled[at] = append(c.scaled[at], value)
}

// of summarizes what was measured there; false if nothing was.
func (c *costs) of(at place, m measure) (summary, bool) {
	at.measure = m
	samples := c.scaled[at]
	if len(samples) == 0 {
		return summary{}, false
	}
	return summarize(samples), true
}
