package page

import (
	"fmt"
	"strings"
	"time"

	"ota/internal/api"
)

// A curve shows the last hour on a plane of 100 by 32; what is shown stretches
// it.
const (
	curveWidth  = 100.0
	curveHeight = 32.0
	curveSpan   = time.Hour
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
	}), 1e6, func(value float64) string { return size(int64(value)) })
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
	low, high, known := bounds(samples)
	about := "not known yet"
	if known {
		about = words(low) + " to " + words(high) + " in the last hour"
	}
	line, area := curve(samples, 1.1*max(high, least))
	return el("div", class("tile"),
		el("p", class("tile-name"), text(name)),
		el("p", class("tile-value"), text(now)),
		el("svg", class("curve"), attr("viewBox", "0 0 100 32"), attr("preserveAspectRatio", "none"), attr("aria-hidden", "true"),
			el("path", class("curve-area"), attr("d", area)),
			el("path", class("curve-line"), attr("d", line)),
		),
		el("p", class("muted small"), text(about)),
	)
}

func bounds(samples []sample) (low, high float64, known bool) {
	for _, s := range samples {
		switch {
		case s.value == nil:
		case !known:
			low, high, known = *s.value, *s.value, true
		default:
			low, high = min(low, *s.value), max(high, *s.value)
		}
	}
	return low, high, known
}

// curve draws the samples of the last hour, the newest at the right edge, and
// the area below them.
func curve(samples []sample, top float64) (line, area string) {
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
		x := curveWidth * (1 - float64(newest.Sub(s.at))/float64(curveSpan))
		if s.value == nil || x < 0 || x > curveWidth {
			end()
			continue
		}
		at := number(x)
		point := at + " " + number(curveHeight-curveHeight*min(*s.value/top, 1))
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
