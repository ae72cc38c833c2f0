package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"ota/internal/kit/hint"
)

// Problem is what the server answers when it can't do what it was asked for:
// problem details as in RFC 9457, with one member more, the hint. It is also
// the error that the client returns then.
type Problem struct {
	Type   string `json:"type"`  // always "about:blank": the status says it all
	Title  string `json:"title"` // the status in words
	Status int    `json:"status"`
	Detail string `json:"detail"`         // why
	Advice string `json:"hint,omitempty"` // what a person can do
	Wait   int    `json:"-"`              // seconds until it is worth another try; 0: at once
}

// Error says why.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return p.Title
	}
	return p.Detail
}

// Hint says what a person can do.
func (p *Problem) Hint() string { return p.Advice }

func newProblem(status int, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
}

// NewProblem returns the problem of a face that stands before the [Handler].
func NewProblem(status int, detail, advice string) *Problem {
	problem := newProblem(status, detail)
	problem.Advice = advice
	return problem
}

// WriteProblem answers with it.
func WriteProblem(w http.ResponseWriter, problem *Problem) { writeProblem(w, problem) }

// problemOf makes an error of the house a problem. What the house can't do is
// nearly always due to how things stand, not to a fault of ours: 409.
func problemOf(ctx context.Context, err error) *Problem {
	if problem, ok := errors.AsType[*Problem](err); ok {
		return problem
	}
	if unknown, ok := errors.AsType[*NoRelease](err); ok {
		problem := newProblem(http.StatusNotFound, unknown.Error())
		problem.Advice = unknown.Hint()
		return problem
	}
	if missing, ok := errors.AsType[*NoFile](err); ok {
		return newProblem(http.StatusNotFound, missing.Error())
	}
	if ctx.Err() != nil {
		return newProblem(http.StatusServiceUnavailable, "ota is ending")
	}
	problem := newProblem(http.StatusConflict, err.Error())
	problem.Advice = hint.Of(err)
	return problem
}

// NoRelease is the error of a house that is asked for a release that it does
// not have.
type NoRelease struct {
	Number int
}

// Error names it.
func (n *NoRelease) Error() string { return fmt.Sprintf("there is no release %d", n.Number) }

// Hint says where those that there are can be seen.
func (n *NoRelease) Hint() string { return `"ota history" lists the releases` }
