//go:build !linux

package handover

import "time"

var begun = time.Now()

func uptime() time.Duration { return time.Since(begun) }
