package api

import (
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

// lines reads how many lines of the log are meant.
func (a *asked) lines(name string) int {
	text := a.Get(name)
	if text == "" {
		return defaultLines
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		a.refuse("%s is a number of lines, not %q", name, text)
	}
	return n
}

func (a *asked) refuse(format string, args ...any) {
	if a.wrong == nil {
		a.wrong = newProblem(http.StatusBadRequest, fmt.Sprintf(format, args...))
	}
}
