package api

import (
	"context"
	"slices"
)

// Right is something that a caller may do.
type Right string

// The rights. Each is given by itself: a token for uploads can't look.
const (
	Read    Right = "read"    // look at everything but secrets
	Upload  Right = "upload"  // put files into deposit/
	Control Right = "control" // start, stop, apply, discard, roll back, pin
	// Owner is the right of who may use the control socket: to say who may do
	// what over the network. No token and no session has it.
	Owner Right = "owner"
)

// Rights are those that a token can be given.
var Rights = []Right{Read, Upload, Control}

// Caller is who asks, as far as it is known.
type Caller struct {
	Name   string // for the log: "the page", "token ci"
	Rights []Right
	Veiled bool // an owner asks for somebody else, see [Client.Veiled]
}

// May reports whether the caller has the right.
func (c Caller) May(right Right) bool { return slices.Contains(c.Rights, right) }

type callerKey struct{}

// WithCaller says who asks. A face that has found that out says so before the
// request comes to the [Handler].
func WithCaller(ctx context.Context, caller Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, caller)
}

// CallerOf returns who asks; nobody has any right.
func CallerOf(ctx context.Context) Caller {
	caller, _ := ctx.Value(callerKey{}).(Caller)
	return caller
}
