package agent

import (
	"context"
	"time"

	"ota/internal/check"
	"ota/internal/config"
	"ota/internal/trial"
	"ota/internal/update"
)

// settings are what the conductor goes by.
func (a *agent) settings() update.Settings {
	now := a.outfit.current()
	return update.Settings{
		Attempts: now.Trial.Attempts,
		Restart:  restarts[now.Program.Restart],
		Window:   func(at time.Time) (bool, string) { return now.Update.Window.Open(at), now.Update.Window.String() },
		MaxDefer: now.Update.MaxDefer,
	}
}

var restarts = map[config.Restart]update.Restart{
	config.OnFailure: update.OnFailure, config.Always: update.Always, config.Never: update.Never,
}

// check judges a candidate.
func (a *agent) check(ctx context.Context, candidate check.Candidate) (check.Verdict, error) {
	found, err := (&judge{outfit: a.outfit, builds: buildMissing, bytecode: a.folder.bytecode()}).judge(ctx, candidate)
	if err == nil && len(found.Held) == 0 {
		a.supervisor.judged(found)
	}
	return found.Verdict, err
}

// tell keeps what takes its time for who asks.
func (a *agent) tell(doing string) {
	defer a.changed()
	if doing == "" {
		a.doing.Store(nil)
		return
	}
	a.doing.Store(&doing)
}

// tidy removes the environments that nobody needs any more.
func (a *agent) tidy(keep []string) {
	if used := a.supervisor.now().environment; used != "" {
		keep = append(keep, used)
	}
	removed, err := a.outfit.venvs.Prune(keep)
	if len(removed) > 0 {
		a.log.Info("environments that no release needs are removed", "environments", removed)
	}
	if err != nil {
		a.log.Warn("old environments can't be removed", "error", err)
	}
}

// makeRoom removes, before an environment is made, those that no release needs:
// of uploads that were held there may be many.
func (a *agent) makeRoom() {
	records, err := a.releases.History()
	if err != nil {
		return // nobody knows what is needed
	}
	var keep []string
	for _, record := range records {
		keep = append(keep, record.Environment)
	}
	a.tidy(keep)
}

// rest is called when an attempt has ended: what is in main/ may say something
// else than before, and what sealing took is not needed for weeks.
func (a *agent) rest() {
	a.outfit.settings()
	shrink()
}

// trials are watched by the settings of what is in main/.
type trials struct{ agent *agent }

// Ask asks the probes of the program that runs.
func (t trials) Ask(ctx context.Context) []trial.Result { return t.agent.trial().Ask(ctx) }

// Watch watches a run.
func (t trials) Watch(ctx context.Context, run trial.Run, terms trial.Terms) trial.Verdict {
	return t.agent.trial().Watch(ctx, run, terms)
}

// trial is the room with the probes. Their commands run like the program: in
// main/, with its environment and its Python.
func (a *agent) trial() *trial.Room {
	wanted := a.outfit.current().Trial
	return trial.New(trial.Options{
		Period: wanted.Period, Ready: wanted.Ready,
		HTTP: wanted.HTTP, TCP: wanted.TCP, Command: wanted.Command,
		Interval: wanted.Interval, Timeout: wanted.Timeout,
		Execute: trial.Command(a.folder.main(), a.supervisor.environment, a.supervisor.find, a.supervisor.owner),
		Log:     a.log,
	})
}
