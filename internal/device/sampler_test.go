package device

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// gauge is a program that uses a tenth of a processor, until it is told
// otherwise.
type gauge struct {
	mu     sync.Mutex
	start  time.Time
	share  float64
	off    bool
	looked int
}

func (g *gauge) meter() (int64, time.Duration, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.looked++
	if g.off {
		return 0, 0, false
	}
	return 1 << 20, time.Duration(float64(time.Since(g.start)) * g.share), true
}

func (g *gauge) set(off bool, share float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.off, g.share, g.start = off, share, time.Now()
}

func (g *gauge) looks() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.looked
}

func running(t *testing.T, g *gauge) *Sampler {
	g.start = time.Now()
	s := NewSampler(g.meter)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
	return s
}

func TestOneSampleAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gauge{share: 0.1}
		s := running(t, g)
		begin := time.Now()
		time.Sleep(90*time.Minute + time.Second)
		synctest.Wait()
		if g.looks() != 91 {
			t.Errorf("%d looks in 90 minutes", g.looks())
		}
		samples := s.Samples()
		if len(samples) != 60 {
			t.Fatalf("%d samples", len(samples))
		}
		for i, one := range samples {
			if want := begin.Add(time.Duration(31+i) * time.Minute); !one.At.Equal(want) {
				t.Errorf("sample %d is of %v, want %v", i, one.At, want)
			}
			if one.CPU == nil || *one.CPU < 9.99 || *one.CPU > 10.01 || one.Memory == nil || *one.Memory != 1<<20 {
				t.Errorf("sample %d: %+v", i, one)
			}
		}
	})
}

// Who looks in between sees what is used since he last looked, and leaves the
// samples as they are.
func TestNowIsOfTheLastSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gauge{share: 0.1}
		s := running(t, g)
		time.Sleep(30 * time.Second)
		before := g.looks()
		for range 10 {
			s.Now()
		}
		if g.looks() != before+1 {
			t.Errorf("%d looks within a second", g.looks()-before)
		}
		g.mu.Lock()
		g.share, g.start = 0.4, time.Now().Add(-7500*time.Millisecond) // 3 s so far, as before
		g.mu.Unlock()
		time.Sleep(2 * time.Second)
		if got := s.Now(); got.CPU == nil || *got.CPU < 39.9 || *got.CPU > 40.1 {
			t.Errorf("%+v", *got.CPU)
		}
		if got := s.Spent(); got < 3700*time.Millisecond || got > 3900*time.Millisecond {
			t.Errorf("spent %v", got)
		}
		time.Sleep(28 * time.Second)
		synctest.Wait()
		samples := s.Samples()
		if len(samples) != 1 {
			t.Fatalf("%d samples", len(samples))
		}
		if got := *samples[0].CPU; got < 24.9 || got > 25.1 { // 15 s of 60 s
			t.Errorf("the sample: %v %%", got)
		}
	})
}

func TestNothingRunsForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gauge{share: 0.1}
		s := running(t, g)
		time.Sleep(61 * time.Second)
		g.set(true, 0)
		time.Sleep(time.Minute)
		g.set(false, 0.1)
		time.Sleep(time.Minute)
		// The next program has used less than the one before.
		g.set(false, 0.01)
		time.Sleep(time.Minute)
		synctest.Wait()
		samples := s.Samples()
		if len(samples) != 4 {
			t.Fatalf("%d samples", len(samples))
		}
		if samples[1].Memory != nil || samples[1].CPU != nil {
			t.Errorf("without a program: %+v", samples[1])
		}
		for _, one := range samples {
			if one.CPU != nil && *one.CPU < 0 {
				t.Errorf("%v %%", *one.CPU)
			}
		}
	})
}

func TestSamplerThatDoesNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gauge{start: time.Now(), share: 0.5}
		s := NewSampler(g.meter)
		if first := s.Now(); first.Memory == nil || first.CPU != nil {
			t.Errorf("the first look: %+v", first)
		}
		time.Sleep(10 * time.Second)
		if got := s.Now(); got.CPU == nil || *got.CPU < 49.9 || *got.CPU > 50.1 {
			t.Errorf("%+v", got)
		}
		if len(s.Samples()) != 0 {
			t.Error("there are samples")
		}
	})
}
