package api

import (
	"cmp"
	"fmt"
	"net/http"
)

// healthz answers those who ask for nothing but whether all is well: load
// balancers and watchers.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) error {
	if problem := unwell(s.house.Status().Program); problem != nil {
		return problem
	}
	write(w, "text/plain; charset=utf-8", http.StatusOK, []byte("ok\n"))
	return nil
}

// unwell says what is wrong with the program; nil: it does what it is to do.
func unwell(program Program) *Problem {
	var problem *Problem
	say := func(format string, args ...any) {
		problem = newProblem(http.StatusServiceUnavailable, fmt.Sprintf(format, args...))
	}
	switch {
	case program.CrashLooping:
		say("the program crashes again and again%s", ended(program.LastExit))
	case program.State == Running, program.State == Finished, program.State == Stopped:
		return nil
	case program.State == Backoff:
		say("the program has failed and is started again after a pause%s", ended(program.LastExit))
	case program.State == Equipping:
		say("the environment of the program is being made")
		if program.Doing != nil {
			say("the environment of the program is being made: %s", *program.Doing)
		}
		return problem
	case program.State == Waiting:
		say("there is no program yet")
		problem.Advice = "put it into deposit/"
		return problem
	default:
		say("it is not known what the program does")
	}
	problem.Advice = `"ota logs" shows what it has said`
	return problem
}

// ended says how the program ended last, to be put behind what became of it.
func ended(exit *Exit) string {
	switch {
	case exit == nil:
		return ""
	case exit.Cause != nil:
		return ": " + *exit.Cause
	case exit.Code != nil:
		return fmt.Sprintf(": it ended with exit code %d", *exit.Code)
	default:
		return ": it was ended by " + *cmp.Or(exit.Signal, new("a signal"))
	}
}
