//go:build linux

package power

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"ota/test/harness"
)

// mostStates bounds the search for states in which missing syncs are seen.
const mostStates = 400

// patience is how long ota may take on a disk on which it may never come to
// rest.
const patience = 5 * time.Second

// TestMissingSyncsAreSeen records a cycle of an ota whose syncs do nothing. If
// all promises were kept on its disks too, TestPowerCut would prove nothing.
func TestMissingSyncsAreSeen(t *testing.T) {
	system := fileSystems[0]
	system.need(t)
	random := source(t)
	forgetful := filepath.Join(t.TempDir(), "ota-nosync")
	if err := harness.BuildTagged(t.Context(), forgetful, "ota_nosync"); err != nil {
		t.Fatal(err)
	}
	r := recorded(t, system, forgetful)
	unseen := []string{lost, mixture}
	for i := range mostStates {
		state := r.state(random, entryAt(r.busy(), random.Float64()))
		broken := watched(t, patience, func(t testing.TB) {
			r.recover(t, harness.Binary(), filepath.Join(place, "missing"), state)
		})
		unseen = slices.DeleteFunc(unseen, func(complaint string) bool {
			seen := strings.Contains(broken, complaint)
			if seen {
				t.Logf("state %d, %v:\n%s", i+1, state, broken)
			}
			return seen
		})
		if len(unseen) == 0 {
			report := fmt.Sprintf("%s: an ota without syncs breaks its promises within %d states", system.name, i+1)
			t.Log(report)
			fmt.Fprintln(os.Stdout, report)
			return
		}
	}
	t.Fatalf("on %d disks of an ota without syncs nobody saw that something %q", mostStates, unseen)
}

// watcher is a test whose failures are noted and are no failures of the test
// that it belongs to. One goroutine uses it.
type watcher struct {
	testing.TB
	ctx      context.Context
	cleanups []func()
	failures string
}

// watched runs a test, for no longer than a time, and returns what it complained
// about.
func watched(t testing.TB, length time.Duration, test func(testing.TB)) string {
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	w := &watcher{TB: t, ctx: ctx}
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

func (w *watcher) Context() context.Context  { return w.ctx }
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
