package agent

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"ota/internal/api"
	"ota/internal/kit/amount"
	"ota/internal/kit/handover"
	"ota/internal/kit/sdnotify"
	"ota/internal/update"
)

const (
	// readyLimit is how long a service manager waits for us at most. What takes
	// longer is going on; to be killed for it would only begin it anew.
	readyLimit = 10 * time.Second
	// betweenStatus is the least time between two words on how things stand.
	betweenStatus = 500 * time.Millisecond
	// closingLimit is what ota needs for itself when the program has been
	// stopped.
	closingLimit = 30 * time.Second
)

// service tells the service manager that has started ota (systemd.service(5),
// Type=notify) how things stand.
type service struct {
	*agent
	manager   sdnotify.Manager
	furnished chan struct{} // closed when the rooms are there
	told      string        // the last status
	complaint string        // about the manager, once
	ready     bool
}

// serveManager tells the manager until the returned function is called; furnished
// says that there is something to look at. ctx ends when ota is to.
func (a *agent) serveManager(ctx context.Context) (furnished, end func()) {
	s := &service{agent: a, manager: sdnotify.From(os.Getenv, os.Getpid()), furnished: make(chan struct{})}
	if !s.manager.Listens() {
		return func() {}, func() {}
	}
	until, over := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { s.tell(until, ctx.Done()) })
	if s.manager.Watchdog() > 0 {
		work.Go(func() { s.feed(until) })
	}
	return func() { close(s.furnished) }, func() { over(); work.Wait() }
}

// tell tells what changes, and READY=1 in time, until ctx ends.
func (s *service) tell(ctx context.Context, ending <-chan struct{}) {
	late, pause := time.NewTimer(readyLimit), time.NewTimer(0)
	defer late.Stop()
	defer pause.Stop()
	<-pause.C
	furnished, changed := s.furnished, (<-chan struct{})(nil)
	for {
		select {
		case <-furnished:
			furnished = nil
			pause.Reset(0)
		case <-changed:
			changed = nil
			pause.Reset(betweenStatus)
		case <-pause.C:
			changed = s.Changed()
			s.look(ending == nil)
		case <-late.C:
			s.readyNow()
		case <-ending:
			ending = nil
			s.stopping()
		case <-ctx.Done():
			switch {
			case s.isLeaving():
				s.leaving()
			case ending != nil: // the mode Once, or a failure
				s.say(sdnotify.Stopping)
			}
			return
		}
	}
}

// look tells how things stand, if that is news.
func (s *service) look(isEnding bool) {
	status := s.Status()
	if s.conductor.Report().State.Program == update.Halted { // for what comes next
		status.Program.State, status.Program.PID = api.Running, nil
	}
	words := serviceStatus(status)
	if isEnding {
		words = "ending: " + words
	}
	if words != s.told {
		s.told = words
		s.say(sdnotify.Status(words))
	}
	if isKnown(status.Program) {
		s.readyNow()
	}
}

// isKnown reports whether the program runs, or it is known why not.
func isKnown(program api.Program) bool { return program.State != api.Running || program.PID != nil }

func (s *service) readyNow() {
	if !s.ready {
		s.ready = true
		s.say(sdnotify.Ready)
	}
}

// stopping asks for the time that the program has to end, which its settings
// may make long.
func (s *service) stopping() {
	steps := s.outfit.current().Program.StopSteps()
	limit := closingLimit
	if len(steps) > 0 {
		limit += steps[len(steps)-1].After
	}
	s.say(sdnotify.Stopping, sdnotify.Extend(limit))
}

// leaving gives the ota that takes over time until it says READY=1 itself.
func (s *service) leaving() {
	s.say(sdnotify.Reloading, sdnotify.Alive, sdnotify.Status("another ota takes over"), sdnotify.Extend(2*handover.Limit+closingLimit))
}

// feed keeps the manager's watchdog quiet for as long as the conductor answers:
// it comes to that at once, unless it hangs.
func (s *service) feed(ctx context.Context) {
	beat := time.NewTicker(s.manager.Watchdog() / 2)
	defer beat.Stop()
	if !s.awaitFurnished(ctx, beat.C) {
		return
	}
	var limit time.Time // for what is left to do when another ota takes over
	for {
		if err := s.conductor.Answer(ctx); err != nil && !s.isLeaving() {
			return // it ends: what is left to do must not hang either
		} else if err != nil && time.Now().After(limit) {
			return
		} else if err == nil {
			limit = time.Now().Add(handover.Limit)
		}
		if err := s.manager.Tell(sdnotify.Alive); err != nil {
			s.log.Debug("the watchdog is not fed", "error", err)
		}
		select {
		case <-beat.C:
		case <-ctx.Done():
			return
		}
	}
}

// awaitFurnished reports whether there is a conductor to ask. An ota that takes
// over has a limit of its own: until then it says that it is alive.
func (s *service) awaitFurnished(ctx context.Context, beat <-chan time.Time) bool {
	if s.handed == nil {
		beat = nil
	}
	for {
		select {
		case <-s.furnished:
			return true
		case <-beat:
			s.say(sdnotify.Alive)
		case <-ctx.Done():
			return false
		}
	}
}

// say tells the manager, and complains once if it can't be told.
func (s *service) say(assignments ...string) {
	err := s.manager.Tell(assignments...)
	if err != nil && s.complaint == "" {
		s.complaint = err.Error()
		s.log.Warn("the service manager does not hear how things stand", "error", err)
	}
}

// serviceStatus is how things stand, in a line. It is for everybody on the
// machine, so that it says of the upload only what the log says too.
func serviceStatus(status api.Status) string {
	parts := []string{serviceProgram(status.Program)}
	if release := status.Release; release != nil {
		text := fmt.Sprintf("release %d %s", release.Number, release.State)
		if release.State == api.Trial {
			text = fmt.Sprintf("release %d on trial", release.Number)
		}
		parts = append(parts, text)
	}
	switch deposit := status.Deposit; deposit.State {
	case api.Empty, "":
	case api.Held, api.Deferred:
		text := fmt.Sprintf("the upload of %s is %s", amount.Count(deposit.Files, "file", "files"), deposit.State)
		if len(deposit.Reasons) > 0 {
			text += ": " + reasonInLine(deposit.Reasons[0])
		}
		parts = append(parts, text)
	default:
		parts = append(parts, "an upload is "+map[api.DepositState]string{
			api.Receiving: "arriving", api.Checking: "being checked", api.Switching: "being switched in",
		}[deposit.State])
	}
	return strings.Join(parts, "; ")
}

func serviceProgram(program api.Program) string {
	switch {
	case program.State == api.Running && program.PID == nil:
		return "the program is being started or stopped"
	case program.State == api.Running:
		return fmt.Sprintf("the program is running (pid %d)", *program.PID)
	case program.State == api.Finished:
		return "the program has finished"
	case program.State == api.Backoff && program.CrashLooping:
		return "the program crashes again and again"
	case program.State == api.Backoff:
		return "the program has failed and is started again after a pause"
	case program.State == api.Equipping:
		return "the environment of the program is being made"
	case program.State == api.Stopped:
		return "the program is stopped on request"
	default:
		return "waiting for the first upload"
	}
}

// reasonInLine is a reason without the line of the file that it is about.
func reasonInLine(one api.Reason) string {
	one.Source, one.Hint = nil, nil
	return one.String()
}

// isOfService reports whether a variable is between ota and who started it as a
// service (sd_notify(3)).
func isOfService(variable string) bool {
	return strings.HasPrefix(variable, "NOTIFY_SOCKET=") || strings.HasPrefix(variable, "WATCHDOG_")
}
