package update

import (
	"cmp"
	"slices"
)

// The state machine. Everything that ota does is a row of this table; it holds
// no clock, no disk and no process, so that its promises can be tested by
// feeding it events in any order.

// Attempt is where an upload is on its way into main/.
type Attempt string

// The states of an attempt.
const (
	Opening    Attempt = "opening"    // what lies in deposit/ when ota begins is taken in before the first start
	Adopting   Attempt = "adopting"   // what is in main/ at the first start becomes release 1
	Idle       Attempt = "idle"       // no upload is on its way
	Preparing  Attempt = "preparing"  // sealed, judged and staged while the program runs
	Held       Attempt = "held"       // refused; its files stay in deposit/
	Halting    Attempt = "halting"    // staged; waits until the program is gone
	Switching  Attempt = "switching"  // main/ is being changed
	Torn       Attempt = "torn"       // main/ is a mixture; nothing starts until it is not
	Finishing  Attempt = "finishing"  // main/ is changed; old versions and names are put away
	Unfinished Attempt = "unfinished" // that failed; it is tried again
)

// Program is what the supervised program does.
type Program string

// The states of the program. In those up to Gone nothing of it runs, but for
// what Finished and Backoff may have left behind, which is ended before the next
// start.
const (
	Stopped    Program = "stopped"    // on request
	Waiting    Program = "waiting"    // there is nothing to run in main/
	Finished   Program = "finished"   // it ended by itself with exit code 0
	Backoff    Program = "backoff"    // it failed and is started again after a pause
	Halted     Program = "halted"     // down for a switch, started after it
	Gone       Program = "gone"       // down for good: ota ends
	Running    Program = "running"    //
	Stopping   Program = "stopping"   // being ended; then Stopped
	Restarting Program = "restarting" // being ended, with what is left of it; then started
	Yielding   Program = "yielding"   // being ended for a switch; then Halted
	Ending     Program = "ending"     // being ended; then Gone
)

// Event is something that happened.
type Event string

// The events.
const (
	// of the deposit
	Complete Event = "upload complete"
	Empty    Event = "deposit empty"
	Waits    Event = "upload waits" // for something that may take long
	Changed  Event = "upload changed"
	// of an attempt: how an act ended
	Adopted      Event = "adopted" // as far as that was possible
	Prepared     Event = "prepared"
	Unchanged    Event = "nothing changed"
	Disturbed    Event = "disturbed" // the upload changed while it was sealed
	Refused      Event = "refused"   // until somebody changes the upload
	Hindered     Event = "hindered"  // by the device, no room for one
	Switched     Event = "switched"
	SwitchUndone Event = "switch undone" // it failed; the old release is in main/
	SwitchTorn   Event = "switch torn"   // it failed, and undoing it too
	PutAway      Event = "put away"
	NotPutAway   Event = "not put away"
	RetryDue     Event = "retry due"
	OpeningOver  Event = "opening over"
	// of the program
	Down      Event = "down"       // nothing of it is left
	EndedWell Event = "ended well" // exit code 0
	Crashed   Event = "crashed"    // anything else, or it could not be started
	NoProgram Event = "no program" // there is nothing to start
	PauseOver Event = "pause over"
	// of people
	AskStart   Event = "start"
	AskStop    Event = "stop"
	AskRestart Event = "restart"
	AskApply   Event = "apply"
	AskEnd     Event = "end"
)

// Act is something to do. Acts that take time answer with an event.
type Act string

// The acts.
const (
	Adopt     Act = "adopt"      // → Adopted
	Prepare   Act = "prepare"    // → Prepared, Unchanged, Disturbed, Refused, Hindered
	Cancel    Act = "cancel"     // a Prepare under way, which then answers soon
	StopAll   Act = "stop"       // the program and all that it started → Down
	Switch    Act = "switch"     // → Switched, SwitchUndone, SwitchTorn
	Mend      Act = "mend"       // a torn switch → Switched, SwitchUndone, SwitchTorn
	Start     Act = "start"      // the program → Crashed, NoProgram; later EndedWell, Crashed
	Clear     Act = "clear"      // put old versions and names away → PutAway, NotPutAway
	Drop      Act = "drop"       // what was prepared
	Pause     Act = "pause"      // → PauseOver
	RetrySoon Act = "retry soon" // → RetryDue
	RetryLate Act = "retry late" // → RetryDue; each try costs the program a restart
	MendSoon  Act = "mend soon"  // → RetryDue; sooner, as nothing runs
	Wait      Act = "wait"       // for the first word of the deposit → OpeningOver
	Look      Act = "look"       // again into deposit/ → Complete, if it is
	Apply     Act = "apply"      // take what is in deposit/ now → Complete, if possible
)

// State is the whole state of the machine.
type State struct {
	Attempt Attempt
	Program Program
}

// Over reports whether ota may end: the program is gone, and so is every act
// that must not be left in its middle.
func (s State) Over() bool {
	return s.Program == Gone && slices.Contains(atRest, s.Attempt)
}

// row says: in these states, after these events, this is next. No list stands
// for every state, an empty next state for "as it was".
type row struct {
	attempts []Attempt
	programs []Program
	events   []Event
	next     State
	acts     []Act
}

// Groups of states that rows have in common.
var (
	free      = []Attempt{Idle, Held}                                             // for the next upload
	beside    = []Attempt{Adopting, Idle, Held, Preparing, Finishing, Unfinished} // the program comes and goes
	switching = []Attempt{Switching, Torn}
	atRest    = []Attempt{Opening, Idle, Held, Torn, Unfinished}
	willing   = []Program{Running, Waiting, Finished, Backoff} // to be started after a switch
	settled   = []Program{Running, Waiting, Finished, Backoff, Stopped}
	moving    = []Program{Stopping, Restarting, Yielding}
	staying   = []Program{Running, Waiting, Finished, Backoff, Stopped, Halted, Stopping, Restarting, Yielding}
	leaving   = []Program{Ending, Gone}
	known     = []Program{Running, Waiting, Finished, Backoff, Stopped, Stopping, Restarting, Ending, Gone} // not Halted: started or meant not to be
)

// table holds every row. No two rows fit the same state and event; what fits no
// row changes nothing.
var table = []row{
	// The beginning: what lies in deposit/ comes first, if it is complete.
	{at(Adopting), in(Halted), on(Empty, Waits, OpeningOver, AskStart, AskRestart), State{"", Running}, do(Start)},
	{at(Adopting), in(Halted), on(AskStop), State{"", Stopped}, nil},
	{at(Adopting), in(Halted), on(Adopted), State{Opening, ""}, do(Look)},
	{at(Adopting), known, on(Adopted), State{Idle, ""}, do(Look)},
	{at(Opening), in(Halted), on(Complete), State{Preparing, ""}, do(Prepare)},
	{at(Opening), in(Halted), on(Empty, Waits, OpeningOver), State{Idle, Running}, do(Start)},
	{at(Opening), in(Halted), on(AskStart, AskRestart), State{Idle, Running}, do(Start, Look)},
	{at(Opening), in(Halted), on(AskStop), State{Idle, Stopped}, do(Look)},
	{at(Preparing), in(Halted), on(Prepared), State{Switching, ""}, do(Switch)},
	{at(Preparing), in(Halted), on(Unchanged, Disturbed), State{Idle, Running}, do(Start, Look)},
	{at(Preparing), in(Halted), on(Refused), State{Held, Running}, do(Start)},
	{at(Preparing), in(Halted), on(Hindered), State{Held, Running}, do(Start, RetrySoon)},
	{at(Preparing), in(Halted), on(AskStop), State{"", Stopped}, nil},

	// An upload on its way.
	{free, staying, on(Complete), State{Preparing, ""}, do(Prepare)},
	{at(Held), staying, on(Changed, Empty, Waits), State{Idle, ""}, nil},
	{at(Held), staying, on(RetryDue), State{Idle, ""}, do(Look)},
	{free, staying, on(AskApply), State{Idle, ""}, do(Apply)},
	{at(Preparing), known, on(Unchanged, Disturbed), State{Idle, ""}, do(Look)},
	{at(Preparing), known, on(Refused), State{Held, ""}, nil},
	{at(Preparing), known, on(Hindered), State{Held, ""}, do(RetrySoon)},
	{at(Preparing), willing, on(Prepared), State{Halting, Yielding}, do(StopAll)},
	{at(Preparing), in(Restarting), on(Prepared), State{Halting, Yielding}, nil},
	{at(Preparing), in(Stopped), on(Prepared), State{Halting, Stopping}, do(StopAll)},
	{at(Preparing), in(Stopping), on(Prepared), State{Halting, ""}, nil},
	{at(Preparing), leaving, on(Prepared), State{Idle, ""}, do(Drop)},

	// The switch.
	{at(Halting), in(Yielding), on(Down), State{Switching, Halted}, do(Switch)},
	{at(Halting), in(Stopping), on(Down), State{Switching, Stopped}, do(Switch)},
	{switching, in(Halted), on(Switched), State{Finishing, Running}, do(Start, Clear)},
	{switching, in(Stopped, Ending, Gone), on(Switched), State{Finishing, ""}, do(Clear)},
	{switching, in(Halted), on(SwitchUndone), State{Held, Running}, do(Start, RetryLate)},
	{switching, in(Stopped, Ending, Gone), on(SwitchUndone), State{Held, ""}, do(RetryLate)},
	{switching, nil, on(SwitchTorn), State{Torn, ""}, do(MendSoon)},
	{at(Torn), staying, on(RetryDue), State{Switching, ""}, do(Mend)},
	{at(Finishing), nil, on(PutAway), State{Idle, ""}, do(Look)},
	{at(Finishing), nil, on(NotPutAway), State{Unfinished, ""}, do(RetrySoon)},
	{at(Unfinished), staying, on(RetryDue), State{Finishing, ""}, do(Clear)},

	// The program by itself.
	{beside, in(Running), on(EndedWell), State{"", Finished}, nil},
	{beside, in(Running), on(Crashed), State{"", Backoff}, do(Pause)},
	{beside, in(Running), on(NoProgram), State{"", Waiting}, nil},
	{beside, in(Backoff), on(PauseOver), State{"", Restarting}, do(StopAll)},
	{beside, in(Restarting), on(Down), State{"", Running}, do(Start)},
	{beside, in(Stopping), on(Down), State{"", Stopped}, nil},

	// What people ask for.
	{beside, in(Stopped, Waiting, Finished, Backoff), on(AskStart), State{"", Restarting}, do(StopAll)},
	{beside, settled, on(AskRestart), State{"", Restarting}, do(StopAll)},
	{beside, in(Stopping), on(AskStart, AskRestart), State{"", Restarting}, nil},
	{beside, willing, on(AskStop), State{"", Stopping}, do(StopAll)},
	{beside, in(Restarting), on(AskStop), State{"", Stopping}, nil},
	{at(Halting), in(Yielding), on(AskStop), State{"", Stopping}, nil},
	{at(Halting), in(Stopping), on(AskStart, AskRestart), State{"", Yielding}, nil},
	{switching, in(Halted), on(AskStop), State{"", Stopped}, nil},
	{switching, in(Stopped), on(AskStart, AskRestart), State{"", Halted}, nil},

	// The end. A switch that has begun is carried to its end.
	{nil, settled, on(AskEnd), State{"", Ending}, do(Cancel, StopAll)},
	{nil, in(Halted), on(AskEnd), State{"", Gone}, do(Cancel)},
	{nil, moving, on(AskEnd), State{"", Ending}, do(Cancel)},
	{beside, in(Ending), on(Down), State{"", Gone}, nil},
	{switching, in(Ending), on(Down), State{"", Gone}, nil},
	{at(Halting), in(Ending), on(Down), State{Idle, Gone}, do(Drop)},
}

func at(attempts ...Attempt) []Attempt { return attempts }
func in(programs ...Program) []Program { return programs }
func on(events ...Event) []Event       { return events }
func do(acts ...Act) []Act             { return acts }

func (r row) fits(state State, event Event) bool {
	return (r.attempts == nil || slices.Contains(r.attempts, state.Attempt)) &&
		(r.programs == nil || slices.Contains(r.programs, state.Program)) &&
		slices.Contains(r.events, event)
}

// Next looks event up in the table: the state after it, and what is to be done
// then, in this order. An event that fits no row changes nothing.
func Next(state State, event Event) (State, []Act) {
	for _, row := range table {
		if row.fits(state, event) {
			return State{
				Attempt: cmp.Or(row.next.Attempt, state.Attempt),
				Program: cmp.Or(row.next.Program, state.Program),
			}, row.acts
		}
	}
	return state, nil
}
