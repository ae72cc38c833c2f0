package notify

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// told is what happened, in short: "failed 7<6 why".
func told(happened []Happening) string {
	var words []string
	for _, one := range happened {
		words = append(words, strings.TrimSpace(fmt.Sprintf("%s %d<%d %s", one.Kind, one.Release, one.From, one.Reason)))
	}
	return strings.Join(words, "; ")
}

// look is one look, and what it tells.
type look struct {
	now  Stand
	want string
}

// current is a release that is in main/, as it stands there.
func current(release, turn, before, last int, confirmed bool) Stand {
	return Stand{Release: release, Turn: turn, Before: before, Last: last, Confirmed: confirmed}
}

func (s Stand) failing(release, turn, backTo int) Stand {
	s.Failures = append(s.Failures[:len(s.Failures):len(s.Failures)], Failure{Release: release, Turn: turn, Before: backTo, BackTo: backTo, Why: "boom"})
	return s
}

var sixRuns = current(6, 6, 5, 6, true)

// TestWhatHappened: each happening is told once, in order, however few looks
// there were.
func TestWhatHappened(t *testing.T) {
	looping := sixRuns
	looping.Looping, looping.Crash.How = true, "exit code 1"
	steady := sixRuns
	steady.Steady = true
	stopped := sixRuns
	stopped.Stopped = true
	held := sixRuns
	held.Held, held.Upload = "main.py:1: no", "1 file"
	heldMore := held
	heldMore.Upload = "2 files"
	empty := sixRuns
	empty.Empty = true
	onTrial := current(7, 7, 6, 7, false)
	failedNow := onTrial.failing(7, 7, 6)
	back := current(6, 8, 5, 7, true).failing(7, 7, 6)
	for name, looks := range map[string][]look{
		"the first look only learns": {{back, ""}, {back, ""}},
		"a release proves itself":    {{sixRuns, ""}, {onTrial, ""}, {current(7, 7, 6, 7, true), "confirmed 7<6"}, {current(7, 7, 6, 7, true), ""}},
		"and at once":                {{sixRuns, ""}, {current(7, 7, 6, 7, true), "confirmed 7<6"}},
		"it was on trial at first":   {{onTrial, ""}, {current(7, 7, 6, 7, true), "confirmed 7<6"}},
		"a release fails":            {{sixRuns, ""}, {onTrial, ""}, {failedNow, "failed 7<6 boom"}, {back, "rolled-back 6<7 boom"}, {back, ""}},
		"nobody looked meanwhile":    {{sixRuns, ""}, {back, "failed 7<6 boom; rolled-back 6<7 boom"}, {back, ""}},
		"there is none to go back to": {{current(1, 1, 0, 1, false), ""}, {current(1, 1, 0, 1, false).failing(1, 1, 0), "failed 1<0 boom"},
			{current(1, 1, 0, 1, false).failing(1, 1, 0), ""}},
		"two fail, one after the other": {{sixRuns, ""},
			{current(6, 10, 5, 8, true).failing(8, 9, 6).failing(7, 7, 6), "failed 7<6 boom; failed 8<6 boom; rolled-back 6<8 boom"}},
		"the one gone back to fails too": {{sixRuns, ""}, {back, "failed 7<6 boom; rolled-back 6<7 boom"},
			{current(5, 9, 4, 7, true).failing(7, 7, 6).failing(6, 8, 5), "failed 6<5 boom; rolled-back 5<6 boom"}},
		"somebody goes back":             {{sixRuns, ""}, {current(5, 7, 4, 6, true), "rolled-back 5<6 on request"}},
		"and the old one proves itself":  {{sixRuns, ""}, {current(5, 7, 4, 6, false), "rolled-back 5<6 on request"}, {current(5, 7, 4, 6, true), "confirmed 5<4"}},
		"the history is another one":     {{current(6, 20, 5, 9, true), ""}, {back, ""}, {current(5, 9, 4, 7, true).failing(7, 7, 6), "rolled-back 5<6 on request"}},
		"one loop, one word":             {{sixRuns, ""}, {looping, "crash-looping 6<0 exit code 1"}, {sixRuns, ""}, {looping, ""}, {steady, "recovered 6<0"}, {looping, "crash-looping 6<0 exit code 1"}},
		"who stops it knows":             {{looping, "crash-looping 6<0 exit code 1"}, {stopped, ""}, {steady, ""}},
		"held, looked at again":          {{sixRuns, ""}, {held, "held 0<0 main.py:1: no"}, {sixRuns, ""}, {held, ""}, {heldMore, "held 0<0 main.py:1: no"}},
		"held, mended, held":             {{sixRuns, ""}, {held, "held 0<0 main.py:1: no"}, {empty, ""}, {held, "held 0<0 main.py:1: no"}},
		"held before anybody was to ask": {{held, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			var m mark
			for i, one := range looks {
				if diff := cmp.Diff(one.want, told(m.take(one.now))); diff != "" {
					t.Errorf("look %d (-want +got)\n%s", i, diff)
				}
			}
		})
	}
}
