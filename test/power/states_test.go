//go:build linux

package power

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"ota/test/power/writelog"
)

// manner is how a disk loses what no flush has made certain.
type manner string

const (
	atFlush manner = "flush"  // it had just flushed
	nothing manner = "prefix" // it loses nothing
	some    manner = "subset" // it loses some blocks, whichever
)

// state is a disk after a power cut.
type state struct {
	at     int // so many entries had been written
	manner manner
	kept   float64 // the chance of each block that may be lost
	seed   uint64  // of which blocks
}

func (s state) String() string { return fmt.Sprintf("%d_%s_%.1f_%d", s.at, s.manner, s.kept, s.seed) }

// choose picks states: half of them spread over all of the recording, half of
// them over the times in which ota was at work.
func (r *recording) choose(random *rand.Rand, count int) []state {
	all, busy := r.all(), r.busy()
	states := make([]state, count)
	for i := range states {
		spans := all
		if i%2 == 1 {
			spans = busy
		}
		share := (float64(i/2) + random.Float64()) / float64((count+1)/2)
		states[i] = r.state(random, entryAt(spans, share))
	}
	return states
}

// state picks how the disk looks when so many entries have been written.
func (r *recording) state(random *rand.Rand, at int) state {
	one := state{at: at, manner: some, seed: random.Uint64()}
	switch random.IntN(6) {
	case 0:
		one.manner, one.at = atFlush, r.log.Certain(at)
	case 1:
		one.manner = nothing
	default:
		one.kept = []float64{0.1, 0.5, 0.9}[random.IntN(3)]
	}
	return one
}

// span is a time of the recording, in entries.
type span struct{ from, to int }

// all is the whole recording but for the time in which a bad release waits for
// its next start and nothing happens.
func (r *recording) all() []span {
	return r.between([]occasion{startedAgain}, []occasion{failedOnce})
}

// busy lists the times from an upload's completion until it was acknowledged
// what became of it, and a while after.
func (r *recording) busy() []span {
	return r.between([]occasion{complete, startedAgain}, []occasion{over, failedOnce})
}

// between lists the times that begin with the recording or on one of some
// occasions, and end on one of others or with the recording.
func (r *recording) between(beginnings, ends []occasion) []span {
	spans := []span{{}}
	for _, event := range r.events {
		last := &spans[len(spans)-1]
		switch {
		case slices.Contains(beginnings, event.occasion):
			spans = append(spans, span{from: event.entries, to: event.entries})
		case slices.Contains(ends, event.occasion):
			last.to = event.entries
		}
	}
	spans[len(spans)-1].to = r.events[len(r.events)-1].entries
	return spans
}

// entryAt finds the place that a share of all spans together leads to.
func entryAt(spans []span, share float64) int {
	total := 0
	for _, span := range spans {
		total += span.to - span.from
	}
	left := int(share * float64(total))
	for _, span := range spans {
		if left <= span.to-span.from {
			return span.from + left
		}
		left -= span.to - span.from
	}
	return spans[len(spans)-1].to
}

// build makes the disk of a state.
func (r *recording) build(t testing.TB, image string, state state) {
	t.Helper()
	file, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.Truncate(r.system.megs << 20); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(state.seed, 0))
	reached := func() bool { return state.manner != some || random.Float64() < state.kept }
	for _, writes := range [][]writelog.Write{r.before, r.log.Cut(state.at, reached)} {
		if err := writelog.Apply(file, writes); err != nil {
			t.Fatal(err)
		}
	}
}
