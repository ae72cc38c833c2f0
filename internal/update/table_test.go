package update

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

var allAttempts = []Attempt{Opening, Adopting, Idle, Preparing, Held, Halting, Switching, Torn, Finishing, Unfinished}

var allPrograms = []Program{Stopped, Waiting, Finished, Backoff, Halted, Gone, Running, Stopping, Restarting, Yielding, Ending}

var allEvents = []Event{
	Complete, Empty, Waits, Changed, OpeningOver, Adopted, Prepared, Unchanged, Disturbed, Refused, Hindered, Switched, SwitchUndone,
	SwitchTorn, PutAway, NotPutAway, RetryDue, Down, EndedWell, Crashed, NoProgram, PauseOver,
	AskStart, AskStop, AskRestart, AskApply, AskEnd,
}

// answers are what an act that takes time can answer with.
var answers = map[Act][]Event{
	Adopt:   {Adopted},
	Prepare: {Prepared, Unchanged, Disturbed, Refused, Hindered},
	StopAll: {Down},
	Switch:  {Switched, SwitchUndone, SwitchTorn},
	Mend:    {Switched, SwitchUndone, SwitchTorn},
	Clear:   {PutAway, NotPutAway},
}

// TestNoTwoRowsFit: the order of the rows must not matter.
func TestNoTwoRowsFit(t *testing.T) {
	for _, attempt := range allAttempts {
		for _, program := range allPrograms {
			for _, event := range allEvents {
				var fitting []string
				for i, row := range table {
					if row.fits(State{attempt, program}, event) {
						fitting = append(fitting, fmt.Sprint(i))
					}
				}
				if len(fitting) > 1 {
					t.Errorf("%s, %s + %s fits the rows %s", attempt, program, event, strings.Join(fitting, " and "))
				}
			}
		}
	}
}

// world is what the machine acts upon: it does what the acts say and notes each
// broken promise.
type world struct {
	t        *testing.T
	random   *rand.Rand
	state    State
	alive    bool         // a process of the program exists
	mixture  bool         // main/ is between two releases
	pending  map[Act]bool // acts that have not answered yet
	timers   map[Event]bool
	asked    bool // AskEnd was given
	history  []string
	cuts     int
	restarts int
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, random: rand.New(rand.NewPCG(seed, 1))}
	w.boot()
	return w
}

// boot is the beginning of ota, also after a power cut at any moment: what was
// running is gone, and a switch that had begun is carried to its end.
func (w *world) boot() {
	w.alive, w.asked = false, false
	w.pending, w.timers = map[Act]bool{}, map[Event]bool{}
	starts := []func(){
		func() { w.enter(State{Opening, Halted}, Look, Wait) },
		func() { w.enter(State{Adopting, Halted}, Look, Wait, Adopt) },
	}
	if w.mixture {
		starts = []func(){
			func() { w.mixture = false; w.enter(State{Finishing, Restarting}, StopAll, Clear) },
			func() { w.enter(State{Torn, Halted}, MendSoon) },
		}
	}
	starts[w.random.IntN(len(starts))]()
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
		possible = append(possible, answers[act]...)
	}
	for _, timer := range []Event{PauseOver, RetryDue, OpeningOver} {
		if w.timers[timer] {
			possible = append(possible, timer)
		}
	}
	if w.state.Program == Running && w.alive {
		possible = append(possible, EndedWell, Crashed)
	}
	if !w.state.Over() {
		possible = append(possible, Complete, Empty, Waits, Changed, AskStart, AskStop, AskRestart, AskApply)
		if w.random.IntN(30) == 0 {
			possible = append(possible, AskEnd)
		}
	}
	if len(possible) == 0 {
		return "", false
	}
	return possible[w.random.IntN(len(possible))], true
}

func (w *world) happen(event Event) {
	w.history = append(w.history, string(event))
	for act, events := range answers {
		if w.pending[act] && slices.Contains(events, event) {
			delete(w.pending, act)
		}
	}
	delete(w.timers, event)
	switch event {
	case Down, EndedWell, Crashed:
		w.alive = false
	case Switched, SwitchUndone:
		w.mixture = false
	case AskEnd:
		w.asked = true
	}
	state, acts := Next(w.state, event)
	w.enter(state, acts...)
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
		w.restarts++
		switch {
		case w.alive:
			w.fail("two programs at once")
		case w.pending[Switch], w.pending[Mend], w.mixture:
			w.fail("a start inside a switch")
		case w.asked:
			w.fail("a start although ota ends")
		}
		w.alive = true
		if w.random.IntN(4) == 0 { // there is nothing to start, or it can't be
			w.alive = false
			event := []Event{NoProgram, Crashed}[w.random.IntN(2)]
			w.history = append(w.history, string(event))
			state, acts := Next(w.state, event)
			w.enter(state, acts...)
		}
	case Switch, Mend:
		if w.alive {
			w.fail("a switch under a running program")
		}
		w.mixture = true
	case Prepare:
		if w.pending[Switch] || w.pending[Mend] || w.pending[Clear] {
			w.fail("an upload is prepared inside a switch")
		}
	case Pause:
		w.timers[PauseOver] = true
	case RetrySoon, RetryLate, MendSoon:
		w.timers[RetryDue] = true
	case Wait:
		w.timers[OpeningOver] = true
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
				w.cuts++
				w.boot()
			}
		}
		if w.restarts == 0 {
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
		for range w.random.IntN(60) {
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
	}
}

// comeToRest answers what is pending, as well as can be.
func (w *world) comeToRest() {
	for range 100 {
		acts := sortedActs(w.pending)
		switch {
		case len(acts) > 0:
			w.happen(answers[acts[w.random.IntN(len(acts))]][0])
		case w.timers[RetryDue] && !w.asked:
			w.happen(RetryDue)
		case w.timers[OpeningOver] && !w.asked:
			w.happen(OpeningOver)
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
		for range w.random.IntN(80) {
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
