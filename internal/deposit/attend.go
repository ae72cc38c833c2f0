package deposit

import (
	"context"
	"slices"
	"time"

	"ota/internal/reason"
)

// disk is what a Room needs of the system while it runs.
type disk interface {
	// look walks deposit/, which is made if missing, and watches every folder
	// before it is listed.
	look(ctx context.Context) (*tree, error)
	// writers finds out who has files of the upload open.
	writers(ctx context.Context, upload *tree) writers
	events() <-chan []event
	close()
}

// writers is what is known of programs that have files open for writing.
type writers struct {
	paths []string // that somebody has open
	sight sight
}

// sight is whether the system could be asked about every file.
type sight string

const (
	sighted sight = "sighted"
	blind   sight = "blind"
)

const (
	// lull is how long after an event the walk waits for more of them: short
	// for a person, long beside the time between two files of one copy.
	lull = 5 * time.Millisecond
	// longestWait is how long a steady stream of events may put a walk off.
	longestWait = 250 * time.Millisecond
	// restFactor keeps walks to a fifth of one core, however slow they are.
	restFactor = 4
	// walkBlind is the time between walks where the system tells nothing.
	walkBlind = 2 * time.Second
	// walkAnyway is the time between walks while something is in deposit/:
	// a file may be written through another name of it, elsewhere.
	walkAnyway = 30 * time.Second
	// firstRetry is the time to the second question whether a file still is
	// open; it doubles up to walkAnyway. An event asks at once.
	firstRetry = time.Second
)

// attention is one run of a room: it belongs to the goroutine of Run.
type attention struct {
	room     *Room
	disk     disk
	judge    *judge
	answered asked
	shown    View
	trouble  string
	shelf    shelf

	due    time.Time // of the next walk; zero: when something happens
	first  time.Time // of the first event since the last walk; zero: none
	rested time.Time // when the next walk may be made because of events
	retry  time.Duration
	polled time.Duration // between walks where events don't tell all; else 0
}

// attend looks whenever there is a reason to, until ctx ends.
func attend(ctx context.Context, room *Room, disk disk) {
	a := &attention{room: room, disk: disk, judge: newJudge(room.options.Quiet), due: time.Now()}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case batch := <-disk.events():
			a.notice(time.Now(), batch)
		case <-room.asks:
			a.due = time.Now()
		case <-timer.C:
		}
		if !a.due.IsZero() && !time.Now().Before(a.due) {
			a.step(ctx)
		}
		if a.due.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(a.due))
		}
	}
}

// notice takes events in and decides when to walk because of them.
func (a *attention) notice(now time.Time, batch []event) {
	for _, what := range batch {
		a.judge.event(now, what)
	}
	if slices.Contains(batch, released) || slices.Contains(batch, moved) {
		a.due = now
		return
	}
	if a.first.IsZero() {
		a.first = now
		a.retry = 0
	}
	a.due = later(a.rested, earlier(now.Add(lull), a.first.Add(longestWait)))
}

// step looks, judges and tells.
func (a *attention) step(ctx context.Context) {
	asked := a.room.takeAsked()
	if asked.orders > a.answered.orders {
		a.judge.order()
	}
	began := time.Now()
	a.room.taking.Lock()
	seen, err := a.disk.look(ctx)
	a.room.taking.Unlock()
	now := time.Now()
	a.first = time.Time{}
	a.rested = now.Add(restFactor * now.Sub(began))
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		a.fail(now, err, asked)
		return
	}
	a.trouble = ""
	a.settle(ctx, now, seen, asked)
}

// fail tells why there is nothing to see.
func (a *attention) fail(now time.Time, err error, asked asked) {
	if text := err.Error(); text != a.trouble {
		a.trouble = text
		a.room.options.Log.Warn("cannot look into deposit", "error", err)
	}
	a.judge.lost()
	a.due = now.Add(walkBlind)
	a.tell(View{State: Empty, Waiting: reason.Of(err)}, asked)
}

// settle judges what was seen.
func (a *attention) settle(ctx context.Context, now time.Time, seen *tree, asked asked) {
	for _, path := range a.judge.look(now, seen, a.polled) {
		a.room.options.Log.Info("an unfinished file no longer holds the upload up", "path", path)
	}
	a.polled = 0
	if seen.cover == unwatched {
		a.polled = walkBlind
	}
	a.judge.list(a.isListed(seen))
	found := a.judge.verdict(now)
	view := View{
		State:   Receiving,
		Files:   seen.files + len(seen.others),
		Bytes:   seen.bytes + bytesOf(seen.others),
		Waiting: found.waiting,
	}
	switch {
	case found.stage == absent:
		view = View{State: Empty}
	case found.stage == announced && a.shown.State == Complete && asked.calls == a.answered.calls:
		view = a.shown
	case found.stage == announced || found.stage == ripe:
		view, found.again = a.ask(ctx, now, seen, view, found.stage)
	}
	a.due = a.nextWalk(now, found)
	a.tell(view, asked)
}

// ask finds out whether anybody still writes, and if not, completes the upload.
func (a *attention) ask(ctx context.Context, now time.Time, seen *tree, view View, stage stage) (View, time.Time) {
	known := a.disk.writers(ctx, seen)
	if len(known.paths) > 0 {
		a.retry = min(max(firstRetry, 2*a.retry), walkAnyway)
		a.judge.doubt()
		view.Waiting = nameAll(known.paths, "a program has this file open for writing")
		return view, now.Add(a.retry)
	}
	a.retry = 0
	if until := a.judge.blindUntil(); stage == ripe && known.sight == blind && now.Before(until) {
		return view, until
	}
	upload := a.judge.announced
	if stage == ripe {
		upload = a.judge.complete()
	}
	return View{State: Complete, Files: upload.Files(), Bytes: upload.Bytes(), Upload: upload}, time.Time{}
}

// nextWalk is when to look again if nothing happens.
func (a *attention) nextWalk(now time.Time, found verdict) time.Time {
	next := found.again
	if found.stage != absent {
		next = earlier(now.Add(walkAnyway), next)
	}
	if a.polled > 0 {
		next = earlier(now.Add(a.polled), next)
	}
	return next
}

// tell hands the view out if it is news or was asked for.
func (a *attention) tell(view View, asked asked) {
	view.Asked = asked.calls
	isNews := view.State != a.shown.State || view.Files != a.shown.Files || view.Bytes != a.shown.Bytes ||
		view.Upload != a.shown.Upload || !slices.Equal(view.Waiting, a.shown.Waiting)
	if !isNews && asked.calls == a.answered.calls {
		return
	}
	a.shown, a.answered = view, asked
	select {
	case <-a.room.views:
	default:
	}
	a.room.views <- view
}

// ask notes calls and wakes the room.
func (r *Room) ask(more asked) {
	r.mutex.Lock()
	r.asked.calls += more.calls
	r.asked.orders += more.orders
	r.mutex.Unlock()
	select {
	case r.asks <- struct{}{}:
	default:
	}
}

func (r *Room) takeAsked() asked {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.asked
}

func bytesOf(items []item) (sum int64) {
	for i := range items {
		sum += items[i].bytes()
	}
	return sum
}

// earlier is the earlier of two times; a zero one is no time.
func earlier(a, b time.Time) time.Time {
	if b.IsZero() || (!a.IsZero() && a.Before(b)) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
