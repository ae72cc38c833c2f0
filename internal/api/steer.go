package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"

	"ota/internal/kit/hint"
)

// answering answers a request by itself, or returns why not.
type answering = func(http.ResponseWriter, *http.Request) error

// steerRoutes change what is.
func (s *Server) steerRoutes() []route {
	acts := []struct {
		name string
		act  answering
	}{
		{"start", steer(s.house.Start)},
		{"stop", steer(s.house.Stop)},
		{"restart", steer(s.house.Restart)},
		{"apply", s.apply},
		{"retry", s.retry},
		{"discard", tell(s.house.Discard)},
		{"rollback", s.rollback},
	}
	pins := []route{
		{http.MethodPost, prefix + "/pin", controlling, 0, s.told("pin", s.pin(true))},
		{http.MethodPost, prefix + "/unpin", controlling, 0, s.told("unpin", s.pin(false))},
	}
	var routes []route
	for _, one := range acts {
		act := s.told(one.name, s.steering.inTurn(one.name, one.act))
		routes = append(routes, route{http.MethodPost, prefix + "/" + one.name, controlling, 0, act})
	}
	return append(routes, pins...)
}

// told logs what is asked for over the network. What is asked for on the control
// socket was asked by who reads the log.
func (s *Server) told(act string, do answering) answering {
	return func(w http.ResponseWriter, r *http.Request) error {
		if caller := CallerOf(r.Context()); !caller.May(Owner) {
			told := []any{"action", act, "by", caller.Name}
			if from, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
				told = append(told, "from", from)
			}
			s.log.Info("asked over the network", told...)
		}
		return do(w, r)
	}
}

// steering is what callers are just doing to the program and to deposit/.
// Several goroutines use it.
type steering struct {
	mutex sync.Mutex
	under []*underWay
}

// underWay is something that somebody asked for and that is not done yet.
type underWay struct{ act, by string }

// inTheWay is what it is to who would do something else.
func (u *underWay) inTheWay() string {
	return fmt.Sprintf("%s is just doing %q; look what comes of it, then decide anew", u.by, u.act)
}

// inTurn lets a caller from the network act only while nobody else does: of two
// people who press at once, the second has not seen what the first one did. The
// owner, at the command line, knows better.
func (s *steering) inTurn(act string, do answering) answering {
	return func(w http.ResponseWriter, r *http.Request) error {
		mine := &underWay{act, CallerOf(r.Context()).Name}
		if other := s.begin(mine, CallerOf(r.Context()).May(Owner)); other != nil {
			return newProblem(http.StatusConflict, other.inTheWay())
		}
		defer s.end(mine)
		return do(w, r)
	}
}

// Turn is for another face of the same house, which asks in the name of somebody
// beyond the machine: it begins an act, or says who is just doing what.
func (s *Server) Turn(act, by string) (end func(), err error) {
	mine := &underWay{act, by}
	if other := s.steering.begin(mine, false); other != nil {
		return nil, errors.New(other.inTheWay())
	}
	return func() { s.steering.end(mine) }, nil
}

// begin returns what is in the way.
func (s *steering) begin(mine *underWay, anyway bool) *underWay {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if len(s.under) > 0 && !anyway {
		return s.under[0]
	}
	s.under = append(s.under, mine)
	return nil
}

func (s *steering) end(mine *underWay) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.under = slices.DeleteFunc(s.under, func(one *underWay) bool { return one == mine })
}

func (s *Server) apply(w http.ResponseWriter, r *http.Request) error {
	query := asked{Values: r.URL.Query()}
	now := query.is("now", false)
	if query.wrong != nil {
		return query.wrong
	}
	house := s.seenBy(CallerOf(r.Context()))
	apply := func(ctx context.Context) (ApplyResult, error) { return house.Apply(ctx, now) }
	return tell(unlessBusy(apply))(w, r)
}

func (s *Server) retry(w http.ResponseWriter, r *http.Request) error {
	return tell(unlessBusy(s.seenBy(CallerOf(r.Context())).Retry))(w, r)
}

// unlessBusy makes the outcome that nothing was done an error, as others than
// the command line go by the status.
func unlessBusy(act func(context.Context) (ApplyResult, error)) func(context.Context) (ApplyResult, error) {
	return func(ctx context.Context) (ApplyResult, error) {
		result, err := act(ctx)
		if err == nil && result.Outcome == Busy && !CallerOf(ctx).May(Owner) {
			err = hint.With(errSwitching, "try again in a moment")
		}
		return result, err
	}
}

var errSwitching = errors.New("another upload is being switched in")

func (s *Server) rollback(w http.ResponseWriter, r *http.Request) error {
	query := asked{Values: r.URL.Query()}
	to := Rollback{Release: query.release("release"), NoTrial: !query.is("trial", true)}
	if query.wrong != nil {
		return query.wrong
	}
	rollback := func(ctx context.Context) (WentBack, error) { return s.house.Rollback(ctx, to) }
	return tell(rollback)(w, r)
}

func (s *Server) pin(pinned bool) answering {
	return func(w http.ResponseWriter, r *http.Request) error {
		query := asked{Values: r.URL.Query()}
		number := query.release("release")
		if number == 0 {
			query.refuse("release is missing: which one?")
		}
		if query.wrong != nil {
			return query.wrong
		}
		return steer(func(ctx context.Context) error { return s.house.Pin(ctx, number, pinned) })(w, r)
	}
}

// steer answers when it is done, with no content.
func steer(act func(context.Context) error) answering {
	return func(w http.ResponseWriter, r *http.Request) error {
		takeTime(w)
		if err := act(r.Context()); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}

// tell answers when it is done, with what became of it.
func tell[T any](act func(context.Context) (T, error)) answering {
	return func(w http.ResponseWriter, r *http.Request) error {
		takeTime(w)
		result, err := act(r.Context())
		if err != nil {
			return err
		}
		return writeJSON(w, result)
	}
}
