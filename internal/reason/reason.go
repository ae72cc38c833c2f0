// Package reason holds the one way in which every room says why an upload is
// not used, or what it is waiting for.
//
// In: what a room found out. Out: the same words on the console, in the log,
// in status and on the page. Never: a verdict; which reasons hold an upload is
// decided by who gives them.
package reason

import (
	"errors"
	"fmt"
	"strings"

	"ota/internal/kit/escape"
)

// Reason is one thing that keeps an upload in deposit/. The zero Line and an
// empty Path mean that the reason concerns no line and no single file.
type Reason struct {
	Path    string // below deposit/, slash-separated, any bytes
	Line    int    // from 1
	Message string
}

// String is the reason as a person reads it: "main.py:3: message".
func (r Reason) String() string {
	switch {
	case r.Path == "":
		return r.Message
	case r.Line == 0:
		return escape.Name(r.Path) + ": " + r.Message
	default:
		return fmt.Sprintf("%s:%d: %s", escape.Name(r.Path), r.Line, r.Message)
	}
}

// Refused is the error of a room that will not take an upload as it is: the
// upload is held until somebody changes it.
type Refused struct {
	Reasons []Reason
}

// Error joins the reasons.
func (r *Refused) Error() string {
	texts := make([]string, len(r.Reasons))
	for i, one := range r.Reasons {
		texts[i] = one.String()
	}
	return strings.Join(texts, "; ")
}

// Of returns the reasons inside err, or err itself as the only reason.
func Of(err error) []Reason {
	var refused *Refused
	if errors.As(err, &refused) {
		return refused.Reasons
	}
	return []Reason{{Message: err.Error()}}
}
