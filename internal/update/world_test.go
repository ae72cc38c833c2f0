package update

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// world is what the machine acts upon: it does what the acts say and notes each
// broken promise.
type world struct {
	t       *testing.T
	random  *rand.Rand
	state   State
	disk    disk
	alive   bool         // a process of the program exists
	pending map[Act]bool // acts that have not answered yet
	timers  map[Event]bool
	asked   bool // AskEnd was given
	byHand  bool // the rollback on its way was asked for
	history []string
	cuts    int
	starts  int
	sick    bool // every release takes the device down
}

// disk is what survives a power cut.
type disk struct {
	mixture bool // main/ is between two releases
	coming  way  // what is being switched in, and not recorded
	release int  // the one in main/, by a number that is never used twice
	last    int
	onTrial bool
	downs   int
	good    []int       // releases to go back to, the last one last
	boots   map[int]int // in which a release on trial was started
}

type way string

const (
	nowhere  way = ""
	forward  way = "forward"
	backward way = "backward"
)

const attempts = 2

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, random: rand.New(rand.NewPCG(seed, 1))}
	w.disk = disk{release: 1, last: 1, boots: map[int]int{}}
	w.boot()
	return w
}

// boot is the beginning of ota, also after a power cut at any moment: what was
// running is gone, a switch that had begun is carried to its end, and the trial
// of a release that was cut short too often is over.
func (w *world) boot() {
	w.alive, w.asked, w.byHand = false, false, false
	w.pending, w.timers = map[Act]bool{}, map[Event]bool{}
	w.cuts++
	if w.disk.mixture && w.random.IntN(4) == 0 {
		w.enter(State{Torn, Halted, Settled}, MendSoon)
		return
	}
	if w.disk.mixture || w.disk.coming != nowhere {
		w.disk.mixture = false
		w.record()
	}
	if !w.disk.onTrial {
		if w.random.IntN(2) == 0 {
			w.enter(State{Opening, Halted, Settled}, Look, Wait)
		} else {
			w.enter(State{Adopting, Halted, Settled}, Look, Wait, Adopt)
		}
		return
	}
	if w.disk.downs++; w.disk.downs >= attempts {
		w.enter(State{Reverting, Halted, Condemned}, Revert)
		return
	}
	w.enter(State{Opening, Halted, OnTrial}, Look, Wait)
}

// record is what Clear writes down.
func (w *world) record() {
	switch w.disk.coming {
	case forward:
		if !w.disk.onTrial {
			w.disk.good = append(w.disk.good, w.disk.release)
		}
		w.disk.last++
		w.disk.release = w.disk.last
	case backward:
		w.disk.release = w.disk.good[len(w.disk.good)-1]
		w.disk.good = w.disk.good[:len(w.disk.good)-1]
	}
	w.disk.coming, w.disk.onTrial, w.disk.downs = nowhere, true, 0
	w.disk.boots[w.disk.release] = 0
}

func (w *world) step() {
	event, ok := w.pick()
	if !ok {
		return
	}
	w.happen(event)
}

// pick chooses one of the events that can happen now.
func (w *world) pick() (Event, bool) {
	var possible []Event
	for _, act := range sortedActs(w.pending) {
		possible = append(possible, w.answersOf(act)...)
	}
	for _, timer := range []Event{PauseOver, RetryDue, OpeningOver, NoteDue} {
		if w.timers[timer] {
			possible = append(possible, timer)
		}
	}
	if w.state.Program == Running && w.alive {
		possible = append(possible, EndedWell, Crashed)
		if w.state.Standing == OnTrial {
			possible = append(possible, CrashedOut, Failed, Proved)
		}
	}
	if !w.state.Over() {
		possible = append(possible, Complete, Empty, Waits, Changed, AskStart, AskStop, AskRestart, AskApply, AskNow,
			AskRetry, AskDiscard, AskRollback, AskLeave)
		if w.random.IntN(30) == 0 {
			possible = append(possible, AskEnd)
		}
	}
	if len(possible) == 0 {
		return "", false
	}
	return possible[w.random.IntN(len(possible))], true
}

// answersOf is what an act can answer as things stand.
func (w *world) answersOf(act Act) []Event {
	back := w.disk.coming == backward
	switch {
	case act == Revert && len(w.disk.good) == 0 && !w.byHand:
		return []Event{NothingPrior}
	case act == Revert && len(w.disk.good) == 0:
		return []Event{Refused}
	case act == Revert && w.byHand:
		return []Event{Prepared, Refused}
	case act == Revert:
		return []Event{Prepared, Hindered}
	case act == Mend && w.disk.coming == nowhere:
		return []Event{Whole, Unadopted, SwitchTorn}
	case (act == Switch || act == Mend) && back:
		return []Event{Switched, SwitchedSure, BackUndone, SwitchTorn}
	case act == Switch || act == Mend:
		return []Event{Switched, SwitchUndone, SwitchTorn}
	default:
		return answers[act]
	}
}

func (w *world) happen(event Event) {
	if event == DueAlive && !w.state.mayRefresh() {
		event = Due
	}
	w.history = append(w.history, string(event))
	for act, events := range answers {
		if w.pending[act] && slices.Contains(events, event) && event != Postponed {
			delete(w.pending, act)
		}
	}
	delete(w.timers, event)
	switch event {
	case Down, EndedWell, Crashed, CrashedOut:
		w.alive = false
	case Switched, SwitchedSure:
		w.disk.mixture = false
		// What was begun for the release before means nothing any more.
		clear(w.timers)
		delete(w.pending, Confirm)
	case SwitchUndone, BackUndone, Whole, Unadopted:
		w.disk.mixture, w.disk.coming = false, nowhere
	case PutAway:
		w.record()
	case Noted:
		w.disk.onTrial = w.disk.onTrial && w.state.Standing != Proven
	case AskEnd:
		w.asked = true
	}
	state, acts := Next(w.state, event)
	if event == AskRollback && state != w.state {
		w.byHand = true
	}
	w.enter(state, acts...)
	w.checkLeaving()
	if event == EndedWell && slices.Contains(unsure, w.state.Standing) {
		w.happen(Proved)
	}
}

// checkLeaving: where another ota may take over, nothing is in its middle that it
// would not know of.
func (w *world) checkLeaving() {
	if !w.state.MayLeave() {
		return
	}
	if len(w.pending) > 0 {
		w.fail(fmt.Sprintf("another ota may take over while %v is under way", sortedActs(w.pending)))
	}
	if w.disk.mixture {
		w.fail("another ota may take over while main/ is a mixture")
	}
	if w.state.Standing == OnTrial && w.alive {
		w.fail("another ota may take over in the middle of a trial")
	}
}

func (w *world) enter(state State, acts ...Act) {
	w.state = state
	for _, act := range acts {
		w.do(act)
	}
	if w.state.Program == Running && !w.alive {
		w.fail("the state is running and nothing runs")
	}
}

func (w *world) do(act Act) {
	if _, answering := answers[act]; answering {
		if w.pending[act] {
			w.fail(fmt.Sprintf("%q is done twice at once", act))
		}
		w.pending[act] = true
	}
	switch act {
	case Start:
		w.start()
	case Switch, Mend:
		if w.alive && w.state.Attempt != Refreshing {
			w.fail("a switch under a running program")
		}
		w.disk.mixture = true
	case Prepare:
		if w.pending[Switch] || w.pending[Mend] || w.pending[Clear] {
			w.fail("an upload is prepared inside a switch")
		}
		w.disk.coming, w.byHand = nowhere, false
	case Defer:
		w.disk.coming = nowhere
	case Revert:
		if w.state.Standing == Condemned {
			w.byHand = false
		}
	case Confirm:
		if w.disk.coming != nowhere {
			w.fail("a release is confirmed that is in no history")
		}
	case Pause, Equip:
		w.timers[PauseOver] = true
	case RetrySoon, RetryLate, MendSoon:
		w.timers[RetryDue] = true
	case NoteSoon:
		w.timers[NoteDue] = true
	case Wait:
		w.timers[OpeningOver] = true
	}
	if act == Switch {
		w.disk.coming = forward
		if w.back() {
			w.disk.coming = backward
		}
	}
}

// back reports whether what is switched is a rollback: nothing else comes out of
// Reverting.
func (w *world) back() bool {
	for _, event := range slices.Backward(w.history) {
		switch Event(event) {
		case Due, DueAlive:
			return false
		case Prepared:
			return true
		}
	}
	return false
}

func (w *world) start() {
	w.starts++
	switch {
	case w.alive:
		w.fail("two programs at once")
	case w.pending[Switch], w.pending[Mend], w.disk.mixture:
		w.fail("a start inside a switch")
	case w.asked:
		w.fail("a start although ota ends")
	}
	if w.sick && w.state.Standing == OnTrial && w.disk.coming == nowhere {
		w.disk.boots[w.disk.release]++
	}
	w.alive = true
	if w.random.IntN(4) == 0 && !w.sick { // there is nothing to start, or it can't be
		w.alive = false
		event := []Event{NoProgram, Crashed, Unequipped}[w.random.IntN(3)]
		w.history = append(w.history, string(event))
		state, acts := Next(w.state, event)
		w.enter(state, acts...)
	}
}

func (w *world) fail(what string) {
	w.t.Helper()
	last := w.history[max(0, len(w.history)-12):]
	w.t.Fatalf("%s, in %v after %s", what, w.state, strings.Join(last, ", "))
}

func sortedActs(acts map[Act]bool) []Act {
	var sorted []Act
	for act := range acts {
		sorted = append(sorted, act)
	}
	slices.Sort(sorted)
	return sorted
}

// TestPromisesHoldInAnyOrder feeds the table random events, with the power going
// at any moment.
func TestPromisesHoldInAnyOrder(t *testing.T) {
	events := 0
	reached := map[State]bool{}
	for seed := range uint64(300) {
		w := newWorld(t, seed)
		for range 1000 {
			w.step()
			reached[w.state] = true
			events++
			if w.random.IntN(200) == 0 || w.state.Over() {
				w.boot()
			}
		}
		if w.starts == 0 {
			t.Fatalf("seed %d: the program was never started", seed)
		}
	}
	t.Logf("%d events, %d different states", events, len(reached))
}

// TestEveryAttemptEnds: left alone, the machine comes to rest from anywhere,
// with the program running unless somebody wanted otherwise.
func TestEveryAttemptEnds(t *testing.T) {
	for seed := range uint64(2000) {
		w := newWorld(t, seed)
		for range w.random.IntN(100) {
			w.step()
		}
		if w.state.Over() {
			continue
		}
		w.comeToRest()
		if !slices.Contains([]Attempt{Idle, Held}, w.state.Attempt) && !w.asked {
			w.fail("the attempt does not end")
		}
		if w.asked && !w.state.Over() {
			w.fail("ota does not end")
		}
		if !w.asked && !slices.Contains(settled, w.state.Program) {
			w.fail("the program does not come to rest")
		}
		if slices.Contains([]Standing{Condemned, Proven}, w.state.Standing) && !w.asked {
			w.fail("nothing becomes of the release")
		}
	}
}

// comeToRest answers what is pending, as well as can be.
func (w *world) comeToRest() {
	for range 200 {
		acts := sortedActs(w.pending)
		switch {
		case len(acts) > 0:
			w.happen(w.answersOf(acts[w.random.IntN(len(acts))])[0])
		case w.timers[NoteDue] && !w.asked: // sooner than the other: a note is tried again on the way of that
			w.happen(NoteDue)
		case w.timers[RetryDue] && !w.asked:
			w.happen(RetryDue)
		case w.timers[OpeningOver] && !w.asked:
			w.happen(OpeningOver)
		case w.timers[PauseOver] && w.state.Program == Backoff && !w.asked:
			w.happen(PauseOver)
		case w.state.Program == Backoff && !w.asked:
			w.fail("nobody starts the program again")
		default:
			return
		}
	}
	w.fail("it never comes to rest")
}

// TestEndEndsFromEverywhere: AskEnd leads to the end from each reachable state.
func TestEndEndsFromEverywhere(t *testing.T) {
	for seed := range uint64(3000) {
		w := newWorld(t, seed)
		for range w.random.IntN(120) {
			w.step()
		}
		if !w.state.Over() {
			w.happen(AskEnd)
		}
		w.comeToRest()
		if !w.state.Over() {
			w.fail("ota does not end")
		}
		if w.alive {
			w.fail("the program is left behind")
		}
	}
}

// TestAnotherMayTakeOverSoon: with somebody who asks for it, a moment comes from
// each reachable state at which another ota may take over, as soon as all that is
// under way has ended and a trial is over.
func TestAnotherMayTakeOverSoon(t *testing.T) {
	calledOff := 0
	for seed := range uint64(3000) {
		w := newWorld(t, seed)
		for range w.random.IntN(120) {
			w.step()
		}
		if w.asked {
			continue
		}
		for range 300 {
			if w.state.MayLeave() {
				break
			}
			if before := w.state.Attempt; before == Preparing || before == Deferred {
				calledOff++
			}
			w.happen(AskLeave)
			w.hasten()
		}
		if !w.state.MayLeave() {
			w.fail("nobody may ever take over")
		}
	}
	if calledOff == 0 {
		t.Error("nothing was ever called off")
	}
}

// hasten lets the next thing happen that happens by itself.
func (w *world) hasten() {
	var possible []Event
	for _, act := range sortedActs(w.pending) {
		possible = append(possible, w.answersOf(act)...)
	}
	if len(possible) == 0 {
		for _, timer := range []Event{NoteDue, OpeningOver, PauseOver, RetryDue} {
			if w.timers[timer] {
				possible = append(possible, timer)
			}
		}
	}
	if len(possible) == 0 && w.state.Standing == OnTrial && w.alive {
		possible = append(possible, Proved)
	}
	if len(possible) > 0 {
		w.happen(possible[w.random.IntN(len(possible))])
	}
}

// TestTheDeviceIsNotTakenDownForEver: with the power going again and again, at
// any moment and however soon after a start, a release on trial is started in a
// few boots only, and at last there is one that is not on trial, or nothing to
// go back to.
func TestTheDeviceIsNotTakenDownForEver(t *testing.T) {
	for seed := range uint64(2000) {
		w := newWorld(t, seed)
		for range w.random.IntN(60) {
			w.step()
		}
		w.sick = true
		clear(w.disk.boots)
		for boots := 0; ; boots++ {
			w.boot()
			if boots > 20*(len(w.disk.good)+2) {
				w.fail("the device goes down for ever")
			}
			for range w.random.IntN(12) {
				w.advance()
			}
			for number, times := range w.disk.boots {
				if times > attempts {
					w.fail(fmt.Sprintf("release %d was started in %d boots of its trial", number, times))
				}
			}
			if !w.disk.onTrial || w.state.Standing == Unproven {
				break
			}
		}
	}
}

// advance answers what is pending and lets time pass; nobody does anything, and
// the power goes before a release could prove itself.
func (w *world) advance() {
	acts := sortedActs(w.pending)
	acts = slices.DeleteFunc(acts, func(act Act) bool { return act == Confirm })
	switch {
	case len(acts) > 0:
		possible := w.answersOf(acts[w.random.IntN(len(acts))])
		w.happen(possible[w.random.IntN(len(possible))])
	case w.timers[RetryDue]:
		w.happen(RetryDue)
	case w.timers[OpeningOver]:
		w.happen(OpeningOver)
	case w.timers[PauseOver]:
		w.happen(PauseOver)
	}
}
