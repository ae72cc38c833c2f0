package api

import (
	"errors"
	"net/http"
	"testing"
)

func TestHealth(t *testing.T) {
	failed := &Exit{Code: new(3), At: noon}
	for _, test := range []struct {
		name    string
		program Program
		why     string // empty: all is well
	}{
		{"running", Program{State: Running}, ""},
		{"finished", Program{State: Finished}, ""},
		{"stopped on request", Program{State: Stopped, LastExit: failed}, ""},
		{"backoff", Program{State: Backoff, LastExit: failed}, "the program has failed and is started again after a pause: it ended with exit code 3"},
		{"never started", Program{State: Backoff}, "the program has failed and is started again after a pause"},
		{"crash looping", Program{State: Running, CrashLooping: true, LastExit: &Exit{Signal: new("SIGSEGV")}}, "the program crashes again and again: it was ended by SIGSEGV"},
		{"out of memory", Program{State: Backoff, CrashLooping: true, LastExit: &Exit{Signal: new("SIGKILL"), Cause: new("out of memory")}}, "the program crashes again and again: out of memory"},
		{"equipping", Program{State: Equipping, Doing: new("installing numpy (2 of 5)")}, "the environment of the program is being made: installing numpy (2 of 5)"},
		{"soon equipping", Program{State: Equipping}, "the environment of the program is being made"},
		{"waiting", Program{State: Waiting}, "there is no program yet"},
		{"not known", Program{}, "it is not known what the program does"},
	} {
		t.Run(test.name, func(t *testing.T) {
			answer, err := call(t, &fakeHouse{status: Status{Program: test.program}}, (*Server).healthz)
			if test.why == "" {
				if err != nil || answer.Body.String() != "ok\n" || answer.Code != http.StatusOK {
					t.Errorf("%d %q, %v", answer.Code, answer.Body, err)
				}
				return
			}
			problem, ok := errors.AsType[*Problem](err)
			if !ok || problem.Status != http.StatusServiceUnavailable || problem.Detail != test.why {
				t.Errorf("%+v", err)
			}
		})
	}
}
