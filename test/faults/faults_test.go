//go:build linux && amd64

// Package faults answers the system calls of ota with the errors that devices
// have: no space, input/output errors, a read-only file system, too many open
// files; and makes some of them really happen.
//
// In: a folder with an old program and an upload, and which call fails, once or
// from then on. Out: whether ota goes on, says why it does not, and reaches the
// end of the cycle when the cause is gone. Never: a power cut.
package faults

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"ota/test/cycle"
	"ota/test/harness"
	"ota/test/ptrace"
)

// mostFailures spares the deadlines of many points that fail alike.
const mostFailures = 10

var allCalls = flag.Bool("faults.all", false, "let each call fail with each error, once and from then on")

func TestMain(m *testing.M) {
	ptrace.Main()
	// Most of these tests wait for ota to try again, half a minute and more.
	flag.Set("test.parallel", "96")
	harness.Main(m, cycle.Program)
}

// duration is how long calls fail.
type duration string

const (
	once      duration = "once"
	fromThen  duration = "from then on" // until the test ends it
	mostCalls          = 100_000
)

// fault is what is answered to which call.
type fault struct {
	n     int // the call, of those that this kind of fault can happen to
	errno syscall.Errno
	lasts duration
}

func (f fault) String() string {
	return fmt.Sprintf("%d_%s_%s", f.n, errnoNames[f.errno], f.lasts)
}

var errnoNames = map[syscall.Errno]string{
	syscall.ENOSPC: "ENOSPC", syscall.EIO: "EIO", syscall.EROFS: "EROFS", syscall.EMFILE: "EMFILE",
}

// diskErrnos are those of calls that change the disk.
var diskErrnos = []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.EROFS}

// TestFaultAnywhere lets every call of the cycle fail, once and from then on.
func TestFaultAnywhere(t *testing.T) {
	var found findings
	t.Run("all", func(t *testing.T) {
		for _, errno := range append(diskErrnos, syscall.EMFILE) {
			for _, one := range plan(record(t, errno), errno) {
				t.Run(one.String(), func(point *testing.T) {
					point.Parallel()
					if found.failures() >= mostFailures {
						point.Skip("too many other points have failed")
					}
					endure(point, one, &found)
				})
			}
		}
	})
	report := found.String()
	t.Logf("%s:\n%s", report, strings.Join(slices.Sorted(maps.Keys(found.ended)), "\n"))
	fmt.Fprintln(os.Stdout, report)
}

// plan chooses the points: the first call of each kind fails once, with one
// error or the other, and with another one from then on. For want of descriptors it
// fails in one of these two ways.
func plan(calls []ptrace.Call, errno syscall.Errno) []fault {
	var points []fault
	sites := map[string]int{} // in the order in which they come first
	for i, call := range calls {
		site := siteOf(call)
		at, isKnown := sites[site]
		if !isKnown {
			at = len(sites)
			sites[site] = at
		}
		isMeant := func(turn int) bool {
			return *allCalls || !isKnown && (errno == syscall.EMFILE && at%2 == turn || diskErrnos[(at+turn)%len(diskErrnos)] == errno)
		}
		if isMeant(0) {
			points = append(points, fault{i + 1, errno, once})
		}
		if isMeant(1) {
			points = append(points, fault{i + 1, errno, fromThen})
		}
	}
	return points
}

// record lists the calls of an undisturbed cycle to which an error can happen.
func record(t *testing.T, errno syscall.Errno) []ptrace.Call {
	t.Helper()
	var calls []ptrace.Call
	r := newRun(t, fault{n: mostCalls, errno: errno, lasts: once})
	r.answered = func(call ptrace.Call) { calls = append(calls, call) }
	r.throughAll()
	r.end()
	return calls
}

// findings is what all points showed; several goroutines may use it.
type findings struct {
	mu     sync.Mutex
	points map[duration]int
	missed int // the cycle was over before
	failed int
	held   int            // the cycle stood still until somebody did something
	ended  map[string]int // calls that kept ota from beginning, and what it said
}

func (f *findings) add(r *run) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.points == nil {
		f.points, f.ended = map[duration]int{}, map[string]int{}
	}
	if r.t.Failed() {
		f.failed++
	}
	switch {
	case r.first == nil:
		f.missed++
		return
	case r.ends > 0:
		f.ended[fmt.Sprintf("%s, %s: %s", siteOf(*r.first), r.fault.lasts, strings.ReplaceAll(r.lastWord, r.Device.Dir, ""))]++
	}
	f.points[r.fault.lasts]++
	if r.stood {
		f.held++
	}
}

func (f *findings) failures() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

func (f *findings) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	atStart := 0
	for _, count := range f.ended {
		atStart += count
	}
	return fmt.Sprintf("failed at %d calls once and at %d from then on (%d were over before): %d times the cycle stood still and said why, %d times ota could not begin and said why",
		f.points[once], f.points[fromThen], f.missed, f.held, atStart)
}
