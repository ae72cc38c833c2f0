// Package device tells what is known of the machine, and what the program used
// of it in the last hour.
//
// In: /proc, /sys and /run, the folder whose disk matters, and who measures the
// program. Out: facts, each by itself absent where the machine does not tell;
// a ring of samples. Never: a command that is run, a file that is written; and
// nothing that makes the kernel complain where there is another way.
package device

import (
	"runtime"
	"sync"
	"time"
)

// Facts are what is known of the machine. Text is harmless to a terminal and to
// a page, and of a few dozen characters.
type Facts struct {
	Name        string     // of the host; empty: not known
	Model       string     // "Raspberry Pi Zero W Rev 1.1"; empty: not known
	Temperature *float64   // of the processor, in degrees Celsius
	Power       *Power     // nil: the machine does not tell
	Disk        *Space     // of the folder, for who is not root
	Memory      *Space     // free: what could be had
	Load        *float64   // of the last minute
	Processors  int        // that we may use
	Booted      *time.Time // by the present clock
	ClockSet    *bool      // synchronised since the start of the machine
}

// Space is how much there is of something, in bytes.
type Space struct {
	Free, Total int64
}

// Power is what is wrong with the power and the heat of a machine, or was since
// its start as far as anybody has noticed.
type Power struct {
	Now, Before []Problem // Before: and not now
}

// Problem is something that slows a machine down or endangers it.
type Problem string

// The problems, as a Raspberry Pi tells them.
const (
	UnderVoltage    Problem = "under-voltage"
	FrequencyCapped Problem = "frequency capped"
	Throttled       Problem = "throttled"
	SoftLimit       Problem = "soft temperature limit"
)

// Words says it for people: "under-voltage now", "throttled since the start".
func (p *Power) Words() []string {
	if p == nil {
		return nil
	}
	var words []string
	for _, problem := range p.Now {
		words = append(words, string(problem)+" now")
	}
	for _, problem := range p.Before {
		words = append(words, string(problem)+" since the start")
	}
	return words
}

// fresh is how long facts are given again instead of being looked up.
const fresh = 2 * time.Second

// Machine is the one that we run on. Several goroutines may call its methods.
type Machine struct {
	root   tree   // "/", but for tests
	folder string // whose disk matters
	now    func() time.Time
	kernel func() (synchronised, known bool)

	mu       sync.Mutex // guards what follows
	known    bool       // name and model were looked up
	name     string
	model    string
	occurred uint32 // problems that were seen, as bits
	facts    Facts
	looked   time.Time // zero: never
}

// New remembers the folder whose disk matters.
func New(folder string) *Machine {
	return &Machine{root: "/", folder: folder, now: time.Now, kernel: kernelClock}
}

// Facts returns what is known, at most two seconds old. Name and model are
// looked up once.
func (m *Machine) Facts() Facts {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if !m.looked.IsZero() && now.Sub(m.looked) < fresh {
		return m.facts
	}
	if !m.known {
		m.name, m.model, m.known = m.root.name(), m.root.model(), true
	}
	m.facts = Facts{
		Name: m.name, Model: m.model,
		Temperature: m.root.temperature(),
		Power:       m.power(),
		Disk:        space(m.folder),
		Memory:      m.root.memory(),
		Load:        m.root.load(),
		Processors:  runtime.NumCPU(),
		Booted:      m.root.booted(now),
		ClockSet:    m.clockSet(now),
	}
	m.looked = now
	return m.facts
}

// power joins what is told now with what was seen before: the kernel keeps the
// past for seconds only.
func (m *Machine) power() *Power {
	bits, known := m.root.throttled()
	if !known {
		return nil
	}
	m.occurred |= bits | bits>>occurredShift
	return powerOf(bits, m.occurred)
}

// ClockSet reports whether the clock can be believed at this moment; nil: not
// known. What is refused because of a date must not go by what was so a second ago.
func (m *Machine) ClockSet() *bool { return m.clockSet(m.now()) }

// firstYear is that of ota's first release: a clock before it is wrong.
const firstYear = 2024

// clockSet reports whether the clock can be believed. A Raspberry Pi starts
// with the time at which it was last on, and who has set it since tells the
// kernel (adjtimex(2)). The kernel forgets that when nobody has done so again
// for hours; systemd-timesyncd(8) leaves a file until the machine ends.
func (m *Machine) clockSet(now time.Time) *bool {
	synchronised, known := m.kernel()
	set := synchronised || m.root.has("run/systemd/timesync/synchronized")
	switch {
	case now.Year() < firstYear:
		return new(false)
	case set || known:
		return &set
	default:
		return nil
	}
}
