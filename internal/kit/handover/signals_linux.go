package handover

import (
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// listed is a part of the variable: signals that came and were not acted upon.
// What comes between this and [Received.Repeat] ends the process: Go opens its
// threads to a signal before it has a handler for it, so that none can be kept
// waiting.
func listed(caught func() []syscall.Signal) string {
	if caught == nil {
		return ""
	}
	var list strings.Builder
	for _, one := range caught() {
		list.WriteString("," + strconv.Itoa(int(one)))
	}
	return list.String()
}

// Repeat sends this process the signals that the one before has left, now that
// somebody listens; and if that one is to be back it gets those that caught
// returns.
func (r *Received) Repeat(caught func() []syscall.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.caught = caught
	for _, one := range r.signals {
		_ = unix.Kill(unix.Getpid(), one) // it has come already, so it may
	}
	r.signals = nil
}
