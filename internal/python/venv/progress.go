package venv

import (
	"fmt"
	"strings"
	"time"

	"ota/internal/kit/pattern"
)

// Phase is what a build is doing.
type Phase string

// The phases, in the order in which they come; those between resolving and
// installing alternate.
const (
	Making      Phase = "making"
	Resolving   Phase = "resolving"
	Downloading Phase = "downloading"
	Building    Phase = "building"
	Installing  Phase = "installing"
	Checking    Phase = "checking"
)

// Step is how far a build has come.
type Step struct {
	Phase   Phase
	Package string // the one that is looked at, if it is known
	Done    int
	Total   int // how many are known so far; 0: unknown
}

// String is the step as a person reads it: "collecting numpy (3 of 7)".
func (s Step) String() string {
	var text string
	switch s.Phase {
	case Making:
		return "making the environment"
	case Checking:
		return "checking what was installed"
	case Resolving:
		text = "collecting"
	default:
		text = string(s.Phase)
	}
	if s.Package != "" {
		text += " " + s.Package
	} else {
		text += " packages"
	}
	switch {
	case s.Total == 0:
		return text
	case s.Done == 0:
		return fmt.Sprintf("%s (%d in all)", text, s.Total)
	}
	return fmt.Sprintf("%s (%d of %d)", text, s.Done, s.Total)
}

// progress reads steps from what an installer writes.
type progress struct {
	tell   func(Step)
	wanted int             // requirements of the recipe
	seen   map[string]bool // packages that were begun
	last   time.Time
	told   Step
}

// tellPause is the least time between two steps of one phase.
const tellPause = 300 * time.Millisecond

// The lines of pip and uv that say what is done. Indented ones are of builds
// inside of builds, but for downloads.
var (
	collecting   = pattern.New(`^(?:Collecting|Requirement already satisfied:) ([A-Za-z0-9][A-Za-z0-9._-]*)`)
	processing   = pattern.New(`^Processing (?:\S*/)?([A-Za-z0-9][A-Za-z0-9._]*)(?:-[0-9][^/ ]*)?`)
	downloading  = pattern.New(`^\s*(?:Downloading|Using cached) (?:\S*/)?([A-Za-z0-9][A-Za-z0-9._]*)(?:[-=\s]|$)`)
	buildingFor  = pattern.New(`^\s*(?:Building wheel for|Building wheels for collected packages:|Running setup\.py install for|Building) ([A-Za-z0-9][A-Za-z0-9._-]*)`)
	installingIn = pattern.New(`^Installing collected packages: (.+)$`)
	uvResolved   = pattern.New(`^Resolved ([0-9]{1,6}) packages?`)
	uvPrepared   = pattern.New(`^Prepared ([0-9]{1,6}) packages?`)
)

// line takes one line of an installer.
func (p *progress) line(text string) {
	if m := collecting.FindStringSubmatch(text); m != nil {
		p.begin(Resolving, m[1])
	} else if m := processing.FindStringSubmatch(text); m != nil {
		p.begin(Resolving, m[1])
	} else if m := downloading.FindStringSubmatch(text); m != nil {
		p.step(Step{Downloading, m[1], len(p.seen), p.total()})
	} else if m := buildingFor.FindStringSubmatch(text); m != nil {
		p.step(Step{Building, strings.TrimRight(m[1], ":,."), 0, 0})
	} else if m := installingIn.FindStringSubmatch(text); m != nil {
		p.step(Step{Installing, "", 0, strings.Count(m[1], ",") + 1})
	} else if m := uvResolved.FindStringSubmatch(text); m != nil {
		p.step(Step{Downloading, "", 0, int(number(m[1]))})
	} else if m := uvPrepared.FindStringSubmatch(text); m != nil {
		p.step(Step{Installing, "", 0, int(number(m[1]))})
	}
}

func (p *progress) begin(phase Phase, name string) {
	name = normalize(name)
	if len(p.seen) < 10000 {
		p.seen[name] = true
	}
	p.step(Step{phase, name, len(p.seen), p.total()})
}

func (p *progress) total() int { return max(p.wanted, len(p.seen)) }

// step tells a step, unless one was told just now.
func (p *progress) step(step Step) {
	now := time.Now()
	if p.tell == nil || step == p.told || step.Phase == p.told.Phase && now.Sub(p.last) < tellPause {
		return
	}
	p.last, p.told = now, step
	p.tell(step)
}
