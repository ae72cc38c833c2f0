package deposit

import (
	"testing"
	"time"
)

// bench is a judge with a clock that a test moves.
type bench struct {
	*judge
	t   *testing.T
	now time.Time
}

func newBench(t *testing.T, quiet time.Duration) *bench {
	return &bench{newJudge(lasting(quiet)), t, time.Now()}
}

func (b *bench) after(d time.Duration) *bench { b.now = b.now.Add(d); return b }

func (b *bench) tell(what event) { b.event(b.now, what) }

func (b *bench) see(seen *tree) stage {
	b.look(b.now, seen, 0)
	return b.verdict(b.now).stage
}

func (b *bench) want(seen *tree, want stage) {
	b.t.Helper()
	if got := b.see(seen); got != want {
		b.t.Errorf("stage %s, want %s", got, want)
	}
}

// treeOf makes a tree of files, each of a size.
func treeOf(sizes map[string]int64) *tree {
	found := &tree{content: nothing, cover: watched}
	for _, name := range []string{"a", "b", "c"} {
		if size, there := sizes[name]; there {
			found.add(item{path: name, kind: KindFile, id: identity{ino: 1, size: size, mode: 0o100644}})
		}
	}
	return found
}

func with(base *tree, others ...item) *tree {
	base.others = others
	return base
}

func unfinishedFile(name string, what class, size int64) item {
	return item{path: name, kind: KindFile, class: what, id: identity{ino: 2, size: size}}
}

func withHold(base *tree) *tree {
	base.hold = identity{ino: 3, mode: 1}
	return base
}

func TestQuietNeedsTwoEqualWalksAndNoEvent(t *testing.T) {
	b := newBench(t, time.Second)
	one := map[string]int64{"a": 1}
	b.want(treeOf(nil), absent)
	b.tell(written)
	b.want(treeOf(one), settling)
	b.after(999*time.Millisecond).want(treeOf(one), settling)
	b.after(time.Millisecond).want(treeOf(one), ripe)

	b.tell(touched)
	b.want(treeOf(one), settling)
	b.after(time.Second).want(treeOf(map[string]int64{"a": 2}), settling)
	b.after(time.Second).want(treeOf(map[string]int64{"a": 2}), ripe)
}

// Every field that a change can show in keeps an upload from being complete.
func TestEveryFieldCounts(t *testing.T) {
	base := identity{1, 2, 3, 4, 5, 6, 7}
	for name, changed := range map[string]identity{
		"device": {9, 2, 3, 4, 5, 6, 7}, "inode": {1, 9, 3, 4, 5, 6, 7}, "size": {1, 2, 9, 4, 5, 6, 7},
		"mtime": {1, 2, 3, 9, 5, 6, 7}, "ctime": {1, 2, 3, 4, 9, 6, 7}, "mode": {1, 2, 3, 4, 5, 9, 7}, "nlink": {1, 2, 3, 4, 5, 6, 9},
	} {
		b := newBench(t, time.Second)
		look := func(id identity) *tree {
			found := &tree{}
			found.add(item{path: "a", kind: KindFile, id: id})
			return found
		}
		b.want(look(base), settling)
		if got := b.after(time.Second).see(look(changed)); got != settling {
			t.Errorf("%s changed: %s", name, got)
		}
	}
}

func TestQuietGrowsWithThePausesBetweenFiles(t *testing.T) {
	b := newBench(t, time.Second)
	files := map[string]int64{"a": 1}
	file := func() { b.tell(written); b.tell(settled) }
	file()
	b.want(treeOf(files), settling)
	b.after(900 * time.Millisecond)
	file()
	b.want(treeOf(files), settling)
	if got := b.quiet(); got != 3600*time.Millisecond {
		t.Errorf("quiet %v after a pause of 0.9 s", got)
	}
	b.after(3 * time.Second)
	file()
	b.want(treeOf(files), settling)
	if got := b.quiet(); got != longestQuiet {
		t.Errorf("quiet %v after a pause of 3 s, want %v", got, longestQuiet)
	}
	b.after(longestQuiet).want(treeOf(files), ripe)
	b.complete()
	if got := b.quiet(); got != time.Second {
		t.Errorf("quiet %v for the next upload", got)
	}
}

// A stall in the middle of a file says nothing about the pauses between files.
func TestQuietDoesNotGrowInsideAFile(t *testing.T) {
	b := newBench(t, time.Second)
	b.tell(written)
	b.want(treeOf(map[string]int64{"a": 1}), settling)
	b.after(900 * time.Millisecond).tell(written)
	b.after(900 * time.Millisecond).tell(settled)
	b.want(treeOf(map[string]int64{"a": 3}), settling)
	if got := b.quiet(); got != time.Second {
		t.Errorf("quiet %v", got)
	}
}

func TestQuietLongerThanTheLongestStays(t *testing.T) {
	b := newBench(t, time.Minute)
	b.tell(settled)
	b.after(30 * time.Second).tell(settled)
	if got := b.quiet(); got != time.Minute {
		t.Errorf("quiet %v", got)
	}
}

// Where no event comes, only a longer pause than that between walks is one.
func TestPausesBetweenWalks(t *testing.T) {
	b := newBench(t, 3*time.Second)
	for size := range 4 {
		b.look(b.after(walkBlind).now, treeOf(map[string]int64{"a": int64(size)}), walkBlind)
	}
	if got := b.quiet(); got != 3*time.Second {
		t.Errorf("quiet %v after a change in each walk", got)
	}
	b.look(b.after(walkBlind).now, treeOf(map[string]int64{"a": 3}), walkBlind)
	b.look(b.after(walkBlind).now, treeOf(map[string]int64{"a": 9}), walkBlind)
	if got := b.quiet(); got != 8*time.Second {
		t.Errorf("quiet %v after a walk without a change", got)
	}
}

func TestHold(t *testing.T) {
	files := map[string]int64{"a": 1}
	t.Run("holds for ever", func(t *testing.T) {
		b := newBench(t, time.Second)
		b.want(withHold(treeOf(files)), held)
		b.after(100*time.Hour).want(withHold(treeOf(files)), held)
	})
	t.Run("its removal is the end", func(t *testing.T) {
		b := newBench(t, time.Second)
		b.want(withHold(treeOf(files)), held)
		b.tell(released)
		b.want(treeOf(files), ripe)
	})
	t.Run("seen by walks only", func(t *testing.T) {
		b := newBench(t, time.Second)
		b.want(withHold(treeOf(files)), held)
		b.want(treeOf(files), ripe)
	})
	t.Run("seen by its event only", func(t *testing.T) {
		b := newBench(t, time.Second)
		b.tell(released)
		b.want(treeOf(files), ripe)
	})
	t.Run("put up again", func(t *testing.T) {
		b := newBench(t, time.Second)
		b.tell(released)
		b.want(withHold(treeOf(files)), held)
		b.tell(released)
		b.want(treeOf(files), ripe)
	})
	t.Run("unfinished names still count", func(t *testing.T) {
		b := newBench(t, time.Second)
		b.tell(released)
		b.want(with(treeOf(files), unfinishedFile("x.part", transfer, 1)), unfinished)
		b.want(treeOf(files), ripe)
	})
	t.Run("with nothing in it", func(t *testing.T) {
		b := newBench(t, time.Second)
		b.want(withHold(treeOf(nil)), held)
		b.tell(released)
		b.want(treeOf(nil), absent)
		b.want(treeOf(files), settling)
	})
	t.Run("of one upload is not of the next", func(t *testing.T) {
		b := newBench(t, time.Second)
		b.tell(released)
		b.want(treeOf(files), ripe)
		b.complete()
		b.want(treeOf(nil), absent)
		b.want(treeOf(files), settling)
	})
	t.Run("around an upload that was announced", func(t *testing.T) {
		b := newBench(t, 0)
		b.want(treeOf(files), ripe)
		b.complete()
		b.want(treeOf(files), announced)
		b.tell(released)
		b.want(treeOf(files), ripe)
	})
}

func TestOrder(t *testing.T) {
	files := map[string]int64{"a": 1}
	t.Run("needs no quiet", func(t *testing.T) {
		b := newBench(t, time.Second)
		b.order()
		b.want(treeOf(files), ripe)
		if upload := b.complete(); !upload.Forced() {
			t.Error("not forced")
		}
	})
	t.Run("passes over .hold and names", func(t *testing.T) {
		b := newBench(t, time.Second)
		b.order()
		b.want(withHold(with(treeOf(files), unfinishedFile("x.part", transfer, 1))), ripe)
	})
	t.Run("does not make something of nothing", func(t *testing.T) {
		b := newBench(t, time.Second)
		b.order()
		b.want(with(treeOf(nil), unfinishedFile("x.part", transfer, 1)), unfinished)
		b.want(treeOf(files), settling)
	})
	t.Run("is not for what comes later", func(t *testing.T) {
		b := newBench(t, time.Second)
		b.order()
		b.want(treeOf(files), ripe)
		b.want(treeOf(map[string]int64{"a": 2}), ripe)
		b.want(treeOf(map[string]int64{"a": 2, "b": 1}), settling)
	})
	t.Run("stands while nothing changes", func(t *testing.T) {
		b := newBench(t, time.Second)
		b.order()
		seen := withHold(with(treeOf(files), unfinishedFile("x.part", transfer, 1)))
		b.want(seen, ripe)
		b.complete()
		b.tell(settled) // a word that comes late
		b.want(seen, announced)
		b.want(withHold(treeOf(map[string]int64{"a": 2})), held)
	})
	t.Run("of what was announced", func(t *testing.T) {
		b := newBench(t, 0)
		b.want(treeOf(files), ripe)
		b.complete()
		b.order()
		b.want(treeOf(files), ripe)
	})
}

func TestUnfinishedNamesHoldForATime(t *testing.T) {
	for what, patience := range map[class]time.Duration{leftover: time.Minute, transfer: 24 * time.Hour} {
		b := newBench(t, time.Second)
		files := map[string]int64{"a": 1}
		look := func(size int64) *tree { return with(treeOf(files), unfinishedFile("x", what, size)) }
		b.want(look(1), unfinished)
		b.after(patience-time.Second).want(look(2), unfinished)
		b.after(patience-time.Second).want(look(2), unfinished)
		if again := b.verdict(b.now).again; !again.Equal(b.now.Add(time.Second)) {
			t.Errorf("%s: looks again in %v, want 1s", what, again.Sub(b.now))
		}
		b.after(time.Second)
		if given := b.look(b.now, look(2), 0); len(given) != 1 || given[0] != "x" {
			t.Errorf("%s: given up: %q", what, given)
		}
		if got := b.verdict(b.now).stage; got != ripe {
			t.Errorf("%s: %s after %v", what, got, patience)
		}
		if given := b.look(b.now, look(2), 0); len(given) != 0 {
			t.Errorf("%s: told again: %q", what, given)
		}
		b.want(look(3), unfinished)
	}
}

func TestAnAbandonedFileAloneIsNoUpload(t *testing.T) {
	b := newBench(t, time.Second)
	look := func() *tree { return with(treeOf(nil), unfinishedFile("x~", leftover, 1)) }
	b.want(look(), unfinished)
	b.after(time.Minute).want(look(), absent)
}

func TestAnnouncedUntilItChanges(t *testing.T) {
	b := newBench(t, 0)
	files := map[string]int64{"a": 1}
	b.want(treeOf(files), ripe)
	b.complete()
	b.tell(settled)
	b.after(time.Hour).want(treeOf(files), announced)
	b.configured = lasting(time.Second)
	b.want(treeOf(map[string]int64{"a": 2}), settling)
}

// A name that came and went in a folder changes the folder's times only.
func TestAFoldersTimesDoNotMakeAnotherUpload(t *testing.T) {
	look := func(mtime int64) *tree {
		found := treeOf(map[string]int64{"a": 1})
		found.add(item{path: "d", kind: KindFolder, id: identity{ino: 5, mtime: mtime}})
		return found
	}
	b := newBench(t, 0)
	b.want(look(1), ripe)
	b.complete()
	b.want(look(2), announced)
}

// lasting is a quiet period that is always the same.
func lasting(quiet time.Duration) func() time.Duration {
	return func() time.Duration { return quiet }
}
