package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"ota/internal/api"
	"ota/internal/kit/handover"
	"ota/internal/kit/hint"
	"ota/internal/logs"
	"ota/internal/web"
)

// RehearsalArgument makes an ota look whether it could take over, see [Rehearse].
const RehearsalArgument = "takeover"

// heir is who takes over, if somebody does. Several goroutines use it.
type heir struct {
	turn sync.Mutex // held by who asks for a takeover

	mu   sync.Mutex // guards what follows
	plan *plan      // nil: nobody takes over
	last *api.TakenOver
}

// plan is a takeover that was rehearsed.
type plan struct {
	binary, id, version string
	bag                 handover.Bag
	page                web.Handed
}

// errReplacing is for who asks while ota is being replaced.
var errReplacing = hint.With(errors.New("somebody else is just replacing ota"), "try again in a moment")

// TakeOver lets another ota take over as soon as nothing is on its way.
func (a *agent) TakeOver(ctx context.Context, binary string, waits func(string)) (string, error) {
	if !a.heir.turn.TryLock() {
		return "", errReplacing
	}
	defer a.heir.turn.Unlock()
	select {
	case <-a.begun:
	default:
		return "", errReplacing
	}
	if binary == "" {
		own, err := handover.Own()
		if err != nil {
			return "", fmt.Errorf("cannot tell where this program is: %w", err)
		}
		binary = own
	}
	if !filepath.IsAbs(binary) {
		return "", fmt.Errorf("%q is no absolute path", binary)
	}
	version, err := a.rehearse(ctx, binary)
	if err != nil {
		return "", err
	}
	next := &plan{binary: binary, id: newStartID(), version: version}
	a.heir.set(next, &api.TakenOver{ID: next.id, Outcome: api.TakingOver, From: a.options.Version, To: version, At: time.Now()})
	if err := a.conductor.Leave(ctx, waits); err != nil {
		a.heir.set(nil, nil)
		return "", err
	}
	return next.id, nil
}

// rehearse lets a binary look at what it would get, and returns its version.
func (a *agent) rehearse(ctx context.Context, binary string) (string, error) {
	var bag handover.Bag
	defer bag.Close()
	state, err := a.peek(&bag)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(state)
	if err != nil {
		return "", err
	}
	return bag.Rehearse(ctx, binary, []string{RehearsalArgument}, handover.Parcel{Version: a.options.Version, State: text})
}

// TakenOver says what became of the last takeover.
func (a *agent) TakenOver() *api.TakenOver {
	a.heir.mu.Lock()
	defer a.heir.mu.Unlock()
	return a.heir.last
}

func (h *heir) set(next *plan, last *api.TakenOver) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.plan, h.last = next, last
}

func (h *heir) next() *plan {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.plan
}

// isLeaving reports whether the conductor has left for an heir.
func (a *agent) isLeaving() bool { return a.conductor != nil && a.conductor.Left() }

// leaveFaces keeps the sockets of the faces open for the heir.
func (a *agent) leaveFaces() (err error) {
	next := a.heir.next()
	if err = a.server.Leave(&next.bag); err == nil {
		next.page, err = a.page.Handed(&next.bag)
	}
	return err
}

// giveWay becomes the heir, or this ota once more. It is called when nobody is
// at work any more but the log, and returns only if neither can be.
func (a *agent) giveWay(closeLog func()) error {
	next := a.heir.next()
	a.log.Info("another ota takes over", "version", next.version, "file", next.binary)
	a.logs.Leave()
	closeLog()
	state := a.gather()
	state.To, state.Page, state.Conductor = next.version, next.page, a.conductor.Handed()
	var err error
	if state.Program, err = a.program.Handed(&next.bag); err != nil {
		return err
	}
	state.Launch = a.supervisor.handed((*logs.Writer).Leave)
	if err := a.putLock(state, &next.bag); err != nil {
		return err
	}
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	return next.bag.Become(next.binary, handover.Parcel{ID: next.id, Version: a.options.Version, State: text}, a.options.Caught)
}

// comeUp makes this ota, which takes over, the one that is in charge, as soon as
// it answers, unless open ends before; if it does not, the one before is back.
// furnished is called then.
func (a *agent) comeUp(open context.Context, furnished func()) {
	from := a.options.Handed
	defer func() {
		if fault := recover(); fault != nil {
			from.GoBack(fmt.Errorf("it met a fault: %v", fault))
			panic(fault)
		}
	}()
	ctx, cancel := context.WithTimeout(open, handover.Limit)
	defer cancel()
	if err := a.answers(ctx); err != nil {
		if open.Err() != nil { // what went wrong is told by who has closed the faces
			return
		}
		from.GoBack(err) // and where there is nobody to go back to, this one goes on
	}
	from.Commit()
	a.server.Own()
	a.supervisor.attend()
	a.logs.Release()
	last := a.takenOver(api.TookOver)
	if why := from.Back(); why != "" {
		last.Outcome, last.Reason = api.WentBackTo, &why
		a.log.Error("the new ota did not come up, and this one goes on", "version", last.To, "reason", why)
	} else {
		a.log.Info("ota has taken over", "version", a.options.Version, "from", last.From)
	}
	a.heir.set(nil, last)
	close(a.begun)
	furnished()
}

// takenOver is what can be told of the takeover by this ota.
func (a *agent) takenOver(outcome api.TakenOutcome) *api.TakenOver {
	last := &api.TakenOver{Outcome: outcome, To: a.handed.To, At: time.Now()}
	if parcel, err := a.options.Handed.Parcel(); err == nil {
		last.ID, last.From = parcel.ID, parcel.Version
	}
	return last
}

// answers reports whether all who ask this ota get an answer.
func (a *agent) answers(ctx context.Context) error {
	if err := a.conductor.Answer(ctx); err != nil {
		return fmt.Errorf("the conductor does not answer: %w", err)
	}
	if _, err := api.Dial(a.folder.dir).Status(ctx); err != nil {
		return fmt.Errorf("the control socket does not answer: %w", err)
	}
	if a.handed.Page.Listen == a.config.Web.Listen {
		if err := a.page.Answers(ctx); err != nil {
			return fmt.Errorf("the page does not answer: %w", err)
		}
	}
	return nil
}

// takeFaces goes on with the sockets of the ota before this one. The page's may
// be to be opened anew, as the settings are read anew.
func (a *agent) takeFaces() (isNewPage bool, err error) {
	if a.handed == nil {
		return false, nil
	}
	if err := a.server.TakeOver(a.options.Handed); err != nil {
		return false, err
	}
	return a.handed.Page.Listen != a.config.Web.Listen, a.page.TakeOver(a.handed.Page, a.options.Handed)
}

// awaitBegun returns when there is no way back any more, or ctx has ended.
func (a *agent) awaitBegun(ctx context.Context) {
	select {
	case <-a.begun:
	case <-ctx.Done():
	}
}
