//go:build !otafault

package handover

import "time"

// patience is how long a program may take until it is up.
func patience() time.Duration { return Limit }

// Fault is where a test lets a program fail that has passed its rehearsal.
func Fault() error { return nil }
