// Package update conducts: it alone knows the order of the rooms.
//
// In: events, of the deposit, of the program, of people, of time. Out: calls of
// the rooms, in the order that the table of states allows. Never: what a room
// does inside; a decision outside the table.
//
// [Conductor.Run] is one goroutine that owns the state. What takes time runs
// beside it and comes back as an event, so that it always listens.
package update

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ota/internal/check"
	"ota/internal/deposit"
	"ota/internal/reason"
	"ota/internal/release"
)

// Options are the rooms and what to do in doubt.
type Options struct {
	Deposit  Deposit
	Main     Main
	Releases *release.Room
	Program  Supervisor
	Trial    Trial
	Busy     Busy
	Reserve  Reserve
	// Settings are those of what is in main/.
	Settings func() Settings
	Limits   release.Limits
	// Unclean is set if the last ota in the folder did not end by itself.
	Unclean bool
	// Space says whether there is room for an upload.
	Space func(*deposit.Snapshot) error
	// Links looks for links that would lead out of main/: it has the targets of
	// the upload's links by path, and "" for its other paths.
	Links func(upload map[string]string) ([]reason.Reason, error)
	// Plausible looks for files that seem cut off.
	Plausible func([]check.Arrival) ([]reason.Reason, error)
	// Check judges what main/ would be, and makes the environment that it needs.
	// An error is worth trying again.
	Check func(context.Context, check.Candidate) (check.Verdict, error)
	// Confirmed is told of a release that has proved itself, which may be told
	// twice. What it writes it syncs. May be nil.
	Confirmed func(release.Record) error
	// Tidy removes the environments of releases that are no longer kept; these
	// are the others.
	Tidy func(keep []string)
	// Bytecode says where the bytecode of a source lies and which names are its.
	Bytecode func(path string) (folder string, owns func(name string) bool)
	Once     bool // end when the program ends by itself
	// Rest is called, beside the conductor, when an attempt has ended and
	// nothing may happen for weeks. May be nil.
	Rest func()
	// Hides tells whether the text of a file of the upload has no place in the log,
	// which others may read than those who may read the file. May be nil.
	Hides func(path string) bool
	// Changed is called, by the conductor, when there is a new Report. It does
	// not block. May be nil.
	Changed func()
	Log     *slog.Logger
	// Handed is set if this conductor goes on where another has left, see
	// [Conductor.Leave]: with Run, the program that runs, nil if none does, and as
	// soon as Begin is closed.
	Handed *Handed
	Run    Run
	Begin  <-chan struct{}
}

// Settings are what main/ itself may say of how it is updated.
type Settings struct {
	// Attempts is how often a release on trial may fail before it is rolled back.
	Attempts int
	Restart  Restart
	// Window reports whether a switch may be at a time of day, and what the
	// window is in words.
	Window   func(time.Time) (open bool, words string)
	MaxDefer time.Duration
}

// Restart says after which ends the program is started again.
type Restart string

// The policies.
const (
	OnFailure Restart = "on-failure"
	Always    Restart = "always"
	Never     Restart = "never"
)

// Pauses before the program is started again, and before an act is retried.
const (
	firstPause = time.Second
	lastPause  = time.Minute
	firstRetry = 30 * time.Second
	lastRetry  = 10 * time.Minute
	lastLater  = 6 * time.Hour
	// An upload that is already there is complete after a quiet period or two.
	longestOpening = 5 * time.Second
)

// Conductor owns the state of the machine. Its methods may be called by several
// goroutines at once.
type Conductor struct {
	options Options
	happens chan happening
	looks   chan struct{} // has no room: who can send is answered
	leaves  chan *leaver  // likewise
	stays   chan *leaver
	report  atomic.Pointer[Report]
	ended   chan struct{} // closed when Run has returned
	acts    sync.WaitGroup

	// What follows belongs to Run.
	state     State
	attempt   attempt
	run       Run                // the last one started
	refreshed time.Time          // when a release was put under run; zero: it was started with it
	watching  context.CancelFunc // ends the watch of a trial; nil: there is none
	tries     release.Tries      // of the release on trial
	failure   failure            // of the one that is to be rolled back
	ready     time.Duration      // what the one that proved itself took to be ready
	queued    []happening        // by what happened just now
	restarts  int
	crashes   int // in a row
	lastExit  *Exit
	startErr  error
	pause     pause      // before the program is started again
	retry     pause      // before an act is tried again
	later     pause      // before a switch that failed is tried again
	mending   pause      // before a torn switch is tried again
	opening   pause      // for the first word of the deposit
	noting    pause      // before a confirmation is written down again
	equipping *equipping // the one under way
	hurry     context.Context
	life      context.Context    // ends with Run, for what nobody waits for
	cancel    context.CancelFunc // of the Prepare, Defer or Revert under way
	goAhead   context.CancelFunc // of the Defer under way
	waiters   []*waiter
	asks      uint64 // calls of Look and Apply, as the deposit counts them
	applyAsk  uint64 // the number of the last Apply or Again
	leaver    *leaver
	left      bool          // Run returns, or has, for a leaver
	atLeaving []HandedPause // the timers, before they were stopped
}

// attempt is what is known of the upload, or rollback, on its way.
type attempt struct {
	view      deposit.View
	judged    *deposit.Snapshot // by the Prepare under way
	reasons   []reason.Reason
	waitsFor  []reason.Reason // what a deferred one waits for
	candidate *candidate
	free      func()  // lets the program become busy again; nil: it may
	urgency   urgency // of the upload
	again     again   // whether what has failed before is taken
	target    target  // of a rollback
}

// urgency says whether an upload waits for the program.
type urgency string

const (
	patient urgency = ""
	urgent  urgency = "urgent" // somebody said that it shall not
)

// again says whether the very content that failed its trial is tried again.
type again string

const (
	never     again = ""
	onRequest again = "on request"
)

// happening is an event and what comes with it. One that is of a run, a pause
// or a release counts only while that is the current one.
type happening struct {
	event     Event
	of        any
	reasons   []reason.Reason
	candidate *candidate
	free      func()        // of Due
	exempt    []string      // of Due
	failure   failure       // of Failed
	ready     time.Duration // of Proved
	discarded deposit.Discarded
	err       error
	waiter    *waiter
}

// Report is what the conductor says of itself.
type Report struct {
	State    State
	PID      int // 0: no process
	Started  time.Time
	Restarts int
	Crashes  int // in a row
	Equips   Equips
	LastExit *Exit
	Release  *release.Record // switched in and not yet recorded; nil: see the releases
	Upload   deposit.View
	Reasons  []reason.Reason
	WaitsFor []reason.Reason // of a deferred upload
}

// Equips says whether a start waits for the program's environment.
type Equips string

// Whether it does.
const (
	Equipped Equips = ""
	Making   Equips = "making"
)

// loopingAfter is how many crashes in a row make a loop.
const loopingAfter = 5

// Looping reports whether the program crashes again and again: it has not run
// for a minute since.
func (r Report) Looping() bool {
	settledDown := r.State.Program == Running && time.Since(r.Started) >= lastPause
	return r.Crashes >= loopingAfter && !settledDown
}

// New remembers the options.
func New(options Options) *Conductor {
	c := &Conductor{
		options: options,
		happens: make(chan happening, 16),
		looks:   make(chan struct{}),
		leaves:  make(chan *leaver),
		stays:   make(chan *leaver),
		ended:   make(chan struct{}),
		pause:   pause{first: firstPause, last: lastPause},
		retry:   pause{first: firstRetry, last: lastRetry},
		later:   pause{first: lastRetry, last: lastLater},
		mending: pause{first: firstPause, last: lastPause},
		opening: pause{first: longestOpening, last: longestOpening},
		noting:  pause{first: firstRetry, last: lastRetry},
	}
	c.report.Store(&Report{State: State{Idle, Restarting, Settled}})
	return c
}

// Report says how things stand. It does not block.
func (c *Conductor) Report() Report { return *c.report.Load() }

// Run conducts until ctx ends; then it stops the program, carries a switch that
// has begun to its end, and returns. The end of hurry makes it end the program
// at once. What an ota before this one left running must be gone already. In
// the mode Once, Run also returns when the program has ended, with its exit.
// After [Conductor.Leave] it returns with everything as it is.
func (c *Conductor) Run(ctx, hurry context.Context) (*Exit, error) {
	defer c.acts.Wait()
	defer close(c.ended)
	defer c.stopTimers()
	defer c.unwatch()
	defer c.unequip()
	life, over := context.WithCancel(context.Background())
	defer over()
	c.hurry, c.life = hurry, life
	if c.options.Handed != nil {
		c.takeOver(*c.options.Handed)
	} else {
		c.begin()
	}
	done := ctx.Done()
	for !c.state.Over() && !c.left {
		select {
		case <-done:
			done = nil
			c.handle(happening{event: AskEnd})
		case view := <-c.options.Deposit.Views():
			c.see(view)
		case happened := <-c.happens:
			c.handle(happened)
		case <-c.looks:
		case one := <-c.leaves:
			c.leaver = one
			c.considerLeaving()
		case <-c.stays:
			c.leaver = nil
		}
	}
	if c.options.Once && ctx.Err() == nil && !c.left {
		return c.lastExit, c.startErr
	}
	return nil, nil
}

// see takes in what the deposit shows.
func (c *Conductor) see(view deposit.View) {
	c.attempt.view = view
	switch {
	case view.State == deposit.Complete && c.isUnderWay(view.Upload):
	case view.State == deposit.Complete:
		c.handle(happening{event: Complete})
	case view.State == deposit.Empty:
		c.handle(happening{event: Empty})
		c.noteRemoved()
	case len(view.Waiting) > 0:
		c.handle(happening{event: Waits})
	default:
		c.handle(happening{event: Changed})
	}
}

// handle is the one place in which the state changes.
func (c *Conductor) handle(happened happening) {
	for next := []happening{happened}; len(next) > 0; next = next[1:] {
		one := c.interpret(next[0])
		if one == nil {
			continue
		}
		state, acts := Next(c.state, one.event)
		next = append(next, c.enter(state, acts...)...)
		next, c.queued = append(next, c.queued...), nil
		c.await(one.waiter)
	}
	c.settle()
	c.publish()
	c.considerLeaving()
}

// isUnderWay reports whether this very upload is judged already, or waits for
// the program.
func (c *Conductor) isUnderWay(upload *deposit.Snapshot) bool {
	candidate := c.attempt.candidate
	return c.state.Attempt == Preparing && c.attempt.judged == upload ||
		c.state.Attempt == Deferred && candidate != nil && candidate.upload == upload
}

// interpret takes in what came with an event. It returns nil for one that is of
// a run, a pause or a release that is over.
func (c *Conductor) interpret(happened happening) *happening {
	switch of := happened.of.(type) {
	case Run:
		if of != c.run {
			return nil
		}
		if happened.event == EndedWell || happened.event == Crashed {
			c.programEnded(of)
			happened.event = c.afterEnd(happened)
		}
	case *equipping:
		if of != c.equipping {
			return nil
		}
		c.equipping = nil
	case *time.Timer:
		if !slices.ContainsFunc(c.pauses(), func(p *pause) bool { return p.timer == of }) {
			return nil
		}
	case confirmation:
		if int(of) != c.running() {
			return nil
		}
	}
	c.takeIn(&happened)
	c.tellWaiters(happened)
	if slices.Contains([]Event{PutAway, SwitchUndone, BackUndone}, happened.event) {
		c.forget()
	}
	return &happened
}

// takeIn keeps what came with an event.
func (c *Conductor) takeIn(happened *happening) {
	switch happened.event {
	case Failed:
		c.failure = happened.failure
		c.options.Log.Error("the release failed its trial", "release", c.running(), "reason", c.failure.why)
	case Proved:
		c.ready = happened.ready
	case Prepared:
		c.attempt.candidate = happened.candidate
	case Postponed:
		c.attempt.waitsFor = happened.reasons
		c.tellPostponed()
	case Due:
		c.attempt.free, c.attempt.waitsFor = happened.free, nil
		if candidate := c.attempt.candidate; candidate != nil {
			candidate.Exempt = happened.exempt
			if candidate.restart == check.NotNeeded && c.state.mayRefresh() {
				happened.event = DueAlive
			}
		}
	case Adopted:
		if c.run != nil { // it was started before it had a record
			c.noteEnvironment(c.run.Environment())
		}
	case AskNow:
		c.attempt.urgency = urgent
	case AskRollback:
		if state, _ := Next(c.state, AskRollback); state != c.state {
			c.attempt.target = happened.waiter.target
		}
	case Refused, Hindered, SwitchUndone, BackUndone:
		c.hold(happened)
	case PutAway:
		c.noteTriesAgain()
		c.attempt.relax()
	case Changed, Empty, Waits, Complete:
		c.attempt.reasons = nil
	case Unchanged:
		c.attempt.relax()
	case Switched, SwitchedSure:
		if c.attempt.candidate == nil {
			c.attempt.candidate = happened.candidate
		}
		c.released()
		c.tellSwitched()
	}
}

// relax ends what was asked for one upload.
func (a *attempt) relax() {
	a.reasons, a.waitsFor = nil, nil
	a.urgency, a.again = patient, never
}

// enter changes the state and does the acts. It returns what happened at once.
func (c *Conductor) enter(state State, acts ...Act) []happening {
	if state != c.state {
		c.options.Log.Debug("state", "attempt", state.Attempt, "program", state.Program)
	}
	if c.state.Program == Backoff && state.Program == Restarting {
		c.restarts++
	}
	if state.Attempt != c.state.Attempt && slices.Contains(free, state.Attempt) && c.options.Rest != nil {
		c.acts.Go(c.options.Rest)
	}
	if state.Program == Stopped && c.state.Program != Stopped {
		c.options.Log.Info("the program is stopped on request")
		c.acts.Go(c.options.Program.Cool)
	}
	c.state = state
	c.publish()
	var happened []happening
	for _, act := range acts {
		if event := c.act(act); event != "" {
			happened = append(happened, happening{event: event})
		}
	}
	return happened
}

func (c *Conductor) publish() {
	report := Report{
		State:    c.state,
		Restarts: c.restarts,
		Crashes:  c.crashes,
		LastExit: c.lastExit,
		Upload:   c.attempt.view,
		Reasons:  c.attempt.reasons,
		WaitsFor: c.attempt.waitsFor,
	}
	if c.unrecorded() {
		report.Release = new(c.attempt.candidate.shown(c.options.Releases))
	}
	if c.equipping != nil && c.state.Program == Backoff {
		report.Equips = Making
	}
	if c.run != nil && !isDone(c.run.Done()) {
		report.PID, report.Started = c.run.PID(), c.run.Started()
	}
	c.report.Store(&report)
	if c.options.Changed != nil {
		c.options.Changed()
	}
}

func (c *Conductor) pauses() []*pause {
	return []*pause{&c.pause, &c.retry, &c.later, &c.mending, &c.opening, &c.noting}
}

func (c *Conductor) stopTimers() {
	for _, pause := range c.pauses() {
		pause.stop()
	}
}
