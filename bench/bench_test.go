//go:build linux

package main

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseStamps(t *testing.T) {
	found, rest, err := parseStamps([]byte("1 40 1000 first\n1 40 2000 tick\n2 41 30"))
	if err != nil {
		t.Fatal(err)
	}
	want := []stamp{{1, 40, 1000, stampFirst}, {1, 40, 2000, stampTick}}
	if diff := cmp.Diff(want, found, cmp.AllowUnexported(stamp{})); diff != "" {
		t.Error(diff)
	}
	if string(rest) != "2 41 30" {
		t.Errorf("rest is %q", rest)
	}
	for _, damaged := range []string{"1 40\n", "1 40 x first\n", "1 40 1000 else\n", "\n"} {
		if _, _, err := parseStamps([]byte(damaged)); err == nil {
			t.Errorf("%q was read", damaged)
		}
	}
}

func TestStampFileGrows(t *testing.T) {
	file := stampFile{path: t.TempDir() + "/stamps"}
	if err := file.read(); err != nil || len(file.seen) != 0 {
		t.Fatalf("a file that is not there yet: %v, %v", file.seen, err)
	}
	for _, text := range []string{"1 40 1000 fi", "1 40 1000 first\n1 40 20", "1 40 1000 first\n1 40 2000 tick\n"} {
		if err := os.WriteFile(file.path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := file.read(); err != nil {
			t.Fatal(err)
		}
	}
	want := []stamp{{1, 40, 1000, stampFirst}, {1, 40, 2000, stampTick}}
	if diff := cmp.Diff(want, file.seen, cmp.AllowUnexported(stamp{})); diff != "" {
		t.Error(diff)
	}
}

// What makes the gap: an old version may be started once more after the upload
// has begun, and stamps of the new one must not count as the old one's.
func TestGapIsBetweenVersions(t *testing.T) {
	all := []stamp{
		{1, 40, 1000, stampFirst}, {1, 40, 5000, stampTick},
		{1, 41, 6000, stampFirst}, {1, 41, 7000, stampTick},
		{2, 42, 9000, stampFirst}, {2, 42, 9500, stampTick},
	}
	first, found := firstOf(all, 2)
	if !found || first.at != 9000 {
		t.Fatalf("first stamp of version 2: %v, %v", first, found)
	}
	last, found := lastBefore(all, first)
	if !found || last.at != 7000 {
		t.Errorf("last stamp of version 1: %v, %v", last, found)
	}
	if _, found := firstOf(all, 3); found {
		t.Error("a version that never was has a stamp")
	}
	if _, found := lastBefore(all[4:], first); found {
		t.Error("a version that never was has a last stamp")
	}
}

func TestCountStarts(t *testing.T) {
	tests := []struct {
		name string
		all  []stampKind
		want started
	}{
		{"none", []stampKind{stampTick}, started{}},
		{"whole", []stampKind{stampFirst, stampWhole, stampTick}, started{all: 1, atRest: 1}},
		{"torn, then whole", []stampKind{stampFirst, stampTorn, stampFirst, stampWhole}, started{all: 2, torn: 1, atRest: 1}},
		{"ends torn", []stampKind{stampFirst, stampWhole, stampFirst, stampTorn}, started{all: 2, torn: 1}},
		{"did not live to look", []stampKind{stampFirst, stampFirst, stampWhole}, started{all: 2, torn: 1, atRest: 1}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var all []stamp
			for _, kind := range test.all {
				all = append(all, stamp{kind: kind})
			}
			if got := countStarts(all); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestSummarize(t *testing.T) {
	tests := []struct {
		samples []float64
		want    summary
	}{
		{[]float64{7}, summary{1, 7, 7, 7, 7}},
		{[]float64{4, 2}, summary{2, 3, 2.2, 3.8, 4}},
		{[]float64{11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, summary{11, 6, 2, 10, 11}},
	}
	for _, test := range tests {
		got := summarize(test.samples)
		close := func(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 }
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(summary{}), cmp.Comparer(close)); diff != "" {
			t.Errorf("%v:\n%s", test.samples, diff)
		}
	}
}

func TestSummarizeCalls(t *testing.T) {
	start := time.Now()
	at := func(milliseconds int, err error) call {
		return call{at: start.Add(time.Duration(milliseconds) * time.Millisecond), answered: err}
	}
	nobody := errors.New("connection refused")
	got := summarizeCalls([]call{at(0, nil), at(8, nil), at(2, nil), at(4, nobody), at(6, nobody), at(10, nil)})
	if want := (calls{failed: 2, longest: 6 * time.Millisecond}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestParseStat(t *testing.T) {
	pid, parent, err := parseStat([]byte("4711 (a) (b 1) S 42 4711 4711 0 -1\n"))
	if err != nil || pid != 4711 || parent != 42 {
		t.Errorf("got %d, %d, %v", pid, parent, err)
	}
	for _, damaged := range []string{"", "4711", "4711 (a", "4711 (a)", "x (a) S 42"} {
		if _, _, err := parseStat([]byte(damaged)); err == nil {
			t.Errorf("%q was read", damaged)
		}
	}
}

func TestParseField(t *testing.T) {
	text := []byte("Name:\tpython3\nVmRSS:\t    5204 kB\nvoluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t7\n")
	for name, want := range map[string]int64{"VmRSS": 5204, "voluntary_ctxt_switches": 12} {
		if got, err := parseField(text, name); err != nil || got != want {
			t.Errorf("%s is %d, %v; want %d", name, got, err, want)
		}
	}
	if _, err := parseField(text, "ctxt_switches"); err == nil {
		t.Error("a field that is not there was found")
	}
}

func TestBelowLeavesOutTheProgram(t *testing.T) {
	parents := map[int]int{1: 0, 10: 1, 11: 10, 12: 10, 13: 12, 14: 1}
	found := below(parents, 10, 12)
	if len(found) != 2 || found[0]+found[1] != 21 {
		t.Errorf("got %v, want 10 and 11", found)
	}
}

func TestMeasureTreeMeasuresThisProcess(t *testing.T) {
	used, err := measureTree(os.Getpid(), -1)
	if err != nil {
		t.Fatal(err)
	}
	if used.processor <= 0 || used.resident < 1<<20 || used.proportional <= 0 || used.wakeups <= 0 {
		t.Errorf("this process used %+v", used)
	}
}

func TestMountIsTheLongestOne(t *testing.T) {
	const mounts = `22 1 254:0 / / rw,relatime - ext4 /dev/root rw
23 22 0:20 / /tmp rw - tmpfs tmpfs rw
24 22 0:21 / /tmpfiles rw - xfs /dev/sdb rw
`
	for dir, want := range map[string]mount{
		"/tmp/x": {"tmpfs", "tmpfs"}, "/tmpfiles": {"xfs", "/dev/sdb"}, "/home": {"ext4", "/dev/root"}, "/tmpo": {"ext4", "/dev/root"},
	} {
		if got := mountOf(mounts, dir); got != want {
			t.Errorf("%s is on %v, want %v", dir, got, want)
		}
	}
}

func TestGoals(t *testing.T) {
	floor, hold, ota := subject{name: floorName}, subject{name: heldName}, subject{name: plainName}
	r := newResults([]subject{floor, hold, ota}, 170*time.Second)
	r.add(floor, latency, 15)
	r.add(floor, gap, 14)
	r.add(hold, latency, 36)
	r.add(hold, gap, 16)
	r.add(ota, latency, 1064)
	r.add(ota, moments, 3)
	r.add(ota, moments, 4)
	r.add(ota, resident, 13)
	r.add(ota, residentUpdated, 13.5)
	r.add(ota, residentViewed, 14.1)
	want := []goal{
		{"gap between the versions at most 1.15 × the floor's", "1.14 ×", met},
		{"ota's own part of the gap at most 2 ms", "2.0 ms", met},
		{"after `.hold` is removed, at most the floor + 20 ms", "floor +21.0 ms", missed},
		{"otherwise at most the quiet period of 1 s + the floor + 50 ms", "1 s + floor +49.0 ms", met},
		{"at most one wakeup a minute with the page on and nobody looking", "4 in 170 s", missed},
		{"at most 14 MB resident with the page on: idle, after an update, a minute after a viewer", "13.0 MB, 13.5 MB, 14.1 MB", missed},
		{"at most 12 MB of binary, stripped, for armv6", "12.5 MB", missed},
	}
	if diff := cmp.Diff(want, r.goals(12_500_000)); diff != "" {
		t.Error(diff)
	}
}

func TestPage(t *testing.T) {
	floor, ota := subject{name: floorName, how: "a | b", delivery: told}, subject{name: plainName}
	r := newResults([]subject{floor, ota}, time.Minute)
	for _, value := range []float64{10, 20, 30} {
		r.add(floor, latency, value)
		r.add(ota, latency, 2*value)
	}
	r.failed(ota)
	var text strings.Builder
	shown := page{Machine: []fact{{"kernel", "Linux"}}, Size: quick, Parts: allParts, Results: r, Costs: costsShown(), Missing: []string{"entr, which is not installed"}}
	if err := writePage(&text, shown); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"* kernel: Linux\n",
		"| floor | `a \\| b` | into `main/`, then told |\n",
		"| floor | 20 (12–28) | 1.00 | – |",
		"| ota | 40 (24–56) | 2.00 | – |",
		"Left out here: entr, which is not installed.\n",
		"ota: 1 update was never seen running.\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, text.String())
		}
	}
}

func TestPausesAddUp(t *testing.T) {
	var sum time.Duration
	for i := range 20 {
		between, after := slowly.pauses(i, 20)
		sum += between + after
	}
	if most := slowUpload + stall; sum > most || sum < most-slowUpload/20 {
		t.Errorf("a slow upload pauses for %s, want about %s", sum, most)
	}
	if between, after := atOnce.pauses(10, 20); between != 0 || after != 0 {
		t.Errorf("one at once pauses for %s and %s", between, after)
	}
}

// The floor must start the program again for each order and take it with it.
func TestFloorRestartsForEachOrder(t *testing.T) {
	starts := t.TempDir() + "/starts"
	orders, give := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- keepOnFloor([]string{"sh", "-c", "echo >>" + starts + "; exec sleep 60"}, orders) }()
	for want := 1; want <= 3; want++ {
		waitForSize(t, starts, int64(want))
		if want == 3 {
			break
		}
		if _, err := give.Write([]byte{'\n'}); err != nil {
			t.Fatal(err)
		}
	}
	if err := give.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the floor did not end with its orders")
	}
}

func waitForSize(t *testing.T, path string, size int64) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		if info, err := os.Stat(path); err == nil && info.Size() == size {
			return
		}
		if err := wait(t.Context(), time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("%s never had %d bytes", path, size)
}
