package update

import (
	"cmp"
	"slices"
)

// The state machine. Everything that ota does is a row of a table; it holds no
// clock, no disk and no process, so that its promises can be tested by feeding
// it events in any order. The rows are in rows.go.

// Attempt is where an upload, or a rollback, is on its way into main/.
type Attempt string

// The states of an attempt.
const (
	Opening    Attempt = "opening"    // what lies in deposit/ when ota begins is taken in before the first start
	Adopting   Attempt = "adopting"   // what is in main/ at the first start becomes release 1
	Idle       Attempt = "idle"       // nothing is on its way
	Preparing  Attempt = "preparing"  // sealed, judged and staged while the program runs
	Held       Attempt = "held"       // refused; its files stay in deposit/
	Deferred   Attempt = "deferred"   // staged; waits until the program may be interrupted
	Withdrawn  Attempt = "withdrawn"  // makes way for a rollback that somebody asked for
	Unwanted   Attempt = "unwanted"   // is about to be discarded
	Reverting  Attempt = "reverting"  // an earlier release is staged while the program runs
	Halting    Attempt = "halting"    // staged; waits until the program is gone
	Switching  Attempt = "switching"  // main/ is being changed
	Refreshing Attempt = "refreshing" // main/ is being changed under the running program, which asked for no restart
	Torn       Attempt = "torn"       // main/ is a mixture; nothing starts until it is not
	Finishing  Attempt = "finishing"  // main/ is changed; old versions and names are put away
	Unfinished Attempt = "unfinished" // that failed; it is tried again
	Returning  Attempt = "returning"  // the files of a release that failed go back to deposit/
	Discarding Attempt = "discarding" // what is in deposit/ is put away on request
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

// Standing is what is thought of the release in main/.
type Standing string

// The standings.
const (
	Settled   Standing = "settled"   // confirmed, adopted, or there is none
	OnTrial   Standing = "on trial"  // runs and has not yet proved itself
	Proven    Standing = "proven"    // has; that is being written down
	Condemned Standing = "condemned" // has failed; it is rolled back as soon as nothing else is on its way
	Stranded  Standing = "stranded"  // has failed; going back does not work for now and is tried again
	Unproven  Standing = "unproven"  // has failed; there is nothing to go back to
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
	Refused      Event = "refused"   // until somebody changes something
	Hindered     Event = "hindered"  // by the device, no room for one
	NothingPrior Event = "nothing before it"
	Postponed    Event = "postponed" // the program is busy, or it is not the time
	Due          Event = "due"       // the program may be interrupted now
	DueAlive     Event = "due alive" // the same; what is to change needs no restart of the program that runs
	CalledOff    Event = "called off"
	Switched     Event = "switched"
	SwitchedSure Event = "switched without a trial"
	SwitchUndone Event = "switch undone"   // it failed; the old release is in main/
	BackUndone   Event = "rollback undone" // the same of a rollback
	SwitchTorn   Event = "switch torn"     // it failed, and undoing it too
	Whole        Event = "whole"           // no switch was under way after all
	Unadopted    Event = "whole, not adopted"
	PutAway      Event = "put away"
	NotPutAway   Event = "not put away"
	GivenBack    Event = "given back"
	NotGivenBack Event = "not given back"
	Discarded    Event = "discarded"
	NotDiscarded Event = "not discarded"
	RetryDue     Event = "retry due"
	OpeningOver  Event = "opening over"
	// of a trial
	Proved   Event = "proved itself"
	Failed   Event = "failed"
	Noted    Event = "noted" // as confirmed
	NotNoted Event = "not noted"
	NoteDue  Event = "note due"
	// of the program
	Down       Event = "down"       // nothing of it is left
	EndedWell  Event = "ended well" // exit code 0
	Crashed    Event = "crashed"    // anything else, or it could not be started
	CrashedOut Event = "crashed too often for its trial"
	NoProgram  Event = "no program" // there is nothing to start
	Unequipped Event = "unequipped" // it can't be started before its environment is made
	PauseOver  Event = "pause over"
	// of people
	AskStart    Event = "start"
	AskStop     Event = "stop"
	AskRestart  Event = "restart"
	AskApply    Event = "apply"
	AskNow      Event = "apply now"
	AskRetry    Event = "retry"
	AskDiscard  Event = "discard"
	AskRollback Event = "rollback"
	AskEnd      Event = "end"
	AskLeave    Event = "leave" // another ota takes over, see State.MayLeave
)

// Act is something to do. Acts that take time answer with an event.
type Act string

// The acts.
const (
	Adopt     Act = "adopt"      // → Adopted
	Prepare   Act = "prepare"    // → Prepared, Unchanged, Disturbed, Refused, Hindered
	Defer     Act = "defer"      // → Postponed, then Due, DueAlive, CalledOff
	Hurry     Act = "hurry"      // a Defer under way, which then answers Due
	Revert    Act = "revert"     // → Prepared, Refused, Hindered, NothingPrior
	Cancel    Act = "cancel"     // a Prepare or Defer under way, which then answers soon
	StopAll   Act = "stop"       // the program and all that it started → Down
	Switch    Act = "switch"     // → Switched, SwitchedSure, SwitchUndone, BackUndone, SwitchTorn
	Mend      Act = "mend"       // a torn switch → the same, Whole, Unadopted
	Start     Act = "start"      // the program → Crashed, NoProgram, Unequipped; later EndedWell, Crashed, Proved, Failed
	Equip     Act = "equip"      // make the program's environment → PauseOver
	Reload    Act = "reload"     // tell the program that files have changed under it
	Watch     Act = "watch"      // the program that runs, once more → Proved
	Clear     Act = "clear"      // put old versions and names away → PutAway, NotPutAway
	GiveBack  Act = "give back"  // → GivenBack, NotGivenBack
	Discard   Act = "discard"    // → Discarded, NotDiscarded
	Confirm   Act = "confirm"    // → Noted, NotNoted
	Drop      Act = "drop"       // what was prepared
	Pause     Act = "pause"      // → PauseOver
	RetrySoon Act = "retry soon" // → RetryDue
	RetryLate Act = "retry late" // → RetryDue; each try costs the program a restart
	MendSoon  Act = "mend soon"  // → RetryDue; sooner, as nothing runs
	NoteSoon  Act = "note soon"  // → NoteDue
	Wait      Act = "wait"       // for the first word of the deposit → OpeningOver
	Look      Act = "look"       // again into deposit/ → Complete, if it is
	Again     Act = "again"      // look, and take also what has failed before
	Apply     Act = "apply"      // take what is in deposit/ now → Complete, if possible
)

// State is the whole state of the machine.
type State struct {
	Attempt  Attempt
	Program  Program
	Standing Standing
}

// Over reports whether ota may end: the program is gone, and so is every act
// that must not be left in its middle.
func (s State) Over() bool {
	return s.Program == Gone && slices.Contains(atRest, s.Attempt)
}

// MayLeave reports whether another ota may take over: every act has answered, and
// nothing is judged just now. What goes on by itself (a pause, an environment
// being made, the watch of a release with nothing to go back to) can be begun
// anew.
func (s State) MayLeave() bool {
	// A trial does not go on while the program is not to run.
	isUntried := slices.Contains(untried, s.Standing) || s.Standing == OnTrial && slices.Contains(resting, s.Program)
	return slices.Contains(free, s.Attempt) && slices.Contains(settled, s.Program) && isUntried
}

// mayRefresh reports whether main/ may be changed under the program: it runs, and
// nothing has to be rolled back first.
func (s State) mayRefresh() bool {
	return s.Attempt == Deferred && s.Program == Running && slices.Contains(sound, s.Standing)
}

// row says: in these states, after these events, this is next. No list stands
// for every state, an empty next state for "as it was".
type row struct {
	attempts  []Attempt
	programs  []Program
	standings []Standing
	events    []Event
	next      State
	acts      []Act
}

func (r row) fits(state State, event Event) bool {
	return (r.attempts == nil || slices.Contains(r.attempts, state.Attempt)) &&
		(r.programs == nil || slices.Contains(r.programs, state.Program)) &&
		(r.standings == nil || slices.Contains(r.standings, state.Standing)) &&
		slices.Contains(r.events, event)
}

// Next looks event up in the table: the state after it, and what is to be done
// then, in this order. An event that fits no row changes nothing.
func Next(state State, event Event) (State, []Act) {
	for _, row := range table {
		if row.fits(state, event) {
			return State{
				Attempt:  cmp.Or(row.next.Attempt, state.Attempt),
				Program:  cmp.Or(row.next.Program, state.Program),
				Standing: cmp.Or(row.next.Standing, state.Standing),
			}, row.acts
		}
	}
	return state, nil
}
