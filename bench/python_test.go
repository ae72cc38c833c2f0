//go:build linux

package main

import (
	"archive/zip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// pythonShown is made up: a warm start takes a fifth of a bare one's time.
func pythonShown() *costs {
	c := newCosts()
	c.heavy = "numpy"
	c.starts = map[startPlace][]float64{
		{bareKind, byHand}: {10}, {bareKind, plainly}: {11}, {bareKind, warmly}: {2},
		{heavyKind, byHand}: {100}, {heavyKind, plainly}: {120}, {heavyKind, warmly}: {11},
		{heavyKind, crashed}: {1100}, {heavyKind, warmed}: {1010},
		{largeKind, byHand}: {300}, {largeKind, again}: {250}, {largeKind, plainly}: {260},
	}
	c.checks.compiled[checkModules], c.checks.taken[checkModules] = []float64{1000}, []float64{1500}
	c.checks.resident, c.checks.sharing = []float64{30}, []float64{25}
	c.environments = environments{
		own: []float64{500}, byHand: []float64{2000},
		ownFiles: taken{files: 50, bytes: 1 << 20, blocks: 1 << 20}, byHandFiles: taken{files: 500, bytes: 8 << 20, blocks: 16 << 20},
	}
	return c
}

func TestPythonOnThePage(t *testing.T) {
	var text strings.Builder
	shown := page{Parts: []part{partStarts, partCheck, partEnvironment}, Results: newResults(nil, 0), Costs: pythonShown()}
	if err := writePage(&text, shown); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| nothing but main.py | 10 | – | 11 | 1.10 | 2 | 0.20 |\n",
		"| 150 modules | 300 | 250 | 260 | 0.87 | – | – |\n",
		"After a crash of the one with `import numpy` it is 1100 ms from its last line to its first, and 1010 ms warm.",
		"| an upload of all 500 | 1000 | 1500 | 1.50 |\n",
		"is taken: 30 MB, with pages that several of them share counted in each, and 25 MB without that.\n",
		"| time, ms | 2000 | 500 | 0.25 |\n",
		"| KiB in whole blocks | 16384 | 1024 | 0.06 |\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, text.String())
		}
	}
}

func TestGoalsOfStarts(t *testing.T) {
	want := []goal{
		{"plain start, nothing but main.py: at most 1.1 × the floor's", "1.10 ×", met},
		{"plain start, `import numpy`: at most 1.1 × the floor's", "1.20 ×", missed},
		{"plain start, 150 modules: at most 1.1 × the floor's", "0.87 ×", met},
		{"warm start, nothing but main.py: at most 0.3 × the floor's", "0.20 ×", met},
		{"warm start, `import numpy`: at most 0.1 × the floor's", "0.11 ×", missed},
	}
	if diff := cmp.Diff(want, pythonShown().startGoals()); diff != "" {
		t.Error(diff)
	}
}

func TestBetweenAProcessAndTheNext(t *testing.T) {
	all := []stamp{{1, 40, 1000, stampFirst}, {1, 40, 2000, stampTick}, {1, 41, 9000, stampFirst}, {1, 41, 9500, stampTick}}
	if took, found := between(all, 40); !found || took != 7000*time.Nanosecond {
		t.Errorf("%s, %v", took, found)
	}
	if _, found := between(all, 41); found {
		t.Error("one that runs has a successor")
	}
}

func TestParseRollup(t *testing.T) {
	const text = "00400000-7ffe0000 ---p 00000000 00:00 0  [rollup]\nRss:            5204 kB\nPss:            2100 kB\n"
	if got, err := parseRollup([]byte(text)); err != nil || got.resident != 5204*1024 || got.proportional != 2100*1024 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := parseRollup(nil); err == nil {
		t.Error("a process without memory was measured")
	}
}

func TestRunsMain(t *testing.T) {
	for command, want := range map[string]bool{
		"/usr/bin/python3\x00-u\x00main.py\x00": true, "/usr/bin/python3\x00-c\x00pass\x00": false, "": false, "main.pyc\x00": false,
	} {
		if got := runsMain([]byte(command)); got != want {
			t.Errorf("%q: %v", command, got)
		}
	}
}

// Python takes a source of the same size and second for unchanged.
func TestVersionsOfAModuleDiffer(t *testing.T) {
	app := application{modules: 10, lines: 40}
	seen := map[int]bool{}
	for version := 1; version <= 12; version++ {
		files := app.some(3, version)
		if files[0].path != "app/m000.py" || files[2].path != "app/m006.py" || seen[len(files[0].text)] {
			t.Errorf("version %d: %s, %s, %d bytes", version, files[0].path, files[2].path, len(files[0].text))
		}
		seen[len(files[0].text)] = true
	}
	if lines := strings.Count(app.module(0, 1), "\n"); lines < 40 || lines > 80 {
		t.Errorf("%d lines", lines)
	}
}

func TestWheelOf(t *testing.T) {
	wheel := wheelOf(3)[0]
	if wheel.path != "wheels/bench_small-1.3-py3-none-any.whl" {
		t.Error(wheel.path)
	}
	archive, err := zip.NewReader(strings.NewReader(wheel.text), int64(len(wheel.text)))
	if err != nil {
		t.Fatal(err)
	}
	if len(archive.File) != 1+wheelModules+3 {
		t.Errorf("%d files", len(archive.File))
	}
}

func TestTakenBy(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := takenBy(dir); err != nil || got.files != 1 || got.folders != 1 || got.bytes != 3 {
		t.Errorf("%+v, %v", got, err)
	}
}
