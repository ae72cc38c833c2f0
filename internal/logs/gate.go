package logs

import (
	"sync"
	"time"
)

// What a program may say on each of its streams in the long run. Endless output
// at full speed would wear out a card within months and push everything of worth
// out of the files within seconds; 100 kB/s are about 1,000 lines a second, and
// less than 9 GB a day. In between, a burst lets through a long traceback or the
// listing of a large structure whole.
const (
	gateRate  = 100_000 // bytes a second
	gateBurst = 4_000_000
	// gateStart passes at every start of the program, whatever came before: its
	// first lines tell whether it works. The pauses between starts after a
	// crash keep this below the rate.
	gateStart = 256_000
)

// How long the gate stays shut when the burst is used up. To open at every byte
// that may pass again would leave single lines, each with a line about those
// that are missing, so the pause doubles until the program is quieter.
const (
	firstPause   = time.Second
	longestPause = 30 * time.Second
)

// linePrefix is what a line takes on the card besides its text.
const linePrefix = len("[23/11/26 10:00:00] MAIN! : \n")

// gateState says whether lines pass.
type gateState string

const (
	gateOpen gateState = "open"
	gateShut gateState = "shut"
)

// gate lets lines of one stream pass while they keep to the limits, and counts
// the others. Its clock is monotonic; while nothing comes it does nothing.
type gate struct {
	say func(text string)

	mu     sync.Mutex
	state  gateState
	tokens int // bytes that may pass; below zero where an escaped line was longer than thought
	filled time.Time
	pause  time.Duration
	timer  *time.Timer
	lines  uint64
	bytes  uint64
}

// newGate returns an open gate. It says what it has kept back through say.
func newGate(say func(text string)) *gate {
	return &gate{say: say, state: gateOpen, tokens: gateBurst, pause: firstPause}
}

// pass tells whether a line may pass that takes so many bytes in the file and
// stands for so many of the program's output.
func (g *gate) pass(text int, stands uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.filled.IsZero() {
		g.filled = time.Now()
	}
	if g.state == gateOpen && g.tokens < text+linePrefix {
		g.fill()
		if g.tokens < text+linePrefix {
			g.shut()
		}
	}
	if g.state == gateShut {
		g.lines++
		g.bytes += stands
		return false
	}
	g.tokens -= text + linePrefix
	return true
}

// renew opens the gate for another start of the program, after it has said what
// it kept back of the one before.
func (g *gate) renew() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tellLocked()
	if g.timer != nil {
		g.timer.Stop() // too late, it opens what is open
	}
	g.state, g.tokens = gateOpen, max(g.tokens, gateStart)
}

// charge takes the bytes by which escaping made a line longer.
func (g *gate) charge(bytes int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tokens -= bytes
}

// tell says what was kept back, now rather than when the gate opens: nothing
// more may come.
func (g *gate) tell() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tellLocked()
}

func (g *gate) tellLocked() {
	if g.lines > 0 {
		g.say(leftOut(g.lines, g.bytes, "the program's output"))
		g.lines, g.bytes = 0, 0
	}
}

func (g *gate) fill() {
	now := time.Now()
	// More than the time of a burst changes nothing, and would not fit an int on a Pi Zero.
	elapsed := min(now.Sub(g.filled), 2*gateBurst/gateRate*time.Second)
	g.tokens += int(elapsed.Seconds() * gateRate)
	g.filled = now
	if g.tokens >= gateBurst {
		g.tokens, g.pause = gateBurst, firstPause
	}
}

func (g *gate) shut() {
	g.state = gateShut
	if g.timer == nil {
		g.timer = time.AfterFunc(g.pause, g.open)
	} else {
		g.timer.Reset(g.pause)
	}
	g.pause = min(2*g.pause, longestPause)
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tellLocked()
	g.fill()
	g.state = gateOpen
}

// stop ends what the gate does by itself, and lets everything be told.
func (g *gate) stop() {
	g.mu.Lock()
	if g.timer != nil {
		g.timer.Stop()
	}
	g.mu.Unlock()
	g.open()
}
