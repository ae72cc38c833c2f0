package program

import (
	"bytes"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Phase is how far a program says it has come, see sd_notify(3).
type Phase string

const (
	PhaseSilent    Phase = ""          // it has said nothing
	PhaseReady     Phase = "ready"     // READY=1, after a start or a reload
	PhaseReloading Phase = "reloading" // RELOADING=1
	PhaseStopping  Phase = "stopping"  // STOPPING=1
)

// Said is what a program has said of itself.
type Said struct {
	Phase Phase
	// Text is its STATUS: one line of UTF-8 of up to 1 kB. It may hold any
	// other character: who shows it makes it safe for where it is shown.
	Text string
}

// longestStatus is how much of a STATUS is kept.
const longestStatus = 1 << 10

// sign is what a program says of its life.
type sign string

const (
	signNone    sign = ""
	signAlive   sign = "1"       // WATCHDOG=1
	signTrigger sign = "trigger" // WATCHDOG=trigger: it asks for its own end
)

// message is what one datagram says.
type message struct {
	phase    Phase          // the last one that is named; silent: none is
	text     *string        // nil: none
	sign     sign           // the last one
	interval *time.Duration // of the watchdog from now on; nil: as before
}

// parseMessage returns what a datagram of sd_notify(3) says, VAR=VALUE on each
// line. One with a zero byte says nothing, as for systemd.
//
// Not heeded: MAINPID, for the main process is the one that we have started,
// and who is of the tree is known without it; EXTEND_TIMEOUT_USEC, for a slow
// start is the trial's business; ERRNO, EXIT_STATUS and BUSERROR, for the exit
// tells; FDSTORE, for files that are sent along are never taken.
func parseMessage(datagram []byte) message {
	var said message
	if bytes.IndexByte(datagram, 0) >= 0 {
		return said
	}
	for line := range strings.SplitSeq(string(datagram), "\n") {
		name, value, _ := strings.Cut(line, "=")
		switch name {
		case "READY", "RELOADING", "STOPPING":
			if value == "1" {
				said.phase = phases[name]
			}
		case "STATUS":
			if utf8.ValidString(value) {
				said.text = new(shorten(value))
			}
		case "WATCHDOG":
			if heard := sign(value); heard == signAlive || heard == signTrigger {
				said.sign = heard
			}
		case "WATCHDOG_USEC":
			if interval, err := parseMicroseconds(value); err == nil {
				said.interval = &interval
			}
		}
	}
	return said
}

var phases = map[string]Phase{"READY": PhaseReady, "RELOADING": PhaseReloading, "STOPPING": PhaseStopping}

// shorten cuts a valid text between two characters.
func shorten(text string) string {
	if len(text) <= longestStatus {
		return text
	}
	end := longestStatus
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// parseMicroseconds returns a time span, of which 0 and what is too long to
// ever pass are none.
func parseMicroseconds(value string) (time.Duration, error) {
	microseconds, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		return 0, err
	}
	if microseconds > uint64(maxInterval/time.Microsecond) {
		return 0, nil
	}
	return time.Duration(microseconds) * time.Microsecond, nil
}

// Said returns what anybody of the tree has said last on the socket of
// [Options.Notify].
func (run *Run) Said() Said {
	run.mu.Lock()
	defer run.mu.Unlock()
	return run.said
}

// hear takes what has been said to heart.
func (run *Run) hear(said message) {
	run.mu.Lock()
	if said.phase != PhaseSilent {
		run.said.Phase = said.phase
	}
	if said.text != nil {
		run.said.Text = *said.text
	}
	run.mu.Unlock()
	if said.phase == PhaseReady {
		run.becomeReady()
	}
	run.dog.hear(said)
}
