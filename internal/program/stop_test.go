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
