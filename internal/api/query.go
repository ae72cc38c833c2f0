package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// asked are the parameters of a request. What is wrong with the first that is
// wrong is in wrong when all have been read.
type asked struct {
	url.Values
	wrong *Problem
}

// is reads true or false.
func (a *asked) is(name string, without bool) bool {
	text := a.Get(name)
	if text == "" {
		return without
	}
	value, err := strconv.ParseBool(text)
	if err != nil {
		a.refuse("%s is true or false, not %q", name, text)
	}
	return value
}

// release reads the number of a release; 0: it was not said.
func (a *asked) release(name string) int {
	text := a.Get(name)
	if text == "" {
		return 0
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 0 {
		a.refuse("%s is the number of a release, not %q", name, text)
	}
	return number
}

func (a *asked) lines() int {
	text := a.Get("n")
	if text == "" {
		return defaultLines
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		a.refuse("n is a number of lines, not %q", text)
	}
	return n
}

func (a *asked) refuse(format string, args ...any) {
	if a.wrong == nil {
		a.wrong = newProblem(http.StatusBadRequest, fmt.Sprintf(format, args...))
	}
}

func (s *Server) apply(w http.ResponseWriter, r *http.Request) error {
	query := asked{Values: r.URL.Query()}
	now := query.is("now", false)
	if query.wrong != nil {
		return query.wrong
	}
	apply := func(ctx context.Context) (ApplyResult, error) { return s.house.Apply(ctx, now) }
	return tell(apply)(w, r)
}

func (s *Server) rollback(w http.ResponseWriter, r *http.Request) error {
	query := asked{Values: r.URL.Query()}
	to := Rollback{Release: query.release("release"), NoTrial: !query.is("trial", true)}
	if query.wrong != nil {
		return query.wrong
	}
	rollback := func(ctx context.Context) (WentBack, error) { return s.house.Rollback(ctx, to) }
	return tell(rollback)(w, r)
}

func (s *Server) pin(pinned bool) func(http.ResponseWriter, *http.Request) error {
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

func (s *Server) why(w http.ResponseWriter, r *http.Request) error {
	query := asked{Values: r.URL.Query()}
	number := query.release("release")
	if query.wrong != nil {
		return query.wrong
	}
	return tell(func(context.Context) (Why, error) { return s.house.Why(number) })(w, r)
}

func (s *Server) diff(w http.ResponseWriter, r *http.Request) error {
	query := asked{Values: r.URL.Query()}
	request := DiffRequest{
		From: query.release("from"), To: query.release("to"), Patch: query.is("patch", false),
		Hide: !CallerOf(r.Context()).May(Owner),
	}
	if query.wrong != nil {
		return query.wrong
	}
	return tell(func(context.Context) (Diff, error) { return s.house.Diff(request) })(w, r)
}
