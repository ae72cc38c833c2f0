//go:build linux

package main

import "fmt"

// costs is what was found out about ota beside its peers.
type costs struct {
	scaled  map[place][]float64 // what a switch takes
	noCalls string              // why there are no system calls; "": there are
	written []written           // what a device writes
	noDisk  string              // why there is nothing of that
	stored  stored

	starts        map[startPlace][]float64 // ms between two versions
	heavy         string                   // the large import
	checks        checks
	environments  environments
	noEnvironment string // why there are none
}

func newCosts() *costs {
	return &costs{scaled: map[place][]float64{}, starts: map[startPlace][]float64{}, checks: newChecks()}
}

const (
	scaleFactor = 1.25     // of what a switch takes in a small main/, in a large one
	scaleSlack  = 1.0      // ms beyond that, which is what two runs differ by anyway
	writeFactor = 2        // of the changed bytes: one copy in the store, one in main/
	writeExtra  = 64 << 10 // bytes, for all else
)

// goals judges what was measured; what was not has no line.
func (c *costs) goals() []goal {
	var all []goal
	for _, one := range []struct {
		what string
		of   func(changed, files int) (summary, bool)
	}{
		{"ota's own part of the gap", func(changed, files int) (summary, bool) { return c.beyondFloor(updating, changed, files) }},
		{"preparing", func(changed, files int) (summary, bool) {
			return c.of(place{subject: heldName, deed: updating, changed: changed, files: files}, preparing)
		}},
	} {
		for _, changed := range changedFiles {
			small, measured := one.of(changed, allFiles[0])
			large, too := one.of(changed, allFiles[1])
			if !measured || !too {
				continue
			}
			all = append(all, goal{
				Text: fmt.Sprintf("%s for %s in a `main/` of %s: at most %.2f × that in one of %s, + %.0f ms",
					one.what, filesText(changed), thousands(allFiles[1]), scaleFactor, thousands(allFiles[0]), scaleSlack),
				Measured: fmt.Sprintf("%.1f ms, %.1f ms", large.median, small.median),
				Verdict:  judge(large.median <= scaleFactor*max(small.median, 0)+scaleSlack),
			})
		}
	}
	for _, one := range c.written {
		own, most := one.own[journaled].bytes, writeFactor*one.change.bytes()+writeExtra
		all = append(all, goal{
			Text:     fmt.Sprintf("bytes on the device for %s, beyond the upload: at most %d × B + 64 KiB", one.change.name, writeFactor),
			Measured: fmt.Sprintf("%s KiB of %s", kib(own), kib(most)),
			Verdict:  judge(own <= most),
		})
	}
	return append(all, c.startGoals()...)
}
