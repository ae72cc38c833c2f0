//go:build !linux

package program

import (
	"errors"
	"fmt"
)

// line is not there: processes wait on Linux only.
type line struct{}

// Prepare prepares nothing here: processes wait on Linux only. The error is
// [errors.ErrUnsupported].
func (r *Room) Prepare(Spec, WaitSpec) (*Waiting, error) {
	return nil, fmt.Errorf("cannot prepare a start: %w", errors.ErrUnsupported)
}

func (r *Room) adopt(Spec, *Run) *Run { return nil }
