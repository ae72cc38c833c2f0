// Package hint carries, with an error, what the person who reads it can do.
//
// In: an error and a sentence. Out: the same error, and the sentence for who
// asks. Never: a part of the error's text; `errors.Is` and `errors.As` see
// through it.
package hint

import "errors"

// With returns err with a hint: one line, lower case, no full stop, such as
// `start it with "ota run"`. It returns nil if err is nil.
func With(err error, hint string) error {
	if err == nil || hint == "" {
		return err
	}
	return &hinted{err, hint}
}

// Of returns the outermost hint in err, "" if there is none. Any error with a
// method Hint() string gives one.
func Of(err error) string {
	var giver interface{ Hint() string }
	if errors.As(err, &giver) {
		return giver.Hint()
	}
	return ""
}

type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }
func (h *hinted) Hint() string  { return h.hint }
