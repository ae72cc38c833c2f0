package program

import (
	"io"
	"time"

	"ota/internal/kit/handover"
	"ota/internal/kit/proc"
)

// Handed is what a room leaves to the one that takes its place in the same
// process, beside the open files in the bag.
type Handed struct {
	Run     *HandedRun     `json:"run"` // nil: nothing of a program is left
	Sockets []HandedSocket `json:"sockets"`
	Notify  HandedNotify   `json:"notify"`
	Host    HandedHost     `json:"host"`
	Meter   HandedMeter    `json:"meter"`
}

// HandedRun is the program.
type HandedRun struct {
	ID       proc.ID          `json:"id"`
	Started  handover.Instant `json:"started"`
	Origin   Origin           `json:"origin"`
	Group    HandedGroup      `json:"group"`
	Steps    []Step           `json:"steps"`
	Ready    bool             `json:"ready"`
	Said     Said             `json:"said"`
	Cause    Cause            `json:"cause"`
	Known    []proc.ID        `json:"known"`
	Exit     *HandedExit      `json:"exit"` // nil: the main process has not ended
	Watchdog HandedWatchdog   `json:"watchdog"`
}

// HandedExit is how it ended while others of it live on.
type HandedExit struct {
	Exit Exit             `json:"exit"`
	At   handover.Instant `json:"at"`
}

// HandedWatchdog is what is known of its signs of life.
type HandedWatchdog struct {
	Leash    string           `json:"leash"`
	Interval time.Duration    `json:"interval"`
	Grace    time.Duration    `json:"grace"`
	Fed      handover.Instant `json:"fed"`
}

// HandedSocket is one on which it listens.
type HandedSocket struct {
	Socket Socket `json:"socket"`
	// Dev and Ino are those of the file that was made for it; zero: none.
	Dev uint64 `json:"dev"`
	Ino uint64 `json:"ino"`
}

// HandedNotify is where it tells of itself.
type HandedNotify struct {
	Open bool   `json:"open"`
	Path string `json:"path"`
	User uint32 `json:"user"`
}

// HandedHost is what holds the tree together.
type HandedHost struct {
	Prepared bool        `json:"prepared"` // the first start was
	Foreign  []proc.ID   `json:"foreign"`
	Given    []proc.ID   `json:"given"`
	Group    HandedGroup `json:"group"` // for the next program; without a path: none
	Kills    int         `json:"kills"`
	Starved  int64       `json:"starved"`
}

// HandedGroup is a control group.
type HandedGroup struct {
	Path   string        `json:"path"`
	Made   int           `json:"made"`
	Before time.Duration `json:"before"`
}

// HandedMeter is what was used so far.
type HandedMeter struct {
	Total   time.Duration `json:"total"`
	Group   HandedGroup   `json:"group"`
	InGroup time.Duration `json:"in_group"`
}

// Streams are the writers for what a program that was taken over says; see
// [Spec].
type Streams struct {
	Stdout, Stderr io.Writer
}

// The names of files in a bag.
const (
	bagStdout = "the program's stdout"
	bagStderr = "the program's stderr"
	bagNotify = "the program's notify socket"
	bagSocket = "the program's socket "
)

func handedGroup(of grouping) HandedGroup { return HandedGroup{of.path, of.made, of.before} }

func (g HandedGroup) grouping() grouping { return grouping{g.Path, g.Made, g.Before} }

func idsOf(set map[proc.ID]struct{}) []proc.ID {
	var all []proc.ID
	for id := range set {
		all = append(all, id)
	}
	return all
}

func setOf(all []proc.ID) map[proc.ID]struct{} {
	set := make(map[proc.ID]struct{}, len(all))
	for _, id := range all {
		set[id] = struct{}{}
	}
	return set
}
