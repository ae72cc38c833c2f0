package program

import (
	"sync"
	"time"

	"ota/internal/kit/proc"
)

// Usage is what the program and all that it started use.
type Usage struct {
	// Memory is what is resident, in bytes. Where no control group adds it up,
	// pages that several processes share count for each.
	Memory int64
	// CPU is the time of processors that all programs of the room have used so
	// far, as far as it was seen: it never goes back, and what a process did
	// between the last look and its end may be missing.
	CPU time.Duration
}

// Usage looks at what the tree uses now, without reading any environment. False:
// nothing of a program is left, or the system does not tell; CPU is then what
// it was.
func (r *Room) Usage() (Usage, bool) {
	r.meter.mu.Lock()
	defer r.meter.mu.Unlock()
	run := r.newest()
	if run == nil || run.isGone() {
		return Usage{CPU: r.meter.total}, false
	}
	memory, ok := r.host.measure(run, &r.meter)
	return Usage{Memory: memory, CPU: r.meter.total}, ok
}

// tick is the unit of the times in a [proc.Stat].
const tick = 10 * time.Millisecond

// grouping is the control group that a program is in.
type grouping struct {
	path   string        // empty: none
	made   int           // counts those that ota has made: one may have the path of another
	before time.Duration // of processors, used in it by the programs of an earlier ota
}

// meter adds up the time of processors from one look to the next.
type meter struct {
	mu    sync.Mutex // held by who looks
	total time.Duration

	group   grouping      // of the last look
	inGroup time.Duration // that it told
	seen    []proc.Stat   // at the last look without a group
}

// advance adds what a control group tells, which goes on from one program to
// the next in it. A group that is made anew begins at nothing.
func (m *meter) advance(group grouping, now time.Duration) {
	if m.group != group {
		m.group, m.inGroup = group, group.before
	}
	if now < m.inGroup { // somebody else has made it anew
		m.inGroup = 0
	}
	m.total += now - m.inGroup
	m.inGroup = now
}

// gather adds what the processes of a look have used since the look before. The
// time of one that has ended meanwhile is its parent's, which has waited for
// it; where the parent is gone too, nobody has it any more. A list of processes
// is no picture of one moment, so that a sum may be less than the one before.
func (m *meter) gather(now []proc.Stat) {
	here := make(map[int]proc.ID, len(now))
	var used, before uint64
	for _, one := range now {
		here[one.PID] = one.ID
		used += one.Ticks + one.Gathered
	}
	for _, one := range m.seen {
		_, handedOn := here[one.Parent]
		if here[one.PID] == one.ID || handedOn {
			before += one.Ticks + one.Gathered
		}
	}
	if used > before {
		m.total += time.Duration(used-before) * tick
	}
	m.seen = now
}
