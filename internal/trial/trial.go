// Package trial is where a release is watched until it has proved itself.
//
// In: a run of the program, and what may be expected of it. Out: a verdict,
// with the sentence that says why and the answers that it rests on. Never: a
// start, a stop or a rollback; a verdict about a run that has ended, for that
// speaks for itself; a question to any probe while no verdict is open.
//
// Words: a probe is a question that can be asked of the running program, by
// HTTP, by TCP or by a command; it is exempt where the release before did not
// pass it either; the period is how long a release is watched that does not
// say by itself that it is ready.
package trial

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"
)

// Answer is what a probe says.
type Answer string

const (
	OK      Answer = "OK"
	Bad     Answer = "BAD"
	Unknown Answer = "UNKNOWN" // the probe itself could not be run
)

// Result is one answer of one probe. It is kept as evidence.
type Result struct {
	Probe  string `json:"probe"` // "http http://127.0.0.1:8000/healthz", "tcp 127.0.0.1:8000", "command python3 check.py"
	Answer Answer `json:"answer"`
	Detail string `json:"detail,omitempty"` // "status 503", "connection refused", "exit code 1: last line of its output"
}

// Options are what a room is told once.
type Options struct {
	Period time.Duration // how long a release is watched, at least
	Ready  bool          // READY=1 is promised

	HTTP    string   // URL; empty: no such probe
	TCP     string   // HOST:PORT; empty: no such probe
	Command []string // none: no such probe

	Interval time.Duration // from one question to the next; 0: 5 s
	Timeout  time.Duration // for one answer; 0: 5 s

	// Execute runs a command and returns its exit code and the last line of
	// its output. An error, such as [ErrNotRun], means that it could not be
	// run. The end of ctx kills it with all that it started, and Execute
	// returns no earlier. See [Command].
	Execute func(ctx context.Context, argv []string) (code int, output string, err error)

	Log *slog.Logger // nil: nothing is logged
}

// standard is the interval and the timeout where none is given.
const standard = 5 * time.Second

// Room watches. Its methods may be called by several goroutines.
type Room struct {
	options Options
	log     *slog.Logger
	probes  []probe
}

// New remembers.
func New(options Options) *Room {
	options.Interval = cmp.Or(options.Interval, standard)
	options.Timeout = cmp.Or(options.Timeout, standard)
	r := &Room{options: options, log: options.Log}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.probes = configured(options)
	return r
}

// Ask asks every probe once, side by side, and returns when all have answered.
// It returns nothing where no probe is configured.
func (r *Room) Ask(ctx context.Context) []Result {
	results := make([]Result, len(r.probes))
	var asking sync.WaitGroup
	for i, probe := range r.probes {
		asking.Go(func() { results[i] = r.ask(ctx, probe) })
	}
	asking.Wait()
	return results
}

// ask asks one probe within the time that it has.
func (r *Room) ask(ctx context.Context, probe probe) Result {
	limited, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	answer, detail := probe.ask(limited)
	if answer != OK && ctx.Err() != nil {
		answer, detail = Unknown, "its answer was not waited for"
	}
	return Result{Probe: probe.name, Answer: answer, Detail: harmless(detail)}
}

// readyTimes is how many times as long as the last good release took to be
// ready a release is watched at least.
const readyTimes = 3

// Period is how long a release is watched, where the last confirmed one took
// that long to be ready; 0: not known.
func (r *Room) Period(readyAfter time.Duration) time.Duration {
	return max(r.options.Period, readyTimes*readyAfter)
}

// Run is the run under trial.
type Run interface {
	Started() time.Time
	Done() <-chan struct{}
	Ready() <-chan struct{} // closed at READY=1; nil: never
}

// Terms are what is known from the releases before.
type Terms struct {
	// ReadyAfter is how long the last confirmed release took to be ready; 0:
	// not known. See [Room.Period].
	ReadyAfter time.Duration
	// Since is when the release was put under a run that goes on; zero: the run
	// was started with it. What such a run has said before tells nothing of the
	// release: it is watched for the whole period, and promises no READY=1.
	Since time.Time
	// Exempt are probes, by [Result.Probe], or [Every], that the release before did not
	// pass either: they can't fail this one.
	Exempt []string
}

// Every stands in Terms.Exempt for all probes.
const Every = "*"

// Outcome is what a trial came to.
type Outcome string

const (
	Proved Outcome = "proved"
	Failed Outcome = "failed"
	Left   Outcome = "left" // the run or the watching has ended: no verdict here
)

// Verdict is an outcome and what it rests on.
type Verdict struct {
	Outcome Outcome
	Why     string   // a sentence: "READY=1 was promised and did not come within 10s"
	Results []Result // the last of each probe that has answered

	// ReadyAfter is how long it took from the start to READY=1, or else to the
	// first moment at which all probes that count said OK; 0: not known. With
	// Terms.Since it is as before.
	ReadyAfter time.Duration
}
