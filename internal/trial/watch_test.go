package trial

import (
	"bytes"
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// never is later than every trial ends.
const never = time.Hour

// fakeRun says that it is ready, and ends, when it is told to.
type fakeRun struct {
	started     time.Time
	done, ready chan struct{}
}

func (r *fakeRun) Started() time.Time     { return r.started }
func (r *fakeRun) Done() <-chan struct{}  { return r.done }
func (r *fakeRun) Ready() <-chan struct{} { return r.ready }

// closeAfter closes a channel at a time from now; never is left to the end.
func closeAfter(t *testing.T, c chan struct{}, after time.Duration) {
	if after == never {
		return
	}
	timer := time.AfterFunc(after, func() { close(c) })
	t.Cleanup(func() { timer.Stop() })
}

// script is what a fake probe says and how long it takes, from the time since
// the watching began at which it is asked.
type script func(at time.Duration) (takes time.Duration, answer Answer)

func always(answer Answer) script {
	return func(time.Duration) (time.Duration, Answer) { return 0, answer }
}

// from says BAD, and from a time on something else.
func from(after time.Duration, answer Answer) script {
	return func(at time.Duration) (time.Duration, Answer) {
		if at < after {
			return 0, Bad
		}
		return 0, answer
	}
}

// until says something, and from a time on BAD.
func until(end time.Duration, answer Answer) script {
	return func(at time.Duration) (time.Duration, Answer) {
		if at < end {
			return 0, answer
		}
		return 0, Bad
	}
}

func slow(takes time.Duration, answer Answer) script {
	return func(time.Duration) (time.Duration, Answer) { return takes, answer }
}

// fakeProbe plays a script and notes when it is asked; only to be read when
// nobody asks.
type fakeProbe struct {
	script script
	began  time.Time
	asked  []time.Duration
}

func (f *fakeProbe) ask(ctx context.Context) (Answer, string) {
	at := time.Since(f.began)
	f.asked = append(f.asked, at)
	takes, answer := f.script(at)
	timer := time.NewTimer(takes)
	defer timer.Stop()
	select {
	case <-timer.C:
		return answer, "said " + string(answer)
	case <-ctx.Done():
		return Bad, "took too long"
	}
}

// trial is one call of Watch in virtual time.
type trial struct {
	options     Options
	terms       Terms
	ready, done time.Duration // from the beginning
	cancel      time.Duration
	probes      []script // named a, b, c …
}

// play returns the verdict, when it came, and the probes.
func (c trial) play(t *testing.T) (Verdict, time.Duration, []*fakeProbe) {
	t.Helper()
	room := New(c.options)
	began := time.Now()
	var probes []*fakeProbe
	for i, script := range c.probes {
		fake := &fakeProbe{script: script, began: began}
		probes = append(probes, fake)
		room.probes = append(room.probes, probe{string(rune('a' + i)), fake.ask})
	}
	run := &fakeRun{began, make(chan struct{}), make(chan struct{})}
	closeAfter(t, run.ready, c.ready)
	closeAfter(t, run.done, c.done)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	timer := time.AfterFunc(c.cancel, cancel)
	defer timer.Stop()
	verdict := room.Watch(ctx, run, c.terms)
	return verdict, time.Since(began), probes
}

const s = time.Second

func TestWatch(t *testing.T) {
	plain := Options{Period: 10 * s, Interval: 3 * s, Timeout: 2 * s}
	promised := plain
	promised.Ready = true
	for _, test := range []struct {
		name    string
		trial   trial
		outcome Outcome
		at      time.Duration
		why     string
		after   time.Duration // ReadyAfter
	}{
		{"nothing to ask", trial{options: plain, ready: never, done: never},
			Proved, 10 * s, "it has run for 10s", 0},
		{"what a run that goes on has said before", trial{options: promised, ready: 0, done: never, terms: Terms{Since: time.Unix(1, 0), ReadyAfter: s}},
			Proved, 10 * s, "it has run for 10s", s},
		{"a run that goes on is asked as well", trial{options: promised, ready: 0, done: never, terms: Terms{Since: time.Unix(1, 0)},
			probes: []script{always(Bad)}}, Failed, 10 * s, "a: said BAD", 0},
		{"longer period as the last one was slow", trial{options: plain, ready: never, done: never, terms: Terms{ReadyAfter: 5 * s}},
			Proved, 15 * s, "it has run for 15s", 0},
		{"ready alone", trial{options: promised, ready: 4 * s, done: never},
			Proved, 4 * s, "READY=1 came", 4 * s},
		{"ready though not promised", trial{options: plain, ready: 4 * s, done: never},
			Proved, 4 * s, "READY=1 came", 4 * s},
		{"ready promised and not kept", trial{options: promised, ready: never, done: never, probes: []script{always(OK)}},
			Failed, 10 * s, "READY=1 was promised and did not come within 10s", 1},
		{"ready too late", trial{options: promised, ready: 10*s + 1, done: never},
			Failed, 10 * s, "READY=1 was promised and did not come within 10s", 0},
		{"ready at the last moment", trial{options: promised, ready: 10*s - 1, done: never},
			Proved, 10*s - 1, "READY=1 came", 10*s - 1},
		{"OK does not confirm early", trial{options: plain, ready: never, done: never, probes: []script{always(OK)}},
			Proved, 10 * s, "it has run for 10s", 1},
		{"ready and OK since", trial{options: promised, ready: 4 * s, done: never, probes: []script{always(OK)}},
			Proved, 4 * s, "READY=1 came and all probes said OK", 4 * s},
		{"OK only some time after ready", trial{options: promised, ready: 2 * s, done: never, probes: []script{from(7*s, OK), always(OK)}},
			Proved, 8 * s, "READY=1 came and all probes said OK", 2 * s},
		{"OK before ready is asked again", trial{options: promised, ready: 4 * s, done: never, probes: []script{slow(2*s-1, OK)}},
			Proved, 7*s - 2, "READY=1 came and all probes said OK", 4 * s},
		{"BAD fails at the end only", trial{options: plain, ready: never, done: never, probes: []script{from(9*s, OK)}},
			Proved, 10 * s, "it has run for 10s", 9 * s},
		{"BAD at the end", trial{options: promised, ready: s, done: never, probes: []script{always(OK), always(Bad)}},
			Failed, 10 * s, "b: said BAD", 1 * s},
		{"two BAD", trial{options: plain, ready: never, done: never, probes: []script{always(Bad), always(Bad)}},
			Failed, 10 * s, "a: said BAD; b: said BAD", 0},
		{"BAD is asked once more", trial{options: plain, ready: never, done: never, probes: []script{from(10*s, OK)}},
			Proved, 10 * s, "it has run for 10s", 10 * s},
		{"BAD is asked once more, however long the interval", trial{options: Options{Period: 10 * s, Interval: never, Timeout: s}, ready: never, done: never,
			probes: []script{from(10*s, OK)}}, Proved, 10 * s, "it has run for 10s", 10 * s},
		{"OK an interval ago is asked once more", trial{options: Options{Period: 10 * s, Interval: 5 * s, Timeout: s}, ready: never, done: never,
			probes: []script{until(10*s, OK)}}, Failed, 10 * s, "a: said BAD", 1},
		{"the answer under way is waited for", trial{options: plain, ready: never, done: never, probes: []script{slow(1900*time.Millisecond, OK)}},
			Proved, 10900 * time.Millisecond, "it has run for 10s", 1900 * time.Millisecond},
		{"up to the timeout", trial{options: plain, ready: never, done: never, probes: []script{slow(never, OK)}},
			Failed, 11 * s, "a: took too long", 0},
		{"UNKNOWN does not fail", trial{options: plain, ready: never, done: never, probes: []script{always(Unknown)}},
			Proved, 10 * s, "it has run for 10s", 0},
		{"UNKNOWN does not agree", trial{options: promised, ready: s, done: never, probes: []script{always(Unknown), always(OK)}},
			Proved, 10 * s, "it has run for 10s", 1 * s},
		{"exempt does not fail", trial{options: plain, ready: never, done: never, terms: Terms{Exempt: []string{"a"}}, probes: []script{always(Bad), always(OK)}},
			Proved, 10 * s, "it has run for 10s", 1},
		{"exempt does not delay", trial{options: promised, ready: s, done: never, terms: Terms{Exempt: []string{"a"}}, probes: []script{slow(never, OK)}},
			Proved, s, "READY=1 came", s},
		{"exempt is not waited for", trial{options: plain, ready: never, done: never, terms: Terms{Exempt: []string{"a"}}, probes: []script{slow(never, OK)}},
			Proved, 10 * s, "it has run for 10s", 0},
		{"the program ends", trial{options: plain, ready: never, done: 5 * s, probes: []script{always(OK)}},
			Left, 5 * s, "the program has ended", 1},
		{"the program ends at once", trial{options: promised, ready: never, done: 0},
			Left, 0, "the program has ended", 0},
		{"the program ends while the last answer is waited for", trial{options: plain, ready: never, done: 10500 * time.Millisecond, probes: []script{slow(never, OK)}},
			Left, 10500 * time.Millisecond, "the program has ended", 0},
		{"the watching ends", trial{options: plain, ready: never, done: never, cancel: 6 * s, probes: []script{slow(never, OK)}},
			Left, 6 * s, "it is not watched any longer", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if test.trial.cancel == 0 {
					test.trial.cancel = never
				}
				// What was well at once was so after no time: 0 means unknown.
				for i, plays := range test.trial.probes {
					test.trial.probes[i] = func(at time.Duration) (time.Duration, Answer) {
						takes, answer := plays(at)
						if at == 0 {
							takes = max(takes, 1)
						}
						return takes, answer
					}
				}
				verdict, at, probes := test.trial.play(t)
				if verdict.Outcome != test.outcome || verdict.Why != test.why || at != test.at {
					t.Errorf("%s after %s: %s, want %s after %s: %s",
						verdict.Outcome, at, verdict.Why, test.outcome, test.at, test.why)
				}
				if verdict.ReadyAfter != test.after {
					t.Errorf("ready after %s, want %s", verdict.ReadyAfter, test.after)
				}
				mustBeQuiet(t, probes)
			})
		})
	}
}

// mustBeQuiet fails if a probe is asked after the verdict.
func mustBeQuiet(t *testing.T, probes []*fakeProbe) {
	t.Helper()
	var before []int
	for _, probe := range probes {
		before = append(before, len(probe.asked))
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	for i, probe := range probes {
		if len(probe.asked) != before[i] {
			t.Errorf("probe %d was asked after the verdict", i)
		}
	}
}

func TestProbesAreAskedInTheirInterval(t *testing.T) {
	for _, test := range []struct {
		name   string
		ready  time.Duration
		script script
		want   []time.Duration
	}{
		{"quick", never, always(OK), []time.Duration{0, 3 * s, 6 * s, 9 * s}},
		{"at the end too if it does not say OK", never, always(Unknown), []time.Duration{0, 3 * s, 6 * s, 9 * s, 10 * s}},
		{"at READY=1", 4 * s, from(4*s+1, OK), []time.Duration{0, 3 * s, 4 * s, 7 * s}},
		{"slower than the interval", never, slow(4*s, OK), []time.Duration{0, 7 * s}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				options := Options{Period: 10 * s, Interval: 3 * s, Timeout: 5 * s}
				_, _, probes := trial{options: options, ready: test.ready, done: never, cancel: never, probes: []script{test.script}}.play(t)
				if diff := cmp.Diff(test.want, probes[0].asked); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestVerdictKeepsTheLastAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		options := Options{Period: 10 * s, Interval: 3 * s, Timeout: 30 * s}
		verdict, _, _ := trial{options: options, ready: never, done: 5 * s, cancel: never,
			probes: []script{from(3*s, OK), slow(never, OK), always(Unknown)}}.play(t)
		want := []Result{{"a", OK, "said OK"}, {"c", Unknown, "said UNKNOWN"}}
		if diff := cmp.Diff(want, verdict.Results); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWhatDoesNotCountIsWarnedOfOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		options := Options{Period: 10 * s, Interval: s, Timeout: s, Log: slog.New(slog.NewTextHandler(&log, nil))}
		trial{options: options, ready: never, done: never, cancel: never, terms: Terms{Exempt: []string{"a", "d"}},
			probes: []script{always(Bad), always(Unknown), always(OK), from(5*s, OK)}}.play(t)
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], "probe=a") || !strings.Contains(lines[1], "probe=b") {
			t.Errorf("log:\n%s", log.String())
		}
	})
}

// TestVerdictsFollowFromWhatWasSaid plays trials at random and judges them by
// rules that are simpler than the code.
func TestVerdictsFollowFromWhatWasSaid(t *testing.T) {
	for seed := range uint64(2000) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			upTo := func(limit time.Duration) time.Duration { return time.Duration(random.Int64N(int64(limit))) }
			often := func(likely time.Duration) time.Duration {
				if random.IntN(2) == 0 {
					return never
				}
				return upTo(likely)
			}
			c := trial{
				options: Options{Period: upTo(20 * s), Interval: upTo(5*s) + 1, Timeout: upTo(5*s) + 1, Ready: random.IntN(2) == 0},
				ready:   often(20 * s), done: often(60 * s), cancel: often(60 * s),
			}
			for i := range random.IntN(4) {
				if random.IntN(4) == 0 {
					c.terms.Exempt = append(c.terms.Exempt, string(rune('a'+i)))
				}
				answers, takes := []Answer{OK, OK, OK, Bad, Unknown}[random.IntN(4):], upTo(6*s)+1
				own := rand.New(rand.NewPCG(seed, uint64(i)))
				c.probes = append(c.probes, func(time.Duration) (time.Duration, Answer) {
					return time.Duration(own.Int64N(int64(takes))), answers[own.IntN(len(answers))]
				})
			}
			verdict, at, probes := c.play(t)
			if wrong := c.wrong(verdict, at); wrong != "" {
				t.Errorf("seed %d: %s\n%+v\n%+v after %s", seed, wrong, c, verdict, at)
			}
			mustBeQuiet(t, probes)
		})
	}
}

// wrong says what is wrong with a verdict.
func (c trial) wrong(v Verdict, at time.Duration) string {
	counts := slices.DeleteFunc(slices.Clone(v.Results), func(r Result) bool { return slices.Contains(c.terms.Exempt, r.Probe) })
	says := func(answer Answer) bool {
		return slices.ContainsFunc(counts, func(r Result) bool { return r.Answer == answer })
	}
	isReady := c.ready <= at
	isOver := at >= c.options.Period
	switch {
	case at > c.options.Period+c.options.Timeout:
		return "it came too late"
	case at > min(c.done, c.cancel):
		return "it came after the end of the run or of the watching"
	case v.Outcome == Left && at != min(c.done, c.cancel):
		return "nothing has ended"
	case v.Outcome == Left:
		return ""
	case v.Outcome == Failed && !isOver:
		return "it failed before the end"
	case v.Outcome == Failed && !says(Bad) && (!c.options.Ready || isReady):
		return "it failed without a reason"
	case v.Outcome == Proved && c.options.Ready && !isReady:
		return "a promise was not kept"
	case v.Outcome == Proved && says(Bad):
		return "it proved itself against a probe"
	case v.Outcome == Proved && !isOver && !isReady:
		return "it proved itself early, and was not ready"
	case v.Outcome == Proved && !isOver && (says(Unknown) || len(counts) != len(c.probes)-len(c.terms.Exempt)):
		return "it proved itself early, and a probe has not agreed"
	}
	return ""
}
