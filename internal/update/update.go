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
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ota/internal/activate"
	"ota/internal/check"
	"ota/internal/deposit"
	"ota/internal/reason"
	"ota/internal/release"
)

// Deposit is the room in which uploads arrive.
type Deposit interface {
	Views() <-chan deposit.View
	Look()
	Apply()
	Seal(context.Context, *deposit.Snapshot) (*deposit.Sealed, error)
	Remove(*deposit.Sealed) error
}

// Main is the room that writes main/.
type Main interface {
	Empty() bool
	Compare([]activate.Wanted) ([]activate.Found, error)
	Scan(ctx context.Context, visit func(path string, entry release.Entry) error) error
	Prepare(context.Context, activate.Plan) error
	Switch() error
	Recover() (activate.Recovered, json.RawMessage, error)
	Finish(save func([]activate.Old) error) error
	Record(write func() error) error
	Discard() error
}

// Supervisor starts and stops the program. Start is quick; its error is a
// *NothingToRun if there is nothing to start.
type Supervisor interface {
	Start(release int) (Run, error)
	// Stop ends the program and all that it started and returns when nothing of
	// it is left. It asks nicely until ctx ends.
	Stop(ctx context.Context) error
}

// Run is one run of the program.
type Run interface {
	PID() int
	Started() time.Time
	Done() <-chan struct{} // closed when the program itself has ended
	Exit() Exit            // valid after that
}

// Exit is how a run ended.
type Exit struct {
	Code   int    // as a shell tells it: 128 + the signal after a signal
	Signal string // "SIGKILL"; empty: it ended by itself
	At     time.Time
}

// NothingToRun says that main/ holds nothing to run.
type NothingToRun struct {
	Message string
}

// Error is the message.
func (e *NothingToRun) Error() string { return e.Message }

// Options are the rooms and what to do in doubt.
type Options struct {
	Deposit  Deposit
	Main     Main
	Releases *release.Room
	Program  Supervisor
	// Space says whether there is room for an upload.
	Space func(*deposit.Snapshot) error
	// Links looks for links that would lead out of main/: it has the targets of
	// the upload's links by path, and "" for its other paths.
	Links func(upload map[string]string) ([]reason.Reason, error)
	// Plausible looks for files that seem cut off.
	Plausible func([]check.Arrival) ([]reason.Reason, error)
	// Bytecode says where the bytecode of a source lies and which names are its.
	Bytecode func(path string) (folder string, owns func(name string) bool)
	Once     bool // end when the program ends by itself
	// Rest is called, beside the conductor, when an attempt has ended and
	// nothing may happen for weeks. May be nil.
	Rest func()
	Log  *slog.Logger
}

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
	report  atomic.Pointer[Report]
	ended   chan struct{} // closed when Run has returned
	acts    sync.WaitGroup

	// What follows belongs to Run.
	state    State
	attempt  attempt
	run      Run // the last one started
	restarts int
	lastExit *Exit
	startErr error
	pause    pause // before the program is started again
	retry    pause // before an act is tried again
	later    pause // before a switch that failed is tried again
	mending  pause // before a torn switch is tried again
	opening  pause // for the first word of the deposit
	hurry    context.Context
	cancel   context.CancelFunc // of the Prepare under way
	waiters  []*waiter
	asks     uint64 // calls of Look and Apply, as the deposit counts them
	applyAsk uint64 // the number of the last Apply
}

// attempt is what is known of the upload on its way.
type attempt struct {
	view      deposit.View
	reasons   []reason.Reason
	candidate *candidate
}

// happening is an event and what comes with it. One that is of a run or a pause
// counts only while that is the current one.
type happening struct {
	event     Event
	of        any
	reasons   []reason.Reason
	candidate *candidate
	waiter    *waiter
}

// Report is what the conductor says of itself.
type Report struct {
	State    State
	PID      int // 0: no process
	Started  time.Time
	Restarts int
	LastExit *Exit
	Release  *release.Record // switched in and not yet recorded; nil: see the releases
	Upload   deposit.View
	Reasons  []reason.Reason
}

// New remembers the options.
func New(options Options) *Conductor {
	c := &Conductor{
		options: options,
		happens: make(chan happening, 16),
		ended:   make(chan struct{}),
		pause:   pause{first: firstPause, last: lastPause},
		retry:   pause{first: firstRetry, last: lastRetry},
		later:   pause{first: lastRetry, last: lastLater},
		mending: pause{first: firstPause, last: lastPause},
		opening: pause{first: longestOpening, last: longestOpening},
	}
	c.report.Store(&Report{State: State{Idle, Restarting}})
	return c
}

// Report says how things stand. It does not block.
func (c *Conductor) Report() Report { return *c.report.Load() }

// Run conducts until ctx ends; then it stops the program, carries a switch that
// has begun to its end, and returns. The end of hurry makes it end the program
// at once. What an ota before this one left running must be gone already. In
// the mode Once, Run also returns when the program has ended, with its exit.
func (c *Conductor) Run(ctx, hurry context.Context) (*Exit, error) {
	defer c.acts.Wait()
	defer close(c.ended)
	defer c.stopTimers()
	c.hurry = hurry
	c.begin()
	done := ctx.Done()
	for !c.state.Over() {
		select {
		case <-done:
			done = nil
			c.handle(happening{event: AskEnd})
		case view := <-c.options.Deposit.Views():
			c.see(view)
		case happened := <-c.happens:
			c.handle(happened)
		}
	}
	if c.options.Once && ctx.Err() == nil {
		return c.lastExit, c.startErr
	}
	return nil, nil
}

// begin brings an interrupted switch to its end and finds the first state.
func (c *Conductor) begin() {
	found, note, err := c.options.Main.Recover()
	var torn *activate.Torn
	switch {
	case errors.As(err, &torn):
		c.options.Log.Error("an interrupted switch can't be ended yet; it is tried again", "error", err)
		c.enter(State{Torn, Halted}, MendSoon)
	case err != nil:
		c.options.Log.Warn("an interrupted switch was taken back", "error", err)
		c.enter(State{Opening, Halted}, Look, Wait)
	case found == activate.Switched:
		c.options.Log.Info("an interrupted switch was carried to its end")
		c.attempt.candidate = recovered(note)
		c.enter(State{Finishing, Restarting}, StopAll, Clear)
	case c.options.Releases.Current() == 0 && !c.options.Main.Empty():
		c.enter(State{Adopting, Halted}, Look, Wait, Adopt)
	default:
		c.enter(State{Opening, Halted}, Look, Wait)
	}
}

// see takes in what the deposit shows.
func (c *Conductor) see(view deposit.View) {
	c.attempt.view = view
	switch {
	case view.State == deposit.Complete:
		c.handle(happening{event: Complete})
	case view.State == deposit.Empty:
		c.handle(happening{event: Empty})
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
		c.await(one.waiter)
	}
	c.settle()
	c.publish()
}

// interpret takes in what came with an event. It returns nil for one that is of
// a run or a pause that is over.
func (c *Conductor) interpret(happened happening) *happening {
	switch of := happened.of.(type) {
	case Run:
		if of != c.run {
			return nil
		}
		c.programEnded(of)
		if c.options.Once && c.state.Program == Running {
			happened.event = AskEnd
		}
	case *time.Timer:
		if !slices.ContainsFunc(c.pauses(), func(p *pause) bool { return p.timer == of }) {
			return nil
		}
	}
	switch happened.event {
	case Prepared:
		c.attempt.candidate = happened.candidate
	case Refused, Hindered, SwitchUndone:
		c.attempt.reasons = happened.reasons
		c.tellHeld()
	case Changed, Empty, Waits, Complete, PutAway, Unchanged:
		c.attempt.reasons = nil
	case Switched:
		if c.attempt.candidate == nil {
			c.attempt.candidate = happened.candidate
		}
		c.released()
		c.tellSwitched()
	}
	c.tellWaiters(happened)
	if happened.event == PutAway || happened.event == SwitchUndone {
		c.forget()
	}
	return &happened
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

// act does one act. What takes time is begun and answers through c.happens.
func (c *Conductor) act(act Act) Event {
	switch act {
	case Start:
		return c.start()
	case StopAll:
		c.begun(c.stop)
	case Adopt:
		c.begun(c.cancellable(c.adopt))
	case Prepare:
		upload := c.attempt.view.Upload
		c.options.Log.Info("an upload is complete", "files", c.attempt.view.Files, "bytes", c.attempt.view.Bytes)
		c.begun(c.cancellable(func(ctx context.Context) happening { return c.prepare(ctx, upload) }))
	case Cancel:
		if c.cancel != nil {
			c.cancel()
		}
	case Drop:
		c.drop()
	case Switch:
		c.begun(c.switchOver)
	case Mend:
		c.begun(c.mend)
	case Clear:
		candidate := c.attempt.candidate
		c.begun(func() happening { return c.clear(candidate) })
	case Pause:
		c.pauseBeforeRestart()
	case RetrySoon:
		c.retry.begin(func(timer *time.Timer) { c.post(happening{event: RetryDue, of: timer}) })
	case RetryLate:
		c.later.begin(func(timer *time.Timer) { c.post(happening{event: RetryDue, of: timer}) })
	case MendSoon:
		c.mending.begin(func(timer *time.Timer) { c.post(happening{event: RetryDue, of: timer}) })
	case Wait:
		c.opening.begin(func(timer *time.Timer) { c.post(happening{event: OpeningOver, of: timer}) })
	case Look:
		c.asks++
		c.options.Deposit.Look()
	case Apply:
		c.asks++
		c.applyAsk = c.asks
		c.options.Deposit.Apply()
	default:
		panic(fmt.Sprintf("update: no such act: %s", act))
	}
	return ""
}

// begun does what takes time beside the conductor.
func (c *Conductor) begun(work func() happening) {
	c.acts.Go(func() { c.post(work()) })
}

func (c *Conductor) cancellable(work func(context.Context) happening) func() happening {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	return func() happening {
		defer cancel()
		return work(ctx)
	}
}

// post tells Run what happened. Run reads until every act has answered; only
// timers and runs may still speak when it has gone.
func (c *Conductor) post(happened happening) {
	select {
	case c.happens <- happened:
	case <-c.ended:
	}
}

func (c *Conductor) publish() {
	report := Report{
		State:    c.state,
		Restarts: c.restarts,
		LastExit: c.lastExit,
		Upload:   c.attempt.view,
		Reasons:  c.attempt.reasons,
	}
	if c.unrecorded() {
		record := c.attempt.candidate.record
		report.Release = &record
	}
	if c.run != nil && !isDone(c.run.Done()) {
		report.PID, report.Started = c.run.PID(), c.run.Started()
	}
	c.report.Store(&report)
}

func (c *Conductor) pauses() []*pause {
	return []*pause{&c.pause, &c.retry, &c.later, &c.mending, &c.opening}
}

func (c *Conductor) stopTimers() {
	for _, pause := range c.pauses() {
		pause.stop()
	}
}

// pause is a timer whose pauses double from the first to the last.
type pause struct {
	first, last time.Duration
	next        time.Duration
	timer       *time.Timer
}

// begin starts the next pause; then is called at its end with the timer, by
// which an end that comes too late is known.
func (p *pause) begin(then func(*time.Timer)) time.Duration {
	p.stop()
	length := max(p.next, p.first)
	p.next = min(2*length, p.last)
	ready := make(chan *time.Timer, 1)
	p.timer = time.AfterFunc(length, func() { then(<-ready) })
	ready <- p.timer
	return length
}

func (p *pause) stop() {
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
}

// reset makes the next pause the first one.
func (p *pause) reset() {
	p.stop()
	p.next = p.first
}

func isDone(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
