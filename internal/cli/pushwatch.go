//go:build !arm

package cli

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"ota/internal/pack"
	"ota/internal/push"
	"ota/internal/receive"
)

// saved is what became of one save on one target, in JSON.
type saved struct {
	Time    time.Time `json:"time"` // of the save
	Version string    `json:"version,omitempty"`
	Serial  int64     `json:"serial"`
	pushed
	FirstLine *float64 `json:"first_line_seconds"` // from the save to the program's first line; nil: none came
	Took      float64  `json:"seconds"`            // from the save to the end
}

// watching is one `ota push --watch`.
type watching struct {
	*talk
	flags    pushFlags
	last     *pack.Project // that was handed to the couriers; nil: none
	couriers []*push.Courier
}

// pushSaves pushes at each save until it is interrupted, which is no failure.
func (a *app) pushSaves(ctx context.Context, flags pushFlags, targets []string, places []push.Place, desk *desk) exitCode {
	w := &watching{talk: &talk{app: a, desk: desk, several: len(targets) > 1, bar: a.progress()}, flags: flags}
	ctx, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	for i, target := range targets {
		place, leave := places[i].Keep()
		defer leave()
		courier := w.courier(target, place)
		w.couriers = append(w.couriers, courier)
		all.Go(func() { courier.Run(ctx) })
	}
	saves := &push.Saves{Source: flags.Source, Describe: w.describe, Each: func(save push.Save) error { return w.each(ctx, save) }, Complain: w.complain}
	err := saves.Run(ctx)
	stop()
	all.Wait()
	w.bar.end()
	desk.close(w.settled())
	if err != nil {
		return a.fail(fmt.Errorf("cannot push at each save: %w", err))
	}
	return done
}

func (w *watching) settled() bool {
	for _, courier := range w.couriers {
		if !courier.Settled() {
			return false
		}
	}
	return true
}

// describe describes the folder without a signature: that may cost a touch of a
// key, and most states turn out to be the one before.
func (w *watching) describe(ctx context.Context) (*pack.Project, error) {
	options := w.flags.packing()
	options.Release.Serial = w.desk.serial(time.Now())
	return pack.Describe(ctx, options)
}

func (w *watching) complain(err error) {
	w.bar.end()
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.fail(fmt.Errorf("cannot push this save: %w", err))
}

// each hands a save to all couriers.
func (w *watching) each(ctx context.Context, save push.Save) error {
	if w.last != nil && save.Project.SameAs(w.last) {
		save.Project.Become(w.last)
	} else if err := w.begin(ctx, save.Project); err != nil {
		if w.last == nil {
			return err
		}
		w.complain(err)
		return nil
	}
	w.last = save.Project
	for _, courier := range w.couriers {
		courier.Bring(save)
	}
	return nil
}

// begin makes a project a release that is about to be pushed.
func (w *watching) begin(ctx context.Context, project *pack.Project) error {
	if signing := w.flags.signing(w.stderr); signing != nil {
		if err := project.Sign(ctx, *signing); err != nil {
			return err
		}
	}
	keep := w.desk.keep
	if w.last == nil {
		w.tellLeftOut(project)
		keep = w.desk.begin
	}
	if err := keep(project); err != nil {
		return fmt.Errorf("cannot keep what is sent: %w", err)
	}
	return nil
}

// courier is the one for a target.
func (w *watching) courier(target string, place push.Place) *push.Courier {
	streams := w.desk.streams(target)
	var since time.Time // the save that is pushed
	options := push.Options{Place: place, Cache: streams, Wait: push.ForTheEnd, Tell: func(news receive.News) {
		if news.Release != 0 {
			news.Doing += ", " + seconds(time.Since(since)) + " after the save"
		}
		if !w.flags.asJSON {
			w.news(target, news)
		}
	}}
	if !w.several {
		options.Sent = w.sent
	}
	begun := func(save push.Save) {
		since = save.Time
		w.bar.begin(time.Now())
	}
	return push.NewCourier(options, begun, func(delivery push.Delivery) {
		if delivery.Err == nil {
			_ = os.RemoveAll(streams)
		}
		w.delivered(target, delivery)
	})
}

// delivered says what became of a save on a target.
func (w *watching) delivered(target string, delivery push.Delivery) {
	w.bar.end()
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if delivery.Err != nil {
		w.fail(fmt.Errorf("cannot push to %s: %w", target, delivery.Err))
	}
	switch {
	case w.flags.asJSON:
		if err := w.jsonLine(savedOf(target, delivery)); err != nil {
			w.fail(fmt.Errorf("cannot print the answer: %w", err))
		}
	case delivery.Err == nil:
		fmt.Fprintln(w.stdout, time.Now().Format(time.TimeOnly)+" "+w.outcomeLine(target, delivery.Outcome, delivery.Bytes)+", "+durations(delivery))
		w.evidence(delivery.Outcome)
	}
}

// durations says how long a save took: the first line of the program is what its
// author waits for.
func durations(delivery push.Delivery) string {
	if delivery.FirstLine > 0 {
		return "first line after " + seconds(delivery.FirstLine) + ", end after " + seconds(delivery.Took)
	}
	return "end after " + seconds(delivery.Took)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

func savedOf(target string, delivery push.Delivery) saved {
	one := saved{
		Time: delivery.Time, Version: delivery.Project.Release.Version, Serial: delivery.Project.Release.Serial,
		pushed: pushed{Target: target, Outcome: delivery.Outcome, Bytes: delivery.Bytes}, Took: delivery.Took.Seconds(),
	}
	if delivery.FirstLine > 0 {
		one.FirstLine = new(delivery.FirstLine.Seconds())
	}
	if delivery.Err != nil {
		one.Error = new(delivery.Err.Error())
	}
	return one
}
