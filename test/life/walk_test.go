//go:build linux

package life

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"strconv"
	"testing"

	"ota/test/harness"
)

// TestWalk: uploads and rollbacks in any order, so that the releases make a tree.
// After each, main/ has what the release has, and where that has nothing what the
// program has written there, also if another release had put something else into
// its place meanwhile.
func TestWalk(t *testing.T) {
	t.Parallel()
	for _, walked := range []walk{
		{name: "back", goal: (*walk).ancestor},
		{name: "anywhere", goal: (*walk).any},
	} {
		t.Run(walked.name, func(t *testing.T) {
			t.Parallel()
			walked.walk(t)
		})
	}
}

func (w *walk) walk(t *testing.T) {
	main := harness.Tree{"a.txt": harness.File("first\n")}
	w.T, w.Device = t, harness.NewDevice(t, harness.FastDir(t), main, lasting)
	w.random = rand.New(rand.NewPCG(3, 4))
	w.releases, w.from, w.own = []harness.Tree{nil, main}, []int{0, 0}, harness.Tree{}
	w.Start()
	w.await(1)
	for i := range *commits {
		if w.random.IntN(2) == 0 {
			w.scribble(i)
		}
		if to := w.goal(w); to != 0 && w.random.IntN(2) == 0 {
			w.Say("rollback", "--no-trial", strconv.Itoa(to))
			w.await(to)
		} else {
			w.bring(i)
		}
		w.check()
	}
	w.Say("verify")
}

// walk is a device on its way between releases.
type walk struct {
	name string
	goal func(*walk) int // the release to go back to; 0: there is none

	*testing.T
	*harness.Device
	random   *rand.Rand
	releases []harness.Tree // by number
	from     []int          // by number: what each was laid over
	own      harness.Tree   // what the program has written, also where a release has put something else
	current  int
	path     []string // all that was done
}

// ancestor is one that the current release was laid over.
func (w *walk) ancestor() int {
	to := w.from[w.current]
	for to != 0 && w.from[to] != 0 && w.random.IntN(3) == 0 {
		to = w.from[to]
	}
	return to
}

// any is any release but the current one.
func (w *walk) any() int {
	if to := 1 + w.random.IntN(len(w.releases)-1); to != w.current {
		return to
	}
	return 0
}

// place is one of a few paths that all releases have in common.
func (w *walk) place() string {
	return fmt.Sprintf("%sf%d", []string{"", "sub/", "sub/deep/"}[w.random.IntN(3)], w.random.IntN(8))
}

// scribble writes something where the release has nothing.
func (w *walk) scribble(i int) {
	w.Helper()
	at := w.place()
	if _, is := w.releases[w.current][at]; !is {
		w.own[at] = harness.File(fmt.Sprintf("own %d\n", i))
		harness.Tree{at: w.own[at]}.Write(w.T, w.Main())
		w.path = append(w.path, "own "+at)
	}
}

func (w *walk) bring(i int) {
	w.Helper()
	brought := harness.Tree{}
	for range 1 + w.random.IntN(3) {
		at := w.place()
		brought[at] = harness.File(fmt.Sprintf("release content %d\n", i))
	}
	next := maps.Clone(w.releases[w.current])
	maps.Copy(next, brought)
	w.releases, w.from = append(w.releases, next), append(w.from, w.current)
	upload(w.T, w.Device, brought)
	for at := range brought {
		w.path = append(w.path, fmt.Sprintf("%d brings %s", len(w.releases)-1, at))
	}
	w.await(len(w.releases) - 1)
}

func (w *walk) await(number int) {
	w.Helper()
	w.path = append(w.path, fmt.Sprint("-> ", number))
	w.Await(fmt.Sprintf("release %d", number), func(s harness.Status) bool {
		isGood := s.Release.State == "confirmed" || s.Release.State == "adopted"
		return s.Release.Number == number && isGood && s.Program.State == "running" && s.Deposit.State == "empty"
	})
	w.current = number
}

func (w *walk) check() {
	w.Helper()
	want := w.releases[w.current].Over(w.own)
	found, err := harness.Read(w.Main())
	if err != nil {
		w.Fatal(err)
	}
	for at, entry := range want {
		if got := found[at]; !entry.Mode.IsDir() && !same(entry, got) {
			w.Errorf("%s is %v, want %v", path.Join("main", at), got, entry)
		}
	}
	for at, entry := range found {
		if _, is := want[at]; !is && !entry.Mode.IsDir() {
			w.Errorf("%s is there: %v", at, entry)
		}
	}
	if w.Failed() {
		w.Fatalf("after %q", w.path)
	}
}
