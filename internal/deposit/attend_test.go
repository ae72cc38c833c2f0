package deposit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeDisk is a disk for rooms in virtual time, which holds what a test puts there.
type fakeDisk struct {
	news chan []event

	mutex   sync.Mutex
	seen    *tree
	err     error
	open    writers
	looks   int
	looking time.Duration // that a walk takes
}

func (d *fakeDisk) look(context.Context) (*tree, error) {
	// Not with the mutex held: time stands still while somebody waits for one.
	d.mutex.Lock()
	looking := d.looking
	d.mutex.Unlock()
	time.Sleep(looking)
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.looks++
	return d.seen, d.err
}

func (d *fakeDisk) writers(context.Context, *tree) writers {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.open
}

func (d *fakeDisk) events() <-chan []event { return d.news }
func (d *fakeDisk) close()                 {}

// put changes what is there, and tells of it by events, if any.
func (d *fakeDisk) put(seen *tree, events ...event) {
	d.mutex.Lock()
	d.seen = seen
	d.mutex.Unlock()
	if len(events) > 0 {
		d.news <- events
	}
}

func (d *fakeDisk) setOpen(paths ...string) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.open = writers{paths: paths, sight: sighted}
}

// set changes d while the room uses it.
func (d *fakeDisk) set(change func()) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	change()
}

func (d *fakeDisk) countLooks() int {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.looks
}

// inBubble runs a room with a quiet period of a second and a fake disk.
func inBubble(t *testing.T, test func(t *testing.T, room *Room, disk *fakeDisk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeDisk{news: make(chan []event), seen: treeOf(nil), open: writers{sight: sighted}}
		room := New(Options{Dir: "deposit", Incoming: t.TempDir(), Quiet: lasting(time.Second)})
		room.openDisk = func(Options) disk { return fake }
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- room.Run(ctx) }()
		synctest.Wait()
		test(t, room, fake)
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// within waits for the next view, and wants it after exactly this time.
func within(t *testing.T, room *Room, after time.Duration, want State) View {
	t.Helper()
	began := time.Now()
	select {
	case view := <-room.Views():
		if view.State != want || time.Since(began) != after {
			t.Errorf("%s after %v, want %s after %v", view.State, time.Since(began), want, after)
		}
		return view
	case <-time.After(100 * time.Hour):
		t.Fatalf("no view; want %s after %v", want, after)
		return View{}
	}
}

// silent wants no view for a time.
func silent(t *testing.T, room *Room, during time.Duration) {
	t.Helper()
	select {
	case view := <-room.Views():
		t.Errorf("view %+v, want none", view)
	case <-time.After(during):
	}
}

func TestAnUploadIsAnnouncedAfterTheQuietPeriod(t *testing.T) {
	inBubble(t, func(t *testing.T, room *Room, disk *fakeDisk) {
		within(t, room, 0, Empty)
		disk.put(treeOf(map[string]int64{"a": 1, "b": 2}), written, settled)
		if view := within(t, room, lull, Receiving); view.Files != 2 || view.Bytes != 3 {
			t.Errorf("view %+v, want 2 files of 3 bytes", view)
		}
		view := within(t, room, time.Second, Complete)
		if view.Upload == nil || view.Upload.Files() != 2 || view.Upload.Bytes() != 3 || view.Upload.Forced() {
			t.Errorf("upload %+v", view.Upload)
		}
		silent(t, room, time.Hour+333*time.Millisecond)
		disk.put(treeOf(nil), settled)
		within(t, room, lull, Empty)
	})
}

func TestAnEmptyWatchedDepositIsLeftAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, room *Room, disk *fakeDisk) {
		within(t, room, 0, Empty)
		before := disk.countLooks()
		silent(t, room, 1000*time.Hour)
		if got := disk.countLooks() - before; got != 0 {
			t.Errorf("%d walks in 1000 idle hours", got)
		}
	})
}

func TestWalksWhileNothingTells(t *testing.T) {
	for _, test := range []struct {
		name  string
		seen  *tree
		cover cover
		want  int // walks in a minute
	}{
		{"held", withHold(treeOf(nil)), watched, 2},
		{"complete", treeOf(map[string]int64{"a": 1}), watched, 2},
		{"empty and unwatched", treeOf(nil), unwatched, 30},
		{"complete and unwatched", treeOf(map[string]int64{"a": 1}), unwatched, 30},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, room *Room, disk *fakeDisk) {
				test.seen.cover = test.cover
				disk.put(test.seen, settled)
				time.Sleep(3*time.Second + 100*time.Millisecond)
				before := disk.countLooks()
				time.Sleep(time.Minute)
				if got := disk.countLooks() - before; got != test.want {
					t.Errorf("%d walks in a minute, want %d", got, test.want)
				}
			})
		})
	}
}

func TestRemovalOfHoldCompletesAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, room *Room, disk *fakeDisk) {
		within(t, room, 0, Empty)
		disk.put(withHold(treeOf(map[string]int64{"a": 1})), written)
		if view := within(t, room, lull, Receiving); len(view.Waiting) != 1 || view.Waiting[0].Path != ".hold" {
			t.Errorf("waiting %v", view.Waiting)
		}
		silent(t, room, time.Hour+333*time.Millisecond)
		disk.put(treeOf(map[string]int64{"a": 1}), released)
		within(t, room, 0, Complete)
	})
}

func TestAWriterHoldsTheUploadUp(t *testing.T) {
	inBubble(t, func(t *testing.T, room *Room, disk *fakeDisk) {
		within(t, room, 0, Empty)
		disk.setOpen("a")
		disk.put(treeOf(map[string]int64{"a": 1}), written)
		within(t, room, lull, Receiving)
		if view := within(t, room, time.Second, Receiving); len(view.Waiting) != 1 || view.Waiting[0].Path != "a" {
			t.Errorf("waiting %v", view.Waiting)
		}
		silent(t, room, time.Hour+333*time.Millisecond)
		disk.setOpen()
		disk.put(treeOf(map[string]int64{"a": 1}), settled)
		within(t, room, lull, Receiving)
		within(t, room, time.Second, Complete)
	})
}

// A file that is open by another name elsewhere is closed without an event.
func TestAWriterThatGoesUnnoticed(t *testing.T) {
	inBubble(t, func(t *testing.T, room *Room, disk *fakeDisk) {
		within(t, room, 0, Empty)
		disk.setOpen("a")
		disk.put(treeOf(map[string]int64{"a": 1}), settled)
		within(t, room, lull, Receiving)
		within(t, room, time.Second, Receiving)
		time.Sleep(time.Hour)
		disk.setOpen()
		began := time.Now()
		if view := <-room.Views(); view.State != Complete || time.Since(began) > walkAnyway {
			t.Errorf("%s after %v", view.State, time.Since(began))
		}
	})
}

func TestBlindTheQuietPeriodIsLonger(t *testing.T) {
	inBubble(t, func(t *testing.T, room *Room, disk *fakeDisk) {
		within(t, room, 0, Empty)
		disk.set(func() { disk.open.sight = blind })
		disk.put(treeOf(map[string]int64{"a": 1}), settled)
		within(t, room, lull, Receiving)
		within(t, room, blindFactor*time.Second, Complete)
		disk.put(treeOf(nil), settled)
		within(t, room, lull, Empty)
		disk.put(treeOf(map[string]int64{"a": 1}), released)
		within(t, room, 0, Complete)
	})
}

func TestLookAnnouncesAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, room *Room, disk *fakeDisk) {
		within(t, room, 0, Empty)
		room.Look()
		if view := within(t, room, 0, Empty); view.Asked != 1 {
			t.Errorf("asked %d, want 1", view.Asked)
		}
		disk.put(treeOf(map[string]int64{"a": 1}), settled)
		within(t, room, lull, Receiving)
		first := within(t, room, time.Second, Complete)
		time.Sleep(time.Minute)
		room.Look()
		second := within(t, room, 0, Complete)
		if second.Upload != first.Upload || second.Asked != 2 {
			t.Errorf("announced %+v, then %+v", first, second)
		}
		disk.setOpen("a")
		room.Look()
		within(t, room, 0, Receiving)
		disk.setOpen()
		within(t, room, firstRetry, Complete)
	})
}

func TestLookDoesNotShortenTheQuietPeriod(t *testing.T) {
	inBubble(t, func(t *testing.T, room *Room, disk *fakeDisk) {
		within(t, room, 0, Empty)
		disk.put(treeOf(map[string]int64{"a": 1}), settled)
		within(t, room, lull, Receiving)
		time.Sleep(300 * time.Millisecond)
		room.Look()
		within(t, room, 0, Receiving)
		within(t, room, 700*time.Millisecond, Complete)
	})
}

func TestApplyTakesWhatIsThere(t *testing.T) {
	inBubble(t, func(t *testing.T, room *Room, disk *fakeDisk) {
		within(t, room, 0, Empty)
		room.Apply()
		if view := within(t, room, 0, Empty); view.Asked != 1 {
			t.Errorf("asked %d, want 1", view.Asked)
		}
		disk.put(withHold(with(treeOf(map[string]int64{"a": 1}), unfinishedFile("x.part", transfer, 1))), settled)
		within(t, room, lull, Receiving)
		disk.setOpen("a")
		room.Apply()
		if view := within(t, room, 0, Receiving); len(view.Waiting) != 1 || view.Waiting[0].Path != "a" {
			t.Errorf("waiting %v", view.Waiting)
		}
		disk.setOpen()
		disk.news <- []event{settled}
		if view := within(t, room, lull, Complete); !view.Upload.Forced() || view.Files != 1 {
			t.Errorf("view %+v, want a forced upload of 1 file", view)
		}
	})
}

func TestManyEventsMakeFewWalks(t *testing.T) {
	inBubble(t, func(t *testing.T, room *Room, disk *fakeDisk) {
		disk.set(func() { disk.looking = 10 * time.Millisecond })
		before := disk.countLooks()
		for i := range 10_000 {
			disk.put(treeOf(map[string]int64{"a": int64(i)}), written)
			time.Sleep(time.Millisecond)
		}
		if got := disk.countLooks() - before; got > 50 || got < 30 {
			t.Errorf("%d walks while events came for 10 s, want about 40", got)
		}
	})
}

func TestSlowWalksLeaveTimeForOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, room *Room, disk *fakeDisk) {
		disk.set(func() { disk.looking = time.Second })
		before := disk.countLooks()
		began := time.Now()
		for time.Since(began) < time.Minute {
			disk.put(treeOf(map[string]int64{"a": int64(time.Since(began))}), settled)
			time.Sleep(100 * time.Millisecond)
		}
		if got := disk.countLooks() - before; got > 14 {
			t.Errorf("%d walks of 1 s in a minute, want 12", got)
		}
	})
}

func TestWhatCannotBeSeenIsSaid(t *testing.T) {
	inBubble(t, func(t *testing.T, room *Room, disk *fakeDisk) {
		within(t, room, 0, Empty)
		disk.put(treeOf(map[string]int64{"a": 1}), settled)
		within(t, room, lull, Receiving)
		within(t, room, time.Second, Complete)
		disk.set(func() { disk.err = errors.New("disk on fire") })
		disk.news <- []event{moved}
		if view := within(t, room, 0, Empty); fmt.Sprint(view.Waiting) != "[disk on fire]" {
			t.Errorf("waiting %v", view.Waiting)
		}
		disk.set(func() { disk.err = nil })
		within(t, room, walkBlind, Receiving)
		within(t, room, time.Second, Complete)
	})
}

// What was announced is announced again after something else was in its way.
func TestAnAnnouncedUploadIsInterrupted(t *testing.T) {
	inBubble(t, func(t *testing.T, room *Room, disk *fakeDisk) {
		files := map[string]int64{"a": 1}
		within(t, room, 0, Empty)
		disk.put(treeOf(files), settled)
		within(t, room, lull, Receiving)
		first := within(t, room, time.Second, Complete)
		disk.put(with(treeOf(files), unfinishedFile("x.part", transfer, 1)), written)
		within(t, room, lull, Receiving)
		disk.put(treeOf(files), settled)
		if second := within(t, room, lull, Complete); second.Upload != first.Upload {
			t.Errorf("announced %+v, then %+v", first, second)
		}
		// Until somebody looks again, an open file is nothing new.
		disk.setOpen("a")
		silent(t, room, time.Hour+333*time.Millisecond)
	})
}

// The reader of views is slow; the newest one waits for it.
func TestTheNewestViewWins(t *testing.T) {
	inBubble(t, func(t *testing.T, room *Room, disk *fakeDisk) {
		disk.put(treeOf(map[string]int64{"a": 1}), settled)
		time.Sleep(time.Minute)
		within(t, room, 0, Complete)
		silent(t, room, time.Minute)
	})
}
