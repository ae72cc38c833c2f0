package api

import (
	"context"

	"ota/internal/logs"
)

// House is what the faces ask of the running agent. Several goroutines call it
// at once.
//
// An error says why, not what was asked for ("main/ holds no main.py", not
// "cannot start the program: …"): the face that shows it knows what was asked.
// It may hold a hint (see kit/hint). The end of ctx ends the waiting and not
// what is waited for.
type House interface {
	// Status says how things stand; it does not block.
	Status() Status
	// History returns all releases, newest first. Where some can't be read the
	// others are returned beside the error.
	History() ([]HistoryEntry, error)
	// Start starts the program and returns when it runs.
	Start(ctx context.Context) error
	// Stop stops the program and returns when nothing of it is left.
	Stop(ctx context.Context) error
	// Restart stops and starts the program and returns when it runs.
	Restart(ctx context.Context) error
	// Apply takes what is in deposit/ as complete and returns when it is known
	// what became of it: now also outside its window, and although the program
	// is busy.
	Apply(ctx context.Context, now bool) (ApplyResult, error)
	// Retry is Apply for what is held, also for the very content that failed
	// its trial.
	Retry(ctx context.Context) (ApplyResult, error)
	// Discard moves what is in deposit/ to a folder of its own in .ota.
	Discard(ctx context.Context) (Discarded, error)
	// Rollback goes back to an earlier release and returns when that is in
	// main/ and the program started.
	Rollback(ctx context.Context, to Rollback) (WentBack, error)
	Past
	Logs
	Gate
	Heir
	Files
	Live
	Drops
	Fetching
	Pushes
}

// Past is what is kept of the releases there have been. The error for one that
// is not there is a *[NoRelease].
type Past interface {
	// Pin makes a release one that is never dropped, or takes that back.
	Pin(ctx context.Context, release int, pinned bool) error
	// Why says why a release failed; 0: what is held, else the last that failed.
	Why(release int) (Why, error)
	// Diff says by what two releases differ.
	Diff(request DiffRequest) (Diff, error)
}

// Logs are the last lines of the log, in memory.
type Logs interface {
	// Tail returns the last n lines, oldest first, or as many as there are.
	Tail(n int) []logs.Line
	// Follow returns a reader of the lines after the one with that number.
	Follow(after uint64) Follower
}

// Follower reads the log as it is written. One goroutine uses it.
type Follower interface {
	// Next waits for lines. Its error is that of ctx, when that has ended. A
	// reader that is too slow loses lines, and is told how many.
	Next(ctx context.Context) ([]logs.Line, error)
}
