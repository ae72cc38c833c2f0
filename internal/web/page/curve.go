package page

import (
	"fmt"
	"strings"
	"time"

	"ota/internal/api"
	"ota/internal/kit/amount"
)

// A curve stands on a plane of 100 by 32; what is shown stretches it. It grows
// until it shows an hour, and there is none before it has a minute.
const (
	curveWidth    = 100.0
	curveHeight   = 32.0
	shortestCurve = time.Minute
	shortestPlane = 10 * time.Minute
	longestPlane  = time.Hour
)

// sample is a point of a curve. A gap stands where nothing was measured.
type sample struct {
	at    time.Time
	value *float64
}

func memoryTile(device api.Device) part {
	return tile("Memory", samplesOf(device, func(usage api.Usage) *float64 {
		if usage.Memory == nil {
			return nil
		}
		return new(float64(*usage.Memory))
	}), 1e6, func(value float64) string { return amount.Size(int64(value)) })
}

func processorTile(device api.Device) part {
	return tile("Processor", samplesOf(device, func(usage api.Usage) *float64 { return usage.CPU }), 5,
		func(value float64) string { return fmt.Sprintf("%.1f %%", value) })
}

func samplesOf(device api.Device, value func(api.Usage) *float64) []sample {
	samples := make([]sample, 0, len(device.Samples)+1)
	for _, usage := range device.Samples {
		samples = append(samples, sample{usage.At, value(usage)})
	}
	return append(samples, sample{device.Usage.At, value(device.Usage)})
}

// tile is what is used now, as a number, and its last hour. The plane is at
// least as high as least: noise is not made to look like a mountain.
func tile(name string, samples []sample, least float64, words func(float64) string) part {
	now := "–"
	if last := samples[len(samples)-1]; last.value != nil {
		now = words(*last.value)
	}
	low, high, length := bounds(samples)
	if length < shortestCurve {
		return el("div", class("tile"),
			el("p", class("tile-name"), text(name)),
			el("p", class("tile-value"), text(now)),
			el("p", class("muted small"), text("The curve begins in a minute or two.")),
		)
	}
	about := words(low)
	if about != words(high) {
		about += " to " + words(high)
	}
	top := 1.1 * max(high, least)
	line, area := curve(samples, top, min(max(length, shortestPlane), longestPlane))
	return el("div", class("tile"),
		el("p", class("tile-name"), text(name)),
		el("p", class("tile-value"), text(now)),
		el("svg", class("curve"), attr("viewBox", "0 0 100 32"), attr("preserveAspectRatio", "none"), attr("aria-hidden", "true"),
			el("path", class("curve-area"), attr("d", area)),
			el("path", class("curve-line"), attr("d", line)),
			el("path", class("curve-now"), attr("d", spot(samples[len(samples)-1].value, top))),
		),
		el("p", class("muted small"), text(about+" in the last "+spanWords(length))),
	)
}

// bounds are the least and the most, and for how long there are samples.
func bounds(samples []sample) (low, high float64, length time.Duration) {
	var known []sample
	for _, s := range samples {
		if s.value == nil {
			continue
		}
		if len(known) == 0 {
			low, high = *s.value, *s.value
		}
		low, high = min(low, *s.value), max(high, *s.value)
		known = append(known, s)
	}
	if len(known) > 0 {
		length = samples[len(samples)-1].at.Sub(known[0].at)
	}
	return low, high, length
}

// spanWords take what is nearly an hour for one.
func spanWords(length time.Duration) string {
	minutes := int(length / time.Minute)
	if minutes >= 55 {
		return "hour"
	}
	return amount.Count(minutes, "minute", "minutes")
}

// spot marks where the curve is now.
func spot(value *float64, top float64) string {
	if value == nil {
		return ""
	}
	return "M100 " + height(*value, top) + "h0"
}

func height(value, top float64) string {
	return number(curveHeight - curveHeight*min(value/top, 1))
}

// curve draws the samples of a time, the newest at the right edge, and the area
// below them.
func curve(samples []sample, top float64, span time.Duration) (line, area string) {
	newest := samples[len(samples)-1].at
	var drawn, below strings.Builder
	open, last := false, ""
	end := func() {
		if open {
			below.WriteString("V32z") // down to the ground and back to where it began
		}
		open = false
	}
	for _, s := range samples {
		x := curveWidth * (1 - float64(newest.Sub(s.at))/float64(span))
		if s.value == nil || x < 0 || x > curveWidth {
			end()
			continue
		}
		at := number(x)
		point := at + " " + height(*s.value, top)
		if !open {
			fmt.Fprintf(&drawn, "M%s", point)
			fmt.Fprintf(&below, "M%s 32L%s", at, point)
		} else if at != last {
			fmt.Fprintf(&drawn, "L%s", point)
			fmt.Fprintf(&below, "L%s", point)
		}
		open, last = true, at
	}
	end()
	return drawn.String(), below.String()
}
