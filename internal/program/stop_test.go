package program

import (
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLadder(t *testing.T) {
	const hour = time.Hour // more nanoseconds than a small int holds
	for _, test := range []struct {
		name        string
		steps, want []Step
	}{
		{"default", nil, []Step{{syscall.SIGINT, 0}, {syscall.SIGTERM, 5 * time.Second}, {syscall.SIGKILL, 10 * time.Second}}},
		{"in order of time", []Step{{syscall.SIGKILL, 2 * hour}, {syscall.SIGTERM, hour}, {syscall.SIGINT, 0}},
			[]Step{{syscall.SIGINT, 0}, {syscall.SIGTERM, hour}, {syscall.SIGKILL, 2 * hour}}},
		{"without a kill", []Step{{syscall.SIGTERM, time.Second}},
			[]Step{{syscall.SIGTERM, time.Second}, {syscall.SIGKILL, 6 * time.Second}}},
		{"kill alone", []Step{{syscall.SIGKILL, 0}}, []Step{{syscall.SIGKILL, 0}}},
	} {
		if diff := cmp.Diff(test.want, ladder(test.steps)); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

func TestStepsOfASpecComeFirst(t *testing.T) {
	room := New(Options{StopSignals: []Step{{Signal: syscall.SIGTERM}}})
	for _, test := range []struct {
		spec Spec
		want syscall.Signal
	}{
		{Spec{}, syscall.SIGTERM},
		{Spec{Stop: []Step{{Signal: syscall.SIGHUP}}}, syscall.SIGHUP},
	} {
		if got := room.stepsOf(test.spec); got[0].Signal != test.want || got[len(got)-1].Signal != syscall.SIGKILL {
			t.Errorf("%v", got)
		}
	}
}
