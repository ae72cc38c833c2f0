package agent

import (
	"context"
	"os"

	"ota/internal/api"
	"ota/internal/deposit"
	"ota/internal/logs"
	"ota/internal/release"
	"ota/internal/update"
)

// Status says how things stand.
func (a *agent) Status() api.Status {
	report := a.conductor.Report()
	status := api.Status{
		Running: true,
		PID:     new(os.Getpid()),
		Version: a.options.Version,
		Dir:     api.Path(a.folder.dir),
		Program: programStatus(report),
		Deposit: depositStatus(report),
		Web:     a.Web(),
		MQTT:    a.mqtt(),
		Source:  a.sourceState(),
		History: a.releases.Revision(),
	}
	if report.State.Attempt == update.Preparing {
		status.Deposit.Doing = a.doing.Load()
	} else {
		status.Program.Doing = a.doing.Load()
	}
	status.Deposit.Arriving = a.arriving()
	a.supervisor.said(report, &status.Program)
	status.Program.Notice = a.supervisor.notice(report)
	if report.Release != nil {
		status.Release = releaseStatus(*report.Release)
	} else if record, err := a.releases.Record(a.releases.Current()); err == nil {
		status.Release = releaseStatus(record)
	}
	return status
}

// programStates are the words for what the program does. While it is on its way
// from one state to another it shows where it comes from.
var programStates = map[update.Program]api.ProgramState{
	update.Running:    api.Running,
	update.Stopping:   api.Running,
	update.Restarting: api.Running,
	update.Yielding:   api.Running,
	update.Ending:     api.Running,
	update.Stopped:    api.Stopped,
	update.Halted:     api.Stopped,
	update.Gone:       api.Stopped,
	update.Finished:   api.Finished,
	update.Backoff:    api.Backoff,
	update.Waiting:    api.Waiting,
}

func programStatus(report update.Report) api.Program {
	shown := api.Program{
		State:        programStates[report.State.Program],
		Restarts:     report.Restarts,
		CrashLooping: report.Looping(),
	}
	if report.Equips == update.Making {
		shown.State = api.Equipping
	}
	if report.PID != 0 {
		shown.PID, shown.Started = new(report.PID), new(report.Started)
	}
	if exit := report.LastExit; exit != nil {
		shown.LastExit = &api.Exit{At: exit.At}
		if exit.Signal != "" {
			shown.LastExit.Signal = new(exit.Signal)
		} else {
			shown.LastExit.Code = new(exit.Code)
		}
		if exit.Cause != "" {
			shown.LastExit.Cause = new(exit.Cause)
		}
	}
	return shown
}

func depositStatus(report update.Report) api.Deposit {
	shown := api.Deposit{
		Files:   report.Upload.Files,
		Bytes:   report.Upload.Bytes,
		Reasons: api.Reasons(report.Reasons),
	}
	switch report.State.Attempt {
	case update.Preparing:
		shown.State = api.Checking
	case update.Held:
		shown.State = api.Held
	case update.Deferred:
		shown.State = api.Checking
		if len(report.WaitsFor) > 0 {
			shown.State = api.Deferred
			shown.Reasons = api.Reasons(report.WaitsFor)
		}
	case update.Withdrawn, update.Unwanted, update.Reverting, update.Halting, update.Switching, update.Torn, update.Finishing, update.Unfinished,
		update.Returning, update.Discarding:
		shown.State = api.Switching
	default:
		shown.State = api.Receiving
		shown.Reasons = api.Reasons(report.Upload.Waiting)
		if report.Upload.State == deposit.Empty || report.Upload.State == "" {
			shown.State = api.Empty
		}
	}
	return shown
}

func releaseStatus(record release.Record) *api.Release {
	return &api.Release{
		Number: record.Number,
		Digest: record.Digest.String(),
		State:  api.ReleaseState(record.State),
		Pinned: record.Pinned,
		Packed: packedStatus(record.Packed),
	}
}

func packedStatus(packed *release.Packed) *api.Packed {
	if packed == nil {
		return nil
	}
	return &api.Packed{
		Version: textOf(packed.Version), Serial: packed.Serial, Message: textOf(packed.Message), SignedBy: packed.SignedBy,
	}
}

// History returns all releases, newest first.
func (a *agent) History() ([]api.HistoryEntry, error) { return history(a.releases) }

func history(releases *release.Room) ([]api.HistoryEntry, error) {
	records, err := releases.History()
	entries := make([]api.HistoryEntry, len(records))
	for i, record := range records {
		entries[i] = api.HistoryEntry{
			Number:  record.Number,
			Digest:  record.Digest.String(),
			State:   api.ReleaseState(record.State),
			Current: record.Number == releases.Current(),
			Pinned:  record.Pinned,
			From:    numberOf(record.From),
			Created: record.Created,
			Bytes:   record.Bytes,
			Packed:  packedStatus(record.Packed),
		}
		if record.Reason != "" {
			entries[i].Reason = new(record.Reason)
		}
		if record.Environment != "" {
			entries[i].Environment = new(record.Environment)
		}
		for _, file := range record.Files {
			change := api.FileChange{Path: api.Path(file.Path), Change: api.ChangeKind(file.Effect)}
			entries[i].Files = append(entries[i].Files, change)
		}
	}
	return entries, err
}

// Start starts the program and returns when it runs.
func (a *agent) Start(ctx context.Context) error { return a.conductor.Ask(ctx, update.AskStart) }

// Stop stops the program and returns when nothing of it is left.
func (a *agent) Stop(ctx context.Context) error { return a.conductor.Ask(ctx, update.AskStop) }

// Restart stops and starts the program and returns when it runs.
func (a *agent) Restart(ctx context.Context) error { return a.conductor.Ask(ctx, update.AskRestart) }

// Apply takes what is in deposit/ as complete.
func (a *agent) Apply(ctx context.Context, now bool) (api.ApplyResult, error) {
	return applied(a.conductor.Apply(ctx, now))
}

// Retry tries again what is held.
func (a *agent) Retry(ctx context.Context) (api.ApplyResult, error) {
	return applied(a.conductor.Retry(ctx))
}

func applied(applied update.Applied, err error) (api.ApplyResult, error) {
	if err != nil {
		return api.ApplyResult{}, err
	}
	result := api.ApplyResult{Outcome: api.Outcome(applied.Outcome), Reasons: api.Reasons(applied.Reasons)}
	if applied.Release != 0 {
		result.Release = new(applied.Release)
	}
	return result, nil
}

// Discard moves what is in deposit/ out of the way.
func (a *agent) Discard(ctx context.Context) (api.Discarded, error) {
	found, err := a.conductor.Discard(ctx)
	if err != nil || found.Folder == "" {
		return api.Discarded{}, err
	}
	return api.Discarded{Files: found.Files, Folder: new(api.Path(found.Folder))}, nil
}

// Rollback goes back to an earlier release.
func (a *agent) Rollback(ctx context.Context, to api.Rollback) (api.WentBack, error) {
	if to.Release != 0 {
		if err := knows(a.releases, to.Release); err != nil {
			return api.WentBack{}, err
		}
	}
	number, err := a.conductor.Rollback(ctx, to.Release, to.NoTrial)
	if err != nil {
		return api.WentBack{}, err
	}
	back := api.WentBack{Release: number}
	if record, err := a.releases.Record(number); err == nil {
		back.State = api.ReleaseState(record.State)
	}
	return back, nil
}

// Pin makes a release one that is never dropped, or takes that back.
func (a *agent) Pin(_ context.Context, number int, pinned bool) error {
	defer a.changed()
	return pin(a.folder, a.releases, number, pinned)
}

// Why says why a release failed; 0: what is held, else the last that failed.
func (a *agent) Why(number int) (api.Why, error) {
	report := a.conductor.Report()
	if report.State.Attempt != update.Held {
		report.Reasons = nil
	}
	return whyOf(a.releases, number, report.Reasons)
}

// Diff says by what two releases differ.
func (a *agent) Diff(request api.DiffRequest) (api.Diff, error) {
	return diffOf(a.releases, a.folder.main(), veilOf(a.folder, a.config), request)
}

// Tail returns the last n lines of the log.
func (a *agent) Tail(n int) []logs.Line { return a.logs.Tail(n) }

// Follow returns a reader of the lines after the one with that number.
func (a *agent) Follow(after uint64) api.Follower { return a.logs.Follow(after) }

// OfflineStatus is the status of a folder in which no ota answers.
func OfflineStatus(dir, version string) (api.Status, error) {
	place, err := folderAt(dir)
	if err != nil {
		return api.Status{}, err
	}
	status := api.Status{Version: version, Dir: api.Path(place.dir)}
	if pid, held := place.holder(); held { // it runs, and can't be asked
		status.Running = true
		if pid != 0 {
			status.PID = new(pid)
		}
	}
	releases, err := release.OpenRead(place.own())
	if err != nil {
		return status, err
	}
	if record, err := releases.Record(releases.Current()); err == nil {
		status.Release = releaseStatus(record)
	}
	return status, nil
}

// OfflineHistory is the history of a folder that no ota looks after.
func OfflineHistory(dir string) ([]api.HistoryEntry, error) {
	place, err := folderAt(dir)
	if err != nil {
		return nil, err
	}
	releases, err := release.OpenRead(place.own())
	if err != nil {
		return nil, err
	}
	return history(releases)
}
