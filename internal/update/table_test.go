package update

import (
	"fmt"
	"strings"
	"testing"
)

var allAttempts = []Attempt{
	Opening, Adopting, Idle, Preparing, Held, Deferred, Withdrawn, Unwanted, Reverting, Halting, Switching, Refreshing, Torn, Finishing, Unfinished, Returning, Discarding,
}

var allPrograms = []Program{Stopped, Waiting, Finished, Backoff, Halted, Gone, Running, Stopping, Restarting, Yielding, Ending}

var allStandings = []Standing{Settled, OnTrial, Proven, Condemned, Stranded, Unproven}

var allEvents = []Event{
	Complete, Empty, Waits, Changed, OpeningOver, Adopted, Prepared, Unchanged, Disturbed, Refused, Hindered, NothingPrior,
	Postponed, Due, DueAlive, CalledOff, Switched, SwitchedSure, SwitchUndone, BackUndone, SwitchTorn, Whole, Unadopted, PutAway, NotPutAway,
	GivenBack, NotGivenBack, Discarded, NotDiscarded, RetryDue, Proved, Failed, Noted, NotNoted, NoteDue,
	Down, EndedWell, Crashed, CrashedOut, NoProgram, Unequipped, PauseOver,
	AskStart, AskStop, AskRestart, AskApply, AskNow, AskRetry, AskDiscard, AskRollback, AskEnd, AskLeave,
}

// answers are what an act that takes time can answer with.
var answers = map[Act][]Event{
	Adopt:    {Adopted},
	Prepare:  {Prepared, Unchanged, Disturbed, Refused, Hindered},
	Defer:    {Due, DueAlive, CalledOff, Postponed},
	Revert:   {Prepared, Refused, Hindered, NothingPrior},
	StopAll:  {Down},
	Switch:   {Switched, SwitchedSure, SwitchUndone, BackUndone, SwitchTorn},
	Mend:     {Switched, SwitchedSure, SwitchUndone, BackUndone, SwitchTorn, Whole, Unadopted},
	Clear:    {PutAway, NotPutAway},
	GiveBack: {GivenBack, NotGivenBack},
	Discard:  {Discarded, NotDiscarded},
	Confirm:  {Noted, NotNoted},
}

// TestNoTwoRowsFit: the order of the rows must not matter.
func TestNoTwoRowsFit(t *testing.T) {
	for _, attempt := range allAttempts {
		for _, program := range allPrograms {
			for _, standing := range allStandings {
				for _, event := range allEvents {
					oneRowFits(t, State{attempt, program, standing}, event)
				}
			}
		}
	}
}

func oneRowFits(t *testing.T, state State, event Event) {
	t.Helper()
	var fitting []string
	for i, row := range table {
		if row.fits(state, event) {
			fitting = append(fitting, fmt.Sprint(i))
		}
	}
	if len(fitting) > 1 {
		t.Errorf("%v + %s fits the rows %s", state, event, strings.Join(fitting, " and "))
	}
}
