package update

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"ota/internal/check"
	"ota/internal/kit/hint"
	"ota/internal/release"
)

// start starts the program of the current release. Everything of the last one
// is gone by now.
func (c *Conductor) start() Event {
	run, err := c.options.Program.Start(c.running(), c.walk())
	c.startErr = err
	var nothing *NothingToRun
	var unready *Unready
	switch {
	case errors.As(err, &nothing):
		c.options.Log.Warn(nothing.Message)
		return NoProgram
	case errors.As(err, &unready):
		c.options.Log.Warn("the environment of the program is made before it is started", "reason", unready.Reason)
		return Unequipped
	case err != nil:
		c.tellNotStarted(err)
		return c.failedToStart(err)
	}
	c.noteExit()
	c.run, c.refreshed = run, time.Time{}
	c.noteEnvironment(run.Environment())
	log := c.options.Log.With("release", c.running(), "pid", run.PID())
	if origin := run.Origin(); origin != PlainStart {
		log = log.With("start", string(origin))
	}
	log.Info("the program is started")
	c.follow(run)
	if c.state.Standing == OnTrial || c.state.Standing == Unproven {
		c.watch(run)
	}
	return ""
}

// follow waits for the end of a run.
func (c *Conductor) follow(run Run) {
	c.acts.Go(func() {
		select {
		case <-run.Done():
			c.post(happening{event: endOf(run), of: run})
		case <-c.ended:
		}
	})
}

// noteEnvironment takes down which environment a release runs with, where it is
// another than it was checked with: that was made for another Python, or it was
// adopted. So it is kept for as long as the release.
func (c *Conductor) noteEnvironment(environment string) {
	number := c.running()
	switch {
	case environment == "":
	case c.unrecorded() && c.attempt.candidate.Back == nil:
		c.attempt.candidate.Record.Environment = environment
	default:
		c.acts.Go(func() {
			if err := c.options.Releases.NoteEnvironment(number, environment); err != nil {
				c.options.Log.Warn("it can't be written down which environment the release needs", "release", number, "error", err)
			}
		})
	}
}

func (c *Conductor) tellNotStarted(err error) {
	log := c.options.Log
	if advice := hint.Of(err); advice != "" {
		log = log.With("hint", advice)
	}
	log.Error("the program can't be started", "error", err)
}

// noteExit takes down how the last run ended, if its end is known.
func (c *Conductor) noteExit() {
	if c.run != nil && isDone(c.run.Done()) {
		exit := c.run.Exit()
		c.lastExit = &exit
	}
}

// firstRelease is the number of what is adopted.
const firstRelease = 1

// running is the number of the release in main/: the candidate's once it is
// switched in, although it is recorded only after the start.
func (c *Conductor) running() int {
	switch {
	case c.unrecorded():
		return c.attempt.candidate.number()
	default:
		// What is in main/ at the first start is adopted beside the start.
		return max(c.options.Releases.Current(), firstRelease)
	}
}

// walk goes through the release in main/, when somebody asks.
func (c *Conductor) walk() check.Walk {
	if c.unrecorded() && c.attempt.candidate.Back == nil {
		return WalkOf(func() (*release.Tree, error) {
			return c.options.Releases.Store().Tree(c.attempt.candidate.Record.Digest), nil
		})
	}
	number := c.running()
	return WalkOf(func() (*release.Tree, error) { return c.options.Releases.Tree(number) })
}

// WalkOf goes through a tree that is opened when somebody asks.
func WalkOf(open func() (*release.Tree, error)) check.Walk {
	return func(visit func(string, check.Entry) error) error {
		tree, err := open()
		if err != nil {
			return err
		}
		return tree.Walk(func(at string, entry release.Entry) error {
			of := check.Entry{Mode: modeOf(entry), Size: entry.Size, Sum: entry.Sum.Hex()}
			switch entry.Kind {
			case release.Folder:
				of = check.Entry{Mode: fs.ModeDir | 0o755}
			case release.Link:
				of = check.Entry{Mode: fs.ModeSymlink | 0o777}
			}
			return visit(at, of)
		})
	}
}

// unrecorded reports whether the candidate is in main/ and not yet in the
// history.
func (c *Conductor) unrecorded() bool {
	return c.attempt.candidate != nil && (c.state.Attempt == Finishing || c.state.Attempt == Unfinished)
}

func (c *Conductor) failedToStart(err error) Event {
	event := c.countCrash(err)
	if c.options.Once {
		return AskEnd
	}
	return event
}

func endOf(run Run) Event {
	if exit := run.Exit(); exit.Code == 0 && exit.Signal == "" && exit.Cause == "" {
		return EndedWell
	}
	return Crashed
}

// programEnded takes down how the current run ended.
func (c *Conductor) programEnded(run Run) {
	c.noteExit()
	exit := run.Exit()
	if exit.At.Sub(run.Started()) >= lastPause { // both hold a monotonic time
		c.pause.reset()
		c.crashes = 0
	}
	if c.state.Program != Running {
		return // it was told to
	}
	switch {
	case exit.Cause != "":
		c.options.Log.Error("the program was ended", "cause", exit.Cause, "ran", ran(run, exit))
	case exit.Signal != "":
		c.options.Log.Error("the program was killed by a signal", "signal", exit.Signal, "ran", ran(run, exit))
	case exit.Code != 0:
		c.options.Log.Error("the program failed", "exit_code", exit.Code, "ran", ran(run, exit))
	default:
		c.options.Log.Info("the program ended by itself", "exit_code", 0, "ran", ran(run, exit))
	}
}

func ran(run Run, exit Exit) time.Duration {
	return exit.At.Sub(run.Started()).Round(time.Millisecond)
}

// stop ends everything of the program; hurry ends the patience.
func (c *Conductor) stop() happening {
	if err := c.options.Program.Stop(c.hurry); err != nil {
		c.options.Log.Error("the program can't be stopped", "error", err)
	}
	return happening{event: Down}
}

// equipping is one making of an environment, for a start that waits for it.
type equipping struct{ cancel context.CancelFunc }

// beginEquip makes the environment in place of a pause.
func (c *Conductor) beginEquip() {
	c.unequip()
	ctx, cancel := context.WithCancel(context.Background())
	one := &equipping{cancel}
	c.equipping = one
	c.acts.Go(func() {
		defer cancel()
		c.options.Program.Equip(ctx)
		c.post(happening{event: PauseOver, of: one})
	})
}

// unequip ends the making that is under way: nobody waits for it any more.
func (c *Conductor) unequip() {
	if c.equipping != nil {
		c.equipping.cancel()
		c.equipping = nil
	}
}

// pauseBeforeRestart begins the pause after a crash, in which the next start is
// readied.
func (c *Conductor) pauseBeforeRestart() {
	life := c.life
	c.acts.Go(func() { c.options.Program.Warm(life, Present) })
	length := c.pause.begin(func(timer *time.Timer) { c.post(happening{event: PauseOver, of: timer}) })
	c.options.Log.Info("the program is started again after a pause", "pause", length)
}

// released makes a fresh start of what is counted per release.
func (c *Conductor) released() {
	c.restarts, c.crashes = 0, 0
	c.tries, c.failure, c.ready = release.Tries{}, failure{}, 0
	for _, pause := range []*pause{&c.pause, &c.retry, &c.later, &c.mending, &c.noting} {
		pause.reset()
	}
}
