//go:build linux

package power

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"ota/test/harness"
)

// mostStates bounds the search for a state in which a missing sync is seen; most
// states are such ones.
const mostStates = 200

// TestMissingSyncIsSeen records a cycle of an ota whose syncs do nothing. If
// all promises were kept on its disks too, TestPowerCut would prove nothing.
func TestMissingSyncIsSeen(t *testing.T) {
	system := fileSystems[0]
	system.need(t)
	random := source(t)
	forgetful := filepath.Join(t.TempDir(), "ota-nosync")
	if err := harness.BuildTagged(t.Context(), forgetful, "ota_nosync"); err != nil {
		t.Fatal(err)
	}
	r := recorded(t, system, forgetful)
	for i := range mostStates {
		state := r.state(random, entryAt(r.busy(), random.Float64()))
		broken := watched(t, func(t testing.TB) {
			r.recover(t, harness.Binary(), filepath.Join(place, "missing"), state)
		})
		if broken != "" {
			report := fmt.Sprintf("%s: without its syncs ota breaks a promise in state %d", system.name, i+1)
			t.Logf("%s:\n%s", report, broken)
			fmt.Fprintln(os.Stdout, report)
			return
		}
	}
	t.Fatalf("%d disks of an ota without syncs were all recovered from", mostStates)
}

// watcher is a test whose failures are noted and are no failures of the test
// that it belongs to. One goroutine uses it.
type watcher struct {
	testing.TB
	cleanups []func()
	failures string
}

// watched runs a test and returns what it complained about.
func watched(t testing.TB, test func(testing.TB)) string {
	w := &watcher{TB: t}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer w.cleanUp()
		test(w)
	}()
	<-ended
	return w.failures
}

func (w *watcher) cleanUp() {
	for len(w.cleanups) > 0 {
		last := len(w.cleanups) - 1
		cleanup := w.cleanups[last]
		w.cleanups = w.cleanups[:last]
		cleanup()
	}
}

func (w *watcher) Cleanup(f func())          { w.cleanups = append(w.cleanups, f) }
func (w *watcher) Failed() bool              { return w.failures != "" }
func (w *watcher) Log(...any)                {}
func (w *watcher) Logf(string, ...any)       {}
func (w *watcher) Error(args ...any)         { w.failures += fmt.Sprintln(args...) }
func (w *watcher) Errorf(f string, a ...any) { w.failures += fmt.Sprintf(f, a...) + "\n" }

func (w *watcher) Fatal(args ...any) {
	w.Error(args...)
	runtime.Goexit()
}

func (w *watcher) Fatalf(format string, args ...any) {
	w.Errorf(format, args...)
	runtime.Goexit()
}
