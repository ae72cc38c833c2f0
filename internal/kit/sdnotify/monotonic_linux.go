package sdnotify

import "golang.org/x/sys/unix"

// monotonic is the time by the clock that the manager reads, in microseconds.
func monotonic() int64 {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return 0 // every kernel has it
	}
	return now.Nano() / 1000
}
