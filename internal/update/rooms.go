package update

import (
	"context"
	"encoding/json"
	"time"

	"ota/internal/activate"
	"ota/internal/check"
	"ota/internal/deposit"
	"ota/internal/release"
	"ota/internal/trial"
)

// Deposit is the room in which uploads arrive.
type Deposit interface {
	Views() <-chan deposit.View
	Look()
	Apply()
	Seal(context.Context, *deposit.Snapshot) (*deposit.Sealed, error)
	Remove(*deposit.Sealed) error
	Return(context.Context, []deposit.Parcel) error
	Discard(context.Context, []deposit.Parcel) (deposit.Discarded, error)
	Keep(context.Context, []deposit.Parcel) (deposit.Discarded, error)
}

// Main is the room that writes main/.
type Main interface {
	Empty() bool
	Compare([]activate.Wanted) ([]activate.Found, error)
	Scan(ctx context.Context, visit func(path string, entry release.Entry) error) error
	Inspect(ctx context.Context, tree *release.Tree, store *release.Store) (activate.Inspection, error)
	Prepare(context.Context, activate.Plan) error
	Switch() error
	Recover() (activate.Recovered, json.RawMessage, error)
	Finish(save func([]activate.Old) error) error
	Record(write func() error) error
	Discard() error
}

// Trial is the room that watches a release on trial.
type Trial interface {
	Ask(context.Context) []trial.Result
	Watch(context.Context, trial.Run, trial.Terms) trial.Verdict
}

// Busy says whether the program may be interrupted.
type Busy interface {
	// Take keeps the program from becoming busy until free is called; ok is
	// false if it is busy.
	Take() (free func(), ok bool, err error)
}

// Reserve is room on the disk for ota's own state.
type Reserve interface {
	Fill() error
	Spend() bool // false if there was nothing left
}

// Supervisor starts and stops the program. Start is quick; its error is a
// *NothingToRun if there is nothing to start, and an *Unready if that needs an
// environment which is not there.
type Supervisor interface {
	Start(release int, of check.Walk) (Run, error)
	// Equip makes what a start lacked, or finds out that it can't be had: then
	// the next Start does without.
	Equip(context.Context)
	// Warm readies the next start, of what main/ is about to be or of what it
	// is, and returns when that is done, at once if it was before. Cool takes it
	// back.
	Warm(context.Context, Which)
	Cool()
	// Reload tells the program that files have changed under it.
	Reload()
	// Stop ends the program and all that it started and returns when nothing of
	// it is left. It asks nicely until ctx ends.
	Stop(ctx context.Context) error
}

// Run is one run of the program.
type Run interface {
	PID() int
	Origin() Origin
	Started() time.Time
	Done() <-chan struct{}  // closed when the program itself has ended
	Ready() <-chan struct{} // closed when it has said that it is ready
	Exit() Exit             // valid after Done
	// Environment names the environment that it runs with; empty: none.
	Environment() string
	// Output returns the last lines that it has said, and the last traceback in
	// them. It waits a moment for what an ended program has said last.
	Output() ([]string, *release.Traceback)
}

// Origin says what a run has come from.
type Origin string

// The two.
const (
	PlainStart Origin = "plain"
	WarmStart  Origin = "warm" // an interpreter that had waited for it; see Supervisor.Warm
)

// Exit is how a run ended.
type Exit struct {
	Code   int    // as a shell tells it: 128 + the signal after a signal
	Signal string // "SIGKILL"; empty: it ended by itself
	Cause  string // why, where its exit does not tell: "watchdog", "out of memory"
	At     time.Time
}

// Which says of what a start is readied.
type Which string

// The two.
const (
	Coming  Which = "coming"  // the candidate that was checked last
	Present Which = "present" // what is in main/
)

// Unready says that the program can't be started before Equip was called.
type Unready struct {
	Reason string
}

// Error is the reason.
func (e *Unready) Error() string { return e.Reason }

// NothingToRun says that main/ holds nothing to run.
type NothingToRun struct {
	Message string
}

// Error is the message.
func (e *NothingToRun) Error() string { return e.Message }
