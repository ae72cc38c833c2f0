//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// costsShown are made up: ota takes twice as long for 20 files in the large
// main/, and as long for one.
func costsShown() *costs {
	c := newCosts()
	for i, files := range allFiles {
		for _, changed := range []int{1, 20} {
			at := place{subject: floorName, deed: updating, changed: changed, files: files}
			c.note(at, gap, 10)
			at.subject = heldName
			c.note(at, gap, 12)
			c.note(at, preparing, 20+float64(20*i*(changed/20)))
			c.note(at, callsMade, 800)
		}
	}
	c.written = []written{{
		change: change{name: "2 files", files: []string{"a", "b"}, size: 5000},
		upload: traffic{bytes: 1 << 12}, floor: traffic{bytes: 40 << 10}, copied: traffic{bytes: 1 << 20},
		own:      map[journaling]traffic{journaled: {bytes: 80 << 10, flushes: 7}, unjournaled: {bytes: 60 << 10}},
		back:     map[journaling]traffic{journaled: {bytes: 100 << 10, flushes: 8}, unjournaled: {bytes: 50 << 10}},
		backward: traffic{bytes: 40 << 10},
	}}
	c.stored = stored{
		releases: 100, kept: 10, changed: 400_000,
		shares: map[share]taken{contents: {files: 400, folders: 2, bytes: 800_000, blocks: 1 << 20}, spare: {files: 1, bytes: 1 << 18, blocks: 1 << 18}},
	}
	return c
}

func TestCostsOnThePage(t *testing.T) {
	var text strings.Builder
	shown := page{Size: quick, Parts: []part{partScale, partDisk, partStore}, Results: newResults(nil, 0), Costs: costsShown()}
	if err := writePage(&text, shown); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| 20 files | gap beyond the floor's, ms | 2 | 2 | 1.00 |\n",
		"| 20 files | preparing, ms | 20 | 40 | 2.00 |\n",
		"| 1 file | system calls | 800 | 800 | 1.00 |\n",
		"| 2 files | 9.8 | 16 | 4 | 40 | 1024 | 80 | 2.00 | 60 | 8.19 | 5.00 | 7 |\n",
		"| 2 files | 40 | 100 | 2.50 | 50 | 6.25 | 8 |\n",
		"| all of `.ota` | 401 | 2 | 1037 | 1280 | 2.66 |\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, text.String())
		}
	}
	for _, unwanted := range []string{"Who is compared", "Left out", "left out"} {
		if strings.Contains(text.String(), unwanted) {
			t.Errorf("the page has %q", unwanted)
		}
	}
}

func TestThePageSaysWhyFiguresAreMissing(t *testing.T) {
	missing := newCosts()
	missing.noCalls, missing.noDisk = "strace is not installed", "there are no loop devices"
	var text strings.Builder
	if err := writePage(&text, page{Parts: []part{partScale, partDisk}, Results: newResults(nil, 0), Costs: missing}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"System calls are left out here: strace is not installed.\n", "\nLeft out here: there are no loop devices.\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, text.String())
		}
	}
}

func TestGoalsOfCosts(t *testing.T) {
	var verdicts []verdict
	for _, one := range costsShown().goals() {
		verdicts = append(verdicts, one.Verdict)
	}
	// The gaps, preparing 1 and 20 files, and the bytes: 80 KiB of 20,000 B + 64 KiB.
	if diff := cmp.Diff([]verdict{met, met, met, missed, met}, verdicts); diff != "" {
		t.Error(diff)
	}
}

func TestParseDeviceStat(t *testing.T) {
	const text = "  184414     6745  1570337   260517    65368   165201  1761364   236715        0   168096   546117        0        0        0        0    19180    48884\n"
	if got, err := parseDeviceStat(text); err != nil || got != (traffic{1761364 * 512, 19180}) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := parseDeviceStat("1 2 3 4 5 6 7 8 9 10 11"); err != nil || got != (traffic{7 * 512, 0}) {
		t.Errorf("an old kernel's: %+v, %v", got, err)
	}
	for _, damaged := range []string{"", "1 2 3", "1 2 3 4 5 6 x"} {
		if _, err := parseDeviceStat(damaged); err == nil {
			t.Errorf("%q was read", damaged)
		}
	}
}

func TestParseTrace(t *testing.T) {
	const thread = `openat(AT_FDCWD, "/d/a(1) = 7"..., O_RDONLY) = 3
write(3, ""..., 2000)                   = 2000
write(3, ""..., 2000)                   = -1 EAGAIN (Resource temporarily unavailable)
epoll_pwait(4, [], 128, 0, NULL, 0)     = 0
copy_file_range(3, NULL, 4, NULL, 99, 0) = 99
close(3)                                = 0
+++ exited with 0 +++
`
	if got := parseTrace(thread); got != (callsAndBytes{5, 2099}) {
		t.Errorf("%+v", got)
	}
	if got := parseTrace("close(3) = 0\nexecve(\"python3\", ...) = 0\nwrite(1, \"\", 5) = 5\n"); got != (callsAndBytes{}) {
		t.Errorf("another program: %+v", got)
	}
}

func TestSmallNamesAreAllDifferent(t *testing.T) {
	for _, one := range changes() {
		seen := map[string]bool{}
		for _, file := range one.version(3) {
			if seen[file.path] || len(file.text) != one.size || !strings.HasSuffix(file.text, "\n") {
				t.Errorf("%s: %s with %d bytes", one.name, file.path, len(file.text))
			}
			seen[file.path] = true
		}
	}
}

func TestLookAtStore(t *testing.T) {
	dir := t.TempDir()
	for path, text := range map[string]string{
		"store/ab/abc": "content", "store/ab/abd": `{"name":"a"}`, "releases/1.json": "{}", "releases/2.json": "{}",
		"reserve": "000", "state.json": "{}",
	} {
		if err := (file{path, text}).writeAtOnce(dir); err != nil {
			t.Fatal(err)
		}
	}
	found, err := lookAtStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[share]int64{}
	for of, one := range found.shares {
		got[of] = one.bytes
	}
	want := map[share]int64{contents: 7, listings: 12, records: 4, spare: 3, others: 2}
	if diff := cmp.Diff(want, got); diff != "" || found.kept != 2 {
		t.Errorf("%d kept\n%s", found.kept, diff)
	}
}

// TestReplaceFiles needs no root: only what counts does.
func TestReplaceFiles(t *testing.T) {
	dir := t.TempDir()
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	d := &disk{dir: dir, root: root}
	defer root.Close()
	main := filepath.Join(dir, "main")
	one := change{files: []string{"a/b"}, size: 100}
	for n := range 2 {
		if err := d.replaceFiles(main, one.version(n)); err != nil {
			t.Fatal(err)
		}
	}
	if data, err := os.ReadFile(filepath.Join(main, "a/b")); err != nil || !strings.Contains(string(data), "version 1") {
		t.Errorf("%q, %v", data, err)
	}
	if err := d.replaceFolder(t.Context(), main, one.version(2)); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(main + ".current/a/b"); err != nil || !strings.Contains(string(data), "version 2") {
		t.Errorf("%q, %v", data, err)
	}
}
