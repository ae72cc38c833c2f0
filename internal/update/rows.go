package update

// Groups of states that rows have in common.
var (
	free      = []Attempt{Idle, Held} // for the next upload
	switching = []Attempt{Switching, Torn}
	atRest    = []Attempt{Opening, Idle, Held, Torn, Unfinished}
	// The program comes and goes beside these.
	beside = []Attempt{Adopting, Idle, Held, Preparing, Deferred, Withdrawn, Unwanted, Reverting, Finishing, Unfinished, Returning, Discarding}
	// In these the history is as it was, so that a release can be confirmed.
	recorded   = []Attempt{Adopting, Idle, Held, Preparing, Deferred, Withdrawn, Unwanted, Reverting, Discarding}
	unrecorded = []Attempt{Finishing, Unfinished, Returning}

	willing = []Program{Running, Waiting, Finished, Backoff} // to be started after a switch
	settled = []Program{Running, Waiting, Finished, Backoff, Stopped}
	resting = []Program{Waiting, Finished, Stopped} // until somebody does something
	moving  = []Program{Stopping, Restarting, Yielding}
	staying = []Program{Running, Waiting, Finished, Backoff, Stopped, Halted, Stopping, Restarting, Yielding}
	present = []Program{Running, Waiting, Finished, Backoff, Stopped, Stopping, Restarting} // not in the middle of a switch
	quiet   = []Program{Running, Waiting, Finished, Stopped, Stopping, Restarting}          // needs nobody to start it again
	leaving = []Program{Ending, Gone}
	known   = []Program{Running, Waiting, Finished, Backoff, Stopped, Stopping, Restarting, Ending, Gone} // not Halted: started or meant not to be

	still = []Program{Stopped, Ending, Gone} // not to be started after a switch

	sound  = []Standing{Settled, OnTrial, Proven, Stranded, Unproven} // nothing to be rolled back first
	noted  = []Standing{Settled, OnTrial, Stranded, Unproven}         // nothing to be written down first
	unsure = []Standing{OnTrial, Unproven}
	// Nobody decides about the release just now.
	untried = []Standing{Settled, Stranded, Unproven}
	sure    = []Standing{Settled, Proven, Condemned, Stranded} // nobody watches
)

// table holds every row. No two rows fit the same state and event; what fits no
// row changes nothing.
var table = []row{
	// The beginning: what lies in deposit/ comes first, if it is complete.
	{at(Adopting), in(Halted), nil, on(Empty, Waits, OpeningOver, AskStart, AskRestart), State{Program: Running}, do(Start)},
	{at(Adopting), in(Halted), nil, on(AskStop), State{Program: Stopped}, nil},
	{at(Adopting), in(Halted), nil, on(Adopted), State{Attempt: Opening}, do(Look)},
	{at(Adopting), known, nil, on(Adopted), State{Attempt: Idle}, do(Look)},
	{at(Opening), in(Halted), nil, on(Complete), State{Attempt: Preparing}, do(Prepare)},
	{at(Opening), in(Halted), nil, on(Empty, Waits, OpeningOver), State{Attempt: Idle, Program: Running}, do(Start)},
	{at(Opening), in(Halted), nil, on(AskStart, AskRestart), State{Attempt: Idle, Program: Running}, do(Start, Look)},
	{at(Opening), in(Halted), nil, on(AskStop), State{Attempt: Idle, Program: Stopped}, do(Look)},
	{at(Preparing), in(Halted), nil, on(Prepared), State{Attempt: Deferred}, do(Defer)},
	{at(Preparing), in(Halted), nil, on(Unchanged, Disturbed), State{Attempt: Idle, Program: Running}, do(Start, Look)},
	{at(Preparing), in(Halted), nil, on(Refused), State{Attempt: Held, Program: Running}, do(Start)},
	{at(Preparing), in(Halted), nil, on(Hindered), State{Attempt: Held, Program: Running}, do(Start, RetrySoon)},
	{at(Deferred), in(Halted), nil, on(Due), State{Attempt: Switching}, do(Switch)},
	{at(Deferred), in(Halted), nil, on(Postponed), State{Program: Running}, do(Start)},
	{at(Deferred), in(Halted), nil, on(CalledOff), State{Attempt: Idle, Program: Running}, do(Drop, Start, Look)},
	{at(Preparing, Deferred, Reverting), in(Halted), nil, on(AskStop), State{Program: Stopped}, nil},

	// An upload on its way.
	{free, staying, nil, on(Complete), State{Attempt: Preparing}, do(Prepare)},
	{at(Held), staying, nil, on(Changed, Empty, Waits), State{Attempt: Idle}, nil},
	{free, staying, being(Settled, OnTrial, Unproven), on(RetryDue), State{Attempt: Returning}, do(GiveBack)},
	{free, staying, being(Proven), on(RetryDue), State{Attempt: Idle}, do(RetrySoon, Look)},
	{free, staying, nil, on(AskApply, AskNow), State{Attempt: Idle}, do(Apply)},
	{free, staying, nil, on(AskRetry), State{Attempt: Idle}, do(Again)},
	{free, staying, nil, on(AskDiscard), State{Attempt: Discarding}, do(Discard)},
	{at(Preparing), known, sound, on(Unchanged, Disturbed), State{Attempt: Idle}, do(Look)},
	{at(Preparing), known, sound, on(Refused), State{Attempt: Held}, nil},
	{at(Preparing), known, sound, on(Hindered), State{Attempt: Held}, do(RetrySoon)},
	{at(Preparing), present, sound, on(Prepared), State{Attempt: Deferred}, do(Defer)},
	{at(Preparing), leaving, nil, on(Prepared), State{Attempt: Idle}, do(Drop)},
	{at(Preparing), nil, nil, on(Complete, Changed, Empty, Waits), State{}, do(Cancel)}, // what was judged is not what is there
	{at(Preparing, Deferred), present, nil, on(AskDiscard), State{Attempt: Unwanted}, do(Cancel)},
	{at(Unwanted), present, nil, on(Prepared, Due, CalledOff), State{Attempt: Discarding}, do(Drop, Discard)},
	{at(Unwanted), present, nil, on(Unchanged, Disturbed, Refused, Hindered), State{Attempt: Discarding}, do(Discard)},
	{at(Discarding), nil, sound, on(Discarded), State{Attempt: Idle}, do(Look)},
	{at(Discarding), nil, sound, on(NotDiscarded), State{Attempt: Idle}, do(RetrySoon)}, // no look: it would lead here again

	// It waits until the program may be interrupted. More of it ends the waiting.
	{at(Deferred), present, nil, on(Complete, Changed, Empty, Waits), State{}, do(Cancel)},
	{at(Deferred), present, nil, on(AskNow), State{}, do(Hurry)},
	{at(Deferred), willing, sound, on(Due), State{Attempt: Halting, Program: Yielding}, do(StopAll)},
	{at(Deferred), in(Restarting), sound, on(Due), State{Attempt: Halting, Program: Yielding}, nil},
	{at(Deferred), in(Stopped), sound, on(Due), State{Attempt: Halting, Program: Stopping}, do(StopAll)},
	{at(Deferred), in(Stopping), sound, on(Due), State{Attempt: Halting}, nil},
	{at(Deferred), present, sound, on(CalledOff), State{Attempt: Idle}, do(Drop, Look)},
	{at(Deferred), leaving, nil, on(Due, CalledOff), State{Attempt: Idle}, do(Drop)},

	// A switch of files that the program reads while it runs.
	{at(Deferred), in(Running), sound, on(DueAlive), State{Attempt: Refreshing}, do(Switch)},
	{at(Refreshing), in(Running), nil, on(Switched), State{Finishing, Running, OnTrial}, do(Reload, Watch, Clear)},
	{at(Refreshing), in(Halted), nil, on(Switched), State{Finishing, Running, OnTrial}, do(Start, Clear)},
	{at(Refreshing), in(Restarting, Stopping, Stopped, Ending, Gone), nil, on(Switched), State{Attempt: Finishing, Standing: OnTrial}, do(Clear)},
	{at(Refreshing), in(Running), unsure, on(SwitchUndone), State{Attempt: Held}, do(Watch, RetryLate)},
	{at(Refreshing), in(Running), sure, on(SwitchUndone), State{Attempt: Held}, do(RetryLate)},
	{at(Refreshing), in(Halted), nil, on(SwitchUndone), State{Attempt: Held, Program: Running}, do(Start, RetryLate)},
	{at(Refreshing), in(Restarting, Stopping, Stopped, Ending, Gone), nil, on(SwitchUndone), State{Attempt: Held}, do(RetryLate)},
	{at(Refreshing), in(Running), nil, on(SwitchTorn), State{Attempt: Torn, Program: Yielding}, do(StopAll, MendSoon)},
	{at(Refreshing), in(Restarting), nil, on(SwitchTorn), State{Attempt: Torn, Program: Yielding}, do(MendSoon)},
	{at(Refreshing), in(Halted, Stopping, Stopped, Ending, Gone), nil, on(SwitchTorn), State{Attempt: Torn}, do(MendSoon)},
	{at(Refreshing), in(Running), nil, on(EndedWell, Crashed, CrashedOut, AskRestart), State{Program: Restarting}, do(StopAll)},
	{at(Refreshing), in(Running), nil, on(AskStop), State{Program: Stopping}, do(StopAll)},
	{at(Refreshing), in(Restarting), nil, on(Down), State{Program: Halted}, nil},
	{at(Refreshing), in(Restarting), nil, on(AskStop), State{Program: Stopping}, nil},
	{at(Refreshing), in(Stopping), nil, on(Down), State{Program: Stopped}, nil},
	{at(Refreshing), in(Stopping), nil, on(AskStart, AskRestart), State{Program: Restarting}, nil},
	{at(Refreshing), in(Stopped), nil, on(AskStart, AskRestart), State{Program: Halted}, nil},
	{at(Refreshing), in(Halted), nil, on(AskStop), State{Program: Stopped}, nil},
	{at(Refreshing), in(Ending), nil, on(Down), State{Program: Gone}, nil},
	{at(Torn), in(Yielding), nil, on(Down), State{Program: Halted}, nil},
	{at(Torn), in(Yielding), nil, on(AskStop), State{Program: Stopping}, nil},
	{at(Torn), in(Stopping), nil, on(Down), State{Program: Stopped}, nil},
	{at(Torn), in(Stopping), nil, on(AskStart, AskRestart), State{Program: Yielding}, nil},
	{at(Torn), in(Yielding, Stopping), nil, on(RetryDue), State{}, do(MendSoon)},

	// The switch.
	{at(Halting), in(Yielding), nil, on(Down), State{Attempt: Switching, Program: Halted}, do(Switch)},
	{at(Halting), in(Stopping), nil, on(Down), State{Attempt: Switching, Program: Stopped}, do(Switch)},
	{switching, in(Halted), nil, on(Switched), State{Finishing, Running, OnTrial}, do(Start, Clear)},
	{switching, in(Halted), nil, on(SwitchedSure), State{Finishing, Running, Settled}, do(Start, Clear)},
	{switching, still, nil, on(Switched), State{Attempt: Finishing, Standing: OnTrial}, do(Clear)},
	{switching, still, nil, on(SwitchedSure), State{Attempt: Finishing, Standing: Settled}, do(Clear)},
	{switching, in(Halted), nil, on(SwitchUndone), State{Attempt: Held, Program: Running}, do(Start, RetryLate)},
	{switching, still, nil, on(SwitchUndone), State{Attempt: Held}, do(RetryLate)},
	{switching, in(Halted), sound, on(BackUndone), State{Attempt: Idle, Program: Running}, do(Start, Look)},
	{switching, still, sound, on(BackUndone), State{Attempt: Idle}, do(Look)},
	{switching, in(Halted), being(Condemned), on(BackUndone), State{Idle, Running, Stranded}, do(Start, RetrySoon, Look)},
	{switching, still, being(Condemned), on(BackUndone), State{Attempt: Idle, Standing: Stranded}, do(RetrySoon, Look)},
	{switching, nil, nil, on(SwitchTorn), State{Attempt: Torn}, do(MendSoon)},
	{at(Torn), in(Halted, Stopped), nil, on(RetryDue), State{Attempt: Switching}, do(Mend)},
	{at(Switching), in(Halted), nil, on(Whole), State{Attempt: Opening}, do(Look, Wait)},
	{at(Switching), in(Halted), nil, on(Unadopted), State{Attempt: Adopting}, do(Look, Wait, Adopt)},
	{at(Switching), still, nil, on(Whole, Unadopted), State{Attempt: Idle}, do(Look)},
	{at(Finishing), nil, nil, on(PutAway), State{Attempt: Returning}, do(GiveBack)},
	{at(Finishing), nil, sound, on(NotPutAway), State{Attempt: Unfinished}, do(RetrySoon)},
	{at(Finishing), in(Backoff), being(Condemned), on(NotPutAway), State{Attempt: Unfinished}, do(Pause, RetrySoon)},
	{at(Finishing), quiet, being(Condemned), on(NotPutAway), State{Attempt: Unfinished}, do(RetrySoon)},
	{at(Finishing), leaving, being(Condemned), on(NotPutAway), State{Attempt: Unfinished}, nil},
	{at(Unfinished), staying, nil, on(RetryDue, AskApply, AskNow, AskRetry), State{Attempt: Finishing}, do(Clear)},
	{at(Preparing, Deferred, Withdrawn, Unwanted, Reverting, Halting, Switching, Refreshing, Finishing, Returning, Discarding), staying, nil, on(RetryDue), State{}, do(RetrySoon)},
	{at(Returning), nil, noted, on(GivenBack), State{Attempt: Idle}, do(Look)},
	{at(Returning), nil, noted, on(NotGivenBack), State{Attempt: Idle}, do(RetrySoon, Look)},
	{at(Returning), nil, being(Proven), on(GivenBack), State{Attempt: Idle}, do(Confirm, Look)},
	{at(Returning), nil, being(Proven), on(NotGivenBack), State{Attempt: Idle}, do(Confirm, RetrySoon, Look)},

	// The trial.
	{recorded, nil, unsure, on(Proved), State{Standing: Proven}, do(Confirm)},
	{unrecorded, nil, unsure, on(Proved), State{Standing: Proven}, nil},
	{nil, nil, being(Proven), on(Noted), State{Standing: Settled}, nil},
	{nil, nil, being(Proven), on(NotNoted), State{}, do(NoteSoon)},
	{recorded, staying, being(Proven), on(NoteDue), State{}, do(Confirm)},
	{at(Halting, Switching, Refreshing, Torn), nil, being(Proven), on(NoteDue), State{}, do(NoteSoon)},
	{free, present, being(OnTrial), on(Failed), State{Attempt: Reverting, Standing: Condemned}, do(Revert)},
	{free, in(Running), being(OnTrial), on(CrashedOut), State{Reverting, Backoff, Condemned}, do(Revert)},
	{at(Preparing, Deferred), present, being(OnTrial), on(Failed), State{Standing: Condemned}, do(Cancel)},
	{at(Preparing, Deferred), in(Running), being(OnTrial), on(CrashedOut), State{Program: Backoff, Standing: Condemned}, do(Cancel)},
	{at(Withdrawn, Unwanted, Reverting, Finishing, Unfinished, Returning, Discarding), present, being(OnTrial), on(Failed), State{Standing: Condemned}, nil},
	{at(Withdrawn, Unwanted, Reverting, Finishing, Returning, Discarding), in(Running), being(OnTrial), on(CrashedOut), State{Program: Backoff, Standing: Condemned}, nil},
	{at(Unfinished), in(Running), being(OnTrial), on(CrashedOut), State{Program: Backoff, Standing: Condemned}, do(Pause)},

	// A release that failed goes away as soon as nothing else is on its way.
	{at(Preparing), present, being(Condemned), on(Prepared), State{Attempt: Reverting}, do(Drop, Revert)},
	{at(Preparing), present, being(Condemned), on(Unchanged, Disturbed, Refused, Hindered), State{Attempt: Reverting}, do(Revert)},
	{at(Preparing), leaving, being(Condemned), on(Unchanged, Disturbed, Refused, Hindered), State{Attempt: Idle}, nil},
	{at(Deferred), present, being(Condemned), on(Due, CalledOff), State{Attempt: Reverting}, do(Drop, Revert)},
	{at(Returning, Discarding), present, being(Condemned), on(GivenBack, NotGivenBack, Discarded, NotDiscarded), State{Attempt: Reverting}, do(Revert)},
	{at(Returning, Discarding), leaving, being(Condemned), on(GivenBack, NotGivenBack, Discarded, NotDiscarded), State{Attempt: Idle}, nil},
	{free, staying, being(Stranded), on(RetryDue), State{Attempt: Reverting, Standing: Condemned}, do(Revert)},

	// The way back, by itself or on request.
	{free, present, nil, on(AskRollback), State{Attempt: Reverting}, do(Revert)},
	{at(Preparing, Deferred), present, nil, on(AskRollback), State{Attempt: Withdrawn}, do(Cancel)},
	{at(Withdrawn), present, nil, on(Prepared, Due, CalledOff), State{Attempt: Reverting}, do(Drop, Revert)},
	{at(Withdrawn), present, nil, on(Unchanged, Disturbed, Refused, Hindered), State{Attempt: Reverting}, do(Revert)},
	{at(Withdrawn, Unwanted), leaving, nil, on(Prepared, Due, CalledOff), State{Attempt: Idle}, do(Drop)},
	{at(Withdrawn, Unwanted), leaving, nil, on(Unchanged, Disturbed, Refused, Hindered), State{Attempt: Idle}, nil},
	{at(Reverting), in(Halted), nil, on(Prepared), State{Attempt: Switching}, do(Switch)},
	{at(Reverting), willing, nil, on(Prepared), State{Attempt: Halting, Program: Yielding}, do(StopAll)},
	{at(Reverting), in(Restarting), nil, on(Prepared), State{Attempt: Halting, Program: Yielding}, nil},
	{at(Reverting), in(Stopped), nil, on(Prepared), State{Attempt: Halting, Program: Stopping}, do(StopAll)},
	{at(Reverting), in(Stopping), nil, on(Prepared), State{Attempt: Halting}, nil},
	{at(Reverting), leaving, nil, on(Prepared), State{Attempt: Idle}, do(Drop)},
	{at(Reverting), leaving, nil, on(Refused, Hindered, NothingPrior), State{Attempt: Idle}, nil},
	{at(Reverting), present, sound, on(Refused, Hindered), State{Attempt: Idle}, do(Look)},
	{at(Reverting), present, being(Condemned), on(Refused), State{}, do(Revert)},
	{at(Reverting), in(Halted), nil, on(NothingPrior), State{Idle, Running, Unproven}, do(Start, Look)},
	{at(Reverting), in(Backoff), being(Condemned), on(NothingPrior), State{Attempt: Idle, Standing: Unproven}, do(Pause, Look)},
	{at(Reverting), in(Running), being(Condemned), on(NothingPrior), State{Attempt: Idle, Standing: Unproven}, do(Watch, Look)},
	{at(Reverting), in(Waiting, Finished, Stopped, Stopping, Restarting), being(Condemned), on(NothingPrior), State{Attempt: Idle, Standing: Unproven}, do(Look)},
	{at(Reverting), in(Halted), nil, on(Hindered), State{Idle, Running, Stranded}, do(Start, RetrySoon, Look)},
	{at(Reverting), in(Backoff), being(Condemned), on(Hindered), State{Attempt: Idle, Standing: Stranded}, do(Pause, RetrySoon, Look)},
	{at(Reverting), quiet, being(Condemned), on(Hindered), State{Attempt: Idle, Standing: Stranded}, do(RetrySoon, Look)},

	// The program by itself.
	{beside, in(Running), nil, on(EndedWell), State{Program: Finished}, nil},
	{beside, in(Running), nil, on(Crashed), State{Program: Backoff}, do(Pause)},
	{beside, in(Running), nil, on(NoProgram), State{Program: Waiting}, nil},
	{beside, in(Running), nil, on(Unequipped), State{Program: Backoff}, do(Equip)},
	{beside, in(Backoff), nil, on(PauseOver), State{Program: Restarting}, do(StopAll)},
	{beside, in(Restarting), nil, on(Down), State{Program: Running}, do(Start)},
	{beside, in(Stopping), nil, on(Down), State{Program: Stopped}, nil},

	// What people ask for.
	{beside, in(Stopped, Waiting, Finished, Backoff), nil, on(AskStart), State{Program: Restarting}, do(StopAll)},
	{beside, settled, nil, on(AskRestart), State{Program: Restarting}, do(StopAll)},
	{beside, in(Stopping), nil, on(AskStart, AskRestart), State{Program: Restarting}, nil},
	{beside, willing, nil, on(AskStop), State{Program: Stopping}, do(StopAll)},
	{beside, in(Restarting), nil, on(AskStop), State{Program: Stopping}, nil},
	{at(Halting), in(Yielding), nil, on(AskStop), State{Program: Stopping}, nil},
	{at(Halting), in(Stopping), nil, on(AskStart, AskRestart), State{Program: Yielding}, nil},
	{switching, in(Halted), nil, on(AskStop), State{Program: Stopped}, nil},
	{switching, in(Stopped), nil, on(AskStart, AskRestart), State{Program: Halted}, nil},

	// The end. A switch that has begun is carried to its end.
	{nil, settled, nil, on(AskEnd), State{Program: Ending}, do(Cancel, StopAll)},
	{nil, in(Halted), nil, on(AskEnd), State{Program: Gone}, do(Cancel)},
	{nil, moving, nil, on(AskEnd), State{Program: Ending}, do(Cancel)},
	{beside, in(Ending), nil, on(Down), State{Program: Gone}, nil},
	{switching, in(Ending), nil, on(Down), State{Program: Gone}, nil},
	{at(Halting), in(Ending), nil, on(Down), State{Attempt: Idle, Program: Gone}, do(Drop)},

	// Another ota takes over as soon as nothing is on its way, and begins again what
	// was called off.
	{at(Preparing, Deferred), settled, untried, on(AskLeave), State{}, do(Cancel)},
	{at(Preparing, Deferred), resting, being(OnTrial), on(AskLeave), State{}, do(Cancel)},
}

func at(attempts ...Attempt) []Attempt       { return attempts }
func in(programs ...Program) []Program       { return programs }
func being(standings ...Standing) []Standing { return standings }
func on(events ...Event) []Event             { return events }
func do(acts ...Act) []Act                   { return acts }
