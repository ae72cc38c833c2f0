package trial

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Watch watches one run until there is a verdict, the run ends or ctx ends.
//
// A release has proved itself when it has lived for the period, or earlier when
// READY=1 came and every probe that counts has said OK since. What a probe says
// before the period's end fails nobody: a program may need its time. At the end
// each must have said OK, or it is asked once more. A probe that could not be
// asked agrees to nothing and fails nobody. Nothing that Watch has begun goes
// on after it.
func (r *Room) Watch(ctx context.Context, run Run, terms Terms) Verdict {
	w := &watch{
		room: r, run: run, terms: terms, began: time.Now(), period: r.Period(terms.ReadyAfter),
		answers: make(chan answer, len(r.probes)),
	}
	if terms.Since.IsZero() {
		w.ready = run.Ready()
	}
	for _, probe := range r.probes {
		s := &subject{probe: probe, standing: counted, phase: idle, due: w.began}
		if slices.Contains(terms.Exempt, probe.name) || slices.Contains(terms.Exempt, Every) {
			s.standing = exempt
		}
		w.subjects = append(w.subjects, s)
	}
	asking, stop := context.WithCancel(ctx)
	defer w.asking.Wait()
	defer stop()
	return w.untilVerdict(asking)
}

// watch is one trial. It is owned by the goroutine that called Watch.
type watch struct {
	room     *Room
	run      Run
	terms    Terms
	began    time.Time
	period   time.Duration
	subjects []*subject

	ready     <-chan struct{} // nil after READY=1, and where it tells nothing
	readyAt   time.Time       // zero before it
	wellAfter time.Duration   // from the start until all that count said OK

	answers chan answer // has room for one of each probe
	asking  sync.WaitGroup
}

// standing says what a probe's answer is worth.
type standing string

const (
	counted standing = "counted"
	exempt  standing = "exempt"
)

// phase says whether a probe is being asked.
type phase string

const (
	idle phase = "idle"
	busy phase = "busy"
)

// subject is one probe in one trial.
type subject struct {
	probe    probe
	standing standing
	phase    phase
	due      time.Time // when it is to be asked next
	newest   Result    // Answer is empty before the first
	asked    time.Time // when it was asked for newest
	answered time.Time // when newest came
}

// answer is what the goroutine that asks hands over.
type answer struct {
	from   *subject
	asked  time.Time
	result Result
}

func (w *watch) untilVerdict(ctx context.Context) Verdict {
	end := time.NewTimer(w.period)
	defer end.Stop()
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		if why := w.leaves(ctx); why != "" {
			return w.verdict(Left, why)
		}
		w.hear()
		if w.agreed() {
			return w.verdict(Proved, w.whyEarly())
		}
		next.Reset(w.untilDue())
		select {
		case <-ctx.Done():
		case <-w.run.Done():
		case <-w.ready:
			w.becomeReady()
		case answer := <-w.answers:
			w.note(answer)
		case <-next.C:
			w.askDue(ctx)
		case <-end.C:
			return w.atEnd(ctx)
		}
	}
}

// atEnd is the verdict when the period is over.
func (w *watch) atEnd(ctx context.Context) Verdict {
	w.hear()
	if w.room.options.Ready && w.readyAt.IsZero() && w.terms.Since.IsZero() {
		if why := w.leaves(ctx); why != "" {
			return w.verdict(Left, why)
		}
		return w.verdict(Failed, fmt.Sprintf("READY=1 was promised and did not come within %s", w.period))
	}
	for _, s := range w.subjects {
		fresh := time.Since(s.answered) < w.room.options.Interval
		if s.standing == counted && s.phase == idle && (s.newest.Answer != OK || !fresh) {
			w.ask(ctx, s)
		}
	}
	for {
		if why := w.leaves(ctx); why != "" {
			return w.verdict(Left, why)
		}
		if !slices.ContainsFunc(w.subjects, (*subject).isAwaited) {
			break
		}
		select {
		case <-ctx.Done():
		case <-w.run.Done():
		case <-w.ready:
			w.becomeReady()
		case answer := <-w.answers:
			w.note(answer)
		}
	}
	if why := w.complaints(); why != "" {
		return w.verdict(Failed, why)
	}
	return w.verdict(Proved, fmt.Sprintf("it has run for %s", w.period))
}

// leaves says why there will be no verdict, or nothing.
func (w *watch) leaves(ctx context.Context) string {
	select {
	case <-w.run.Done():
		return "the program has ended"
	default:
	}
	if ctx.Err() != nil {
		return "it is not watched any longer"
	}
	return ""
}

// hear takes READY=1 if it has come: where several things are there at the same
// time, select takes any.
func (w *watch) hear() {
	select {
	case <-w.ready:
		w.becomeReady()
	default:
	}
}

// becomeReady makes all probes be asked at once: what they said before does not
// confirm anything.
func (w *watch) becomeReady() {
	w.ready = nil
	w.readyAt = time.Now()
	for _, s := range w.subjects {
		s.due = w.readyAt
	}
}

// agreed says whether READY=1 came and all probes that count have said OK since.
func (w *watch) agreed() bool {
	if w.readyAt.IsZero() {
		return false
	}
	return !slices.ContainsFunc(w.subjects, func(s *subject) bool {
		return s.standing == counted && (s.newest.Answer != OK || s.asked.Before(w.readyAt))
	})
}

func (w *watch) whyEarly() string {
	if w.anyCounts() {
		return "READY=1 came and all probes said OK"
	}
	return "READY=1 came"
}

// untilDue is how long nobody needs to be asked.
func (w *watch) untilDue() time.Duration {
	wait := w.period
	for _, s := range w.subjects {
		if s.phase == idle {
			wait = min(wait, time.Until(s.due))
		}
	}
	return wait
}

func (w *watch) askDue(ctx context.Context) {
	for _, s := range w.subjects {
		if s.phase == idle && time.Until(s.due) <= 0 {
			w.ask(ctx, s)
		}
	}
}

func (w *watch) ask(ctx context.Context, s *subject) {
	s.phase = busy
	now := time.Now()
	s.due = now.Add(w.room.options.Interval)
	w.asking.Go(func() { w.answers <- answer{s, now, w.room.ask(ctx, s.probe)} })
}

// isAwaited says whether an answer is on its way that the verdict depends on.
func (s *subject) isAwaited() bool { return s.phase == busy && s.standing == counted }

func (w *watch) note(answer answer) {
	s := answer.from
	s.phase = idle
	s.newest, s.asked, s.answered = answer.result, answer.asked, time.Now()
	// A slow command must not keep a small device busy all the time; but what
	// was asked before READY=1 is due since then.
	if s.due.Before(s.answered) && !s.asked.Before(w.readyAt) {
		s.due = s.answered.Add(w.room.options.Interval)
	}
	if w.wellAfter == 0 && w.allWell() {
		w.wellAfter = time.Since(w.run.Started())
	}
}

// allWell says whether there are probes that count and all of them say OK.
func (w *watch) allWell() bool {
	return w.anyCounts() && !slices.ContainsFunc(w.subjects, func(s *subject) bool {
		return s.standing == counted && s.newest.Answer != OK
	})
}

func (w *watch) anyCounts() bool {
	return slices.ContainsFunc(w.subjects, func(s *subject) bool { return s.standing == counted })
}

// complaints are what probes that count have against the release.
func (w *watch) complaints() string {
	var all []string
	for _, s := range w.subjects {
		if s.standing == counted && s.newest.Answer == Bad {
			all = append(all, s.newest.Probe+": "+s.newest.Detail)
		}
	}
	return strings.Join(all, "; ")
}

func (w *watch) verdict(outcome Outcome, why string) Verdict {
	v := Verdict{Outcome: outcome, Why: why, ReadyAfter: w.wellAfter}
	switch {
	case !w.terms.Since.IsZero():
		v.ReadyAfter = w.terms.ReadyAfter
	case !w.readyAt.IsZero():
		v.ReadyAfter = w.readyAt.Sub(w.run.Started())
	}
	for _, s := range w.subjects {
		if s.newest.Answer != "" {
			v.Results = append(v.Results, s.newest)
		}
	}
	if outcome != Left {
		w.warn()
	}
	return v
}

// warn tells what the verdict left out of account.
func (w *watch) warn() {
	for _, s := range w.subjects {
		switch {
		case s.newest.Answer == Unknown:
			w.room.log.Warn("probe could not be asked and does not count", "probe", s.newest.Probe, "reason", s.newest.Detail)
		case s.newest.Answer == Bad && s.standing == exempt:
			w.room.log.Warn("probe says BAD as it did of the release before, and does not count", "probe", s.newest.Probe, "reason", s.newest.Detail)
		}
	}
}
