package agent

import (
	"log/slog"
	"testing"
)

// TestWhatTheNetworkCallsIt: who watches hears of a name, and that there is none
// any more; not of the same one again.
func TestWhatTheNetworkCallsIt(t *testing.T) {
	a := &agent{log: slog.New(slog.DiscardHandler)}
	for _, step := range []struct {
		name  string
		rings bool
	}{{"", false}, {"garden", true}, {"garden", false}, {"garden-2", true}, {"", true}, {"", false}} {
		heard := a.Changed()
		a.called(step.name)
		rings := false
		select {
		case <-heard:
			rings = true
		default:
		}
		if rings != step.rings {
			t.Errorf("called %q: it rings: %v", step.name, rings)
		}
		if now := a.announced.Load(); (now != nil) != (step.name != "") {
			t.Errorf("called %q: it is announced: %v", step.name, now != nil)
		}
	}
}
