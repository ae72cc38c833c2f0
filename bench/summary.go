//go:build linux

package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// measure is one thing that is measured of every subject, with its unit.
type measure string

const (
	latency      measure = "last byte to first line, ms"
	gap          measure = "last line to first line, ms"
	refused      measure = "calls without an answer"
	outage       measure = "longest time without an answer, ms"
	starts       measure = "starts"
	tornStarts   measure = "starts on a part"
	endings      measure = "ends with the whole upload running"
	processor    measure = "processor, ms a minute"
	wakeups      measure = "threads woken a minute"
	awake        measure = "looks a minute at which it had run"
	moments      measure = "moments at which it woke up"
	resident     measure = "resident, MB"
	proportional measure = "proportional, MB"

	residentUpdated measure = "resident after an update, MB"
	residentViewed  measure = "resident after a viewer, MB"
)

// results holds every figure of every subject.
type results struct {
	subjects []subject
	samples  map[string]map[measure][]float64
	failures map[string]int // updates that never came
	idle     time.Duration  // for which ota was watched
}

func newResults(subjects []subject, idle time.Duration) *results {
	r := &results{
		subjects: subjects, idle: idle,
		samples: make(map[string]map[measure][]float64), failures: make(map[string]int),
	}
	for _, one := range subjects {
		r.samples[one.name] = make(map[measure][]float64)
	}
	return r
}

func (r *results) add(s subject, m measure, value float64) {
	r.samples[s.name][m] = append(r.samples[s.name][m], value)
}

func (r *results) failed(s subject) { r.failures[s.name]++ }

// of summarizes what was measured; false if nothing was.
func (r *results) of(name string, m measure) (summary, bool) {
	samples := r.samples[name][m]
	if len(samples) == 0 {
		return summary{}, false
	}
	return summarize(samples), true
}

// summary is some figures in three.
type summary struct {
	count             int
	median, low, high float64 // low and high are the 10th and 90th percentile
	most              float64
}

func summarize(samples []float64) summary {
	sorted := slices.Sorted(slices.Values(samples))
	return summary{
		count: len(sorted), median: quantile(sorted, 0.5),
		low: quantile(sorted, 0.1), high: quantile(sorted, 0.9),
		most: sorted[len(sorted)-1],
	}
}

// quantile interpolates between the two nearest of sorted, which is not empty.
func quantile(sorted []float64, q float64) float64 {
	place := q * float64(len(sorted)-1)
	below := int(math.Floor(place))
	above := min(below+1, len(sorted)-1)
	return sorted[below] + (place-float64(below))*(sorted[above]-sorted[below])
}

// goal is one thing that ota promises of itself, and how far it kept it.
type goal struct {
	Text, Measured string
	Verdict        verdict
}

// verdict says whether a goal was reached.
type verdict string

const (
	met    verdict = "met"
	missed verdict = "**missed**"
)

func judge(reached bool) verdict {
	if reached {
		return met
	}
	return missed
}

const (
	gapFactor    = 1.15 // of the floor's gap
	ownPart      = 2.0  // ms of the gap beyond the floor's
	heldLatency  = 20.0 // ms beyond the floor's
	plainLatency = 50.0 // ms beyond the floor's and the quiet period
	residentMost = 14.0 // MB
	binaryMost   = 12.0 // MB, for armv6, stripped
)

// goals judges what was measured; what was not has no line.
func (r *results) goals(armBinary int64) []goal {
	var all []goal
	add := func(reached bool, text, measured string, values ...any) {
		all = append(all, goal{Text: text, Measured: fmt.Sprintf(measured, values...), Verdict: judge(reached)})
	}
	floorGap, _ := r.of(floorName, gap)
	floorLatency, _ := r.of(floorName, latency)
	if own, measured := r.of(heldName, gap); measured {
		add(own.median <= gapFactor*floorGap.median,
			fmt.Sprintf("gap between the versions at most %.2f × the floor's", gapFactor),
			"%.2f ×", own.median/floorGap.median)
		add(own.median-floorGap.median <= ownPart,
			fmt.Sprintf("ota's own part of the gap at most %.0f ms", ownPart),
			"%.1f ms", own.median-floorGap.median)
	}
	if own, measured := r.of(heldName, latency); measured {
		add(own.median-floorLatency.median <= heldLatency,
			fmt.Sprintf("after `.hold` is removed, at most the floor + %.0f ms", heldLatency),
			"floor %+.1f ms", own.median-floorLatency.median)
	}
	if own, measured := r.of(plainName, latency); measured {
		quiet := float64(commonQuiet / time.Millisecond)
		add(own.median-floorLatency.median-quiet <= plainLatency,
			fmt.Sprintf("otherwise at most the quiet period of %s + the floor + %.0f ms", seconds(commonQuiet), plainLatency),
			"%s + floor %+.1f ms", seconds(commonQuiet), own.median-floorLatency.median-quiet)
	}
	if own, measured := r.of(plainName, moments); measured {
		// A time has one more beginning of a minute in it than minutes.
		add(own.most <= float64(r.idle/time.Minute+1), "at most one wakeup a minute with the page on and nobody looking",
			"%.0f in %s", own.most, seconds(r.idle))
	}
	if own, measured := r.of(plainName, resident); measured {
		updated, _ := r.of(plainName, residentUpdated)
		viewed, _ := r.of(plainName, residentViewed)
		add(max(own.most, updated.most, viewed.most) <= residentMost,
			fmt.Sprintf("at most %.0f MB resident with the page on: idle, after an update, a minute after a viewer", residentMost),
			"%.1f MB, %.1f MB, %.1f MB", own.most, updated.most, viewed.most)
	}
	if armBinary > 0 {
		size := float64(armBinary) / 1e6
		add(size <= binaryMost, fmt.Sprintf("at most %.0f MB of binary, stripped, for armv6", binaryMost), "%.1f MB", size)
	}
	return all
}
