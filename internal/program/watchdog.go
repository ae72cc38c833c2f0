package program

import (
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	watchdogInterval = "WATCHDOG_USEC"
	watchdogPID      = "WATCHDOG_PID"

	// maxInterval is longer than any device runs.
	maxInterval = 100 * 365 * 24 * time.Hour
	// abortGrace is how long a program may take to tell where it hangs
	// (Python's faulthandler does so at SIGABRT) before it is killed.
	abortGrace = 5 * time.Second
	// stopGrace is how long one that says STOPPING=1 may take for it without
	// a sign of life: systemd's TimeoutStopSec.
	stopGrace = 90 * time.Second
	// longestEarly is more than a program says before its start has returned.
	longestEarly = 64
)

// leash is how a watchdog is held. It only goes forward.
type leash string

const (
	leashTied    leash = "tied"    // the program is being started
	leashWaiting leash = "waiting" // for READY=1 or a first sign of life
	leashArmed   leash = "armed"   // a sign of life is due in time
	leashLoose   leash = "loose"   // it bites
	leashOff     leash = "off"     // the program has ended or is to end
)

// watchdog ends a program that gives no sign of life. Without an interval it
// is no more than these fields. A slow start is the trial's business: it is
// armed by READY=1 or the first WATCHDOG=1, whichever comes first.
type watchdog struct {
	run *Run

	mu       sync.Mutex // guards what follows
	leash    leash
	early    []message     // heard while tied
	interval time.Duration // 0: none
	grace    time.Duration // instead of a shorter interval; 0: none
	fed      time.Time     // the last sign of life
	timer    *time.Timer   // goes off when one is overdue; nil before it is armed
}

// begin begins the watch over a program that has been started. It may have
// said something before we know its number.
func (d *watchdog) begin(interval time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.leash != leashTied { // one that had waited to be the program may have ended
		return
	}
	d.leash, d.interval = leashWaiting, interval
	for _, said := range d.early {
		d.take(said)
	}
	d.early = nil
}

// hear takes a sign of life.
func (d *watchdog) hear(said message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.leash == leashTied {
		if len(d.early) < longestEarly {
			d.early = append(d.early, said)
		}
		return
	}
	d.take(said)
}

func (d *watchdog) take(said message) {
	if said.interval != nil {
		d.interval = *said.interval
	}
	if said.phase == PhaseStopping {
		d.grace = stopGrace
	}
	if said.sign == signTrigger {
		d.let("it has asked for its own end")
		return
	}
	if d.leash == leashWaiting && (said.phase == PhaseReady || said.sign == signAlive) {
		d.leash = leashArmed
	}
	if d.leash == leashArmed && (said.sign == signAlive || said.phase != PhaseSilent || said.interval != nil) {
		d.fed = time.Now()
		d.wind()
	}
}

// wind sets the timer for the time at which the next sign of life is overdue.
func (d *watchdog) wind() {
	switch {
	case d.interval == 0 && d.timer == nil:
	case d.interval == 0:
		d.timer.Stop()
	case d.timer == nil:
		d.timer = time.AfterFunc(time.Until(d.due()), d.check)
	default:
		d.timer.Reset(time.Until(d.due()))
	}
}

func (d *watchdog) due() time.Time { return d.fed.Add(max(d.interval, d.grace)) }

// check lets the dog loose if it must. When ota itself was held up, signs of
// life are waiting to be read.
func (d *watchdog) check() {
	d.run.room.notify.catchUp()
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.leash != leashArmed || d.interval == 0:
	case time.Now().Before(d.due()):
		d.wind()
	default:
		d.let("no sign of life from it")
	}
}

// let lets the dog loose.
func (d *watchdog) let(reason string) {
	if d.leash == leashLoose || d.leash == leashOff {
		return
	}
	d.leash = leashLoose
	if d.timer != nil {
		d.timer.Stop()
	}
	go d.run.bite(reason, d.interval)
}

// off ends the watch.
func (d *watchdog) off() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leash = leashOff
	if d.timer != nil {
		d.timer.Stop()
	}
}

// bite ends the main process.
func (run *Run) bite(reason string, interval time.Duration) {
	reached := false
	run.whileNumbered(func(int) {
		reached = true
		run.cause = CauseWatchdog
	})
	if !reached {
		return // it has ended meanwhile
	}
	run.room.log.Warn("the watchdog ends the program", "reason", reason, "watchdog", interval, "pid", run.PID())
	run.abort()
	limit := time.NewTimer(abortGrace)
	defer limit.Stop()
	select {
	case <-run.done:
	case <-limit.C:
		run.room.log.Warn("the program did not heed SIGABRT: it is killed", "pid", run.PID())
		_ = run.cmd.Process.Kill() // it may have ended
	}
}

// abort asks for the place at which the main process hangs, which is told if
// it has enabled faulthandler or keeps cores.
func (run *Run) abort() {
	_ = run.cmd.Process.Signal(syscall.SIGABRT) // it may have ended
	letGoOn(run.cmd.Process)
}

// watchdogFor is what a program is told of its watchdog, but for WATCHDOG_PID.
func watchdogFor(interval time.Duration) []string {
	if interval <= 0 {
		return nil
	}
	return []string{watchdogInterval + "=" + strconv.FormatInt(interval.Microseconds(), 10)}
}
