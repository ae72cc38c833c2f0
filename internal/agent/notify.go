package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ota/internal/api"
	"ota/internal/config"
	"ota/internal/deposit"
	"ota/internal/kit/amount"
	"ota/internal/kit/durable"
	"ota/internal/kit/hint"
	"ota/internal/logs"
	"ota/internal/notify"
	"ota/internal/python"
	"ota/internal/release"
	"ota/internal/update"
)

// teller tells somebody far away what happens; nil: nobody is to be told.
type teller struct {
	*agent
	room     *notify.Room
	releases tellsReleases
}

// tellsReleases are what is known of the releases, read again when something of
// them has changed.
type tellsReleases struct {
	revision int
	known    bool
	stand    notify.Stand
}

// newTeller makes what tells, where [notify] names a receiver. Where it does not,
// nothing is kept either: what happens meanwhile is nobody's.
func (a *agent) newTeller() *teller {
	ways := waysOf(a.config, a.outfit, a.options.Version, a.vitals)
	if len(ways) == 0 {
		if err := durable.Remove(a.folder.messages()); err != nil {
			a.log.Warn("what was to be told once can't be removed", "error", err)
		}
		return nil
	}
	t := &teller{agent: a}
	t.room = notify.New(notify.Options{
		File:    a.folder.messages(),
		On:      kindsOf(a.config.Notify.On),
		Ways:    ways,
		Stand:   t.stand,
		Changed: a.Changed,
		Here:    func() notify.Here { return hereOf(a.folder, a.vitals) },
		Log:     a.log,
	})
	return t
}

// Run tells until ctx ends.
func (t *teller) Run(ctx context.Context) error { return t.room.Run(ctx) }

func kindsOf(words []string) []notify.Kind {
	kinds := make([]notify.Kind, len(words))
	for i, word := range words {
		kinds[i] = notify.Kind(word)
	}
	return kinds
}

func hereOf(place folder, v vitals) notify.Here {
	facts := v.machine.Facts()
	name := facts.Name
	if name == "" {
		name = "ota"
	}
	return notify.Here{Device: name, Folder: place.dir, ClockSet: facts.ClockSet}
}

// waysOf are the ways that are set.
func waysOf(settings config.Config, o *outfit, version string, v vitals) []notify.Way {
	var ways []notify.Way
	if address := settings.Notify.Webhook; address != "" {
		clockSet := func() *bool { return v.machine.Facts().ClockSet }
		ways = append(ways, notify.NewWebhook(address, "ota/"+version, clockSet))
	}
	if words := settings.Notify.Command; len(words) > 0 {
		ways = append(ways, notify.NewCommand(func() (*exec.Cmd, error) { return o.tellingCommand(settings, words) }))
	}
	return ways
}

// tellingCommand makes [notify] command ready, in the folder of ota.toml. The
// program's own variables are none of its business, and main/ may be any release.
func (o *outfit) tellingCommand(settings config.Config, words []string) (*exec.Cmd, error) {
	account, err := o.account(settings)
	if err != nil {
		return nil, err
	}
	env := append(slices.Clone(os.Environ()), account.variables()...)
	env = append(env, "PWD="+o.place.dir, "OTA_DIR="+o.place.dir)
	path := words[0]
	switch {
	case isOfMain(path):
		path = filepath.Join(o.place.dir, path)
	case !filepath.IsAbs(path):
		found, ok := python.LookPath(path, env)
		if !ok {
			return nil, hint.With(fmt.Errorf("there is no command %q", path), "see [notify] command in ota.toml")
		}
		path = found
	}
	cmd := &exec.Cmd{Path: path, Args: words, Dir: o.place.dir, Env: env}
	account.owner().Dress(cmd)
	return cmd, nil
}

// stand says how things stand.
func (t *teller) stand() notify.Stand {
	report := t.conductor.Report()
	now := t.ofReleases()
	now.Looping = report.Looping()
	now.Stopped = report.State.Program == update.Stopped
	now.Steady = report.State.Program == update.Finished ||
		report.State.Program == update.Running && time.Since(report.Started) >= steadyAfter
	if now.Looping {
		now.Crash = t.crash(report)
	}
	now.Empty = report.Upload.State == deposit.Empty && report.State.Attempt == update.Idle
	if report.State.Attempt == update.Held && len(report.Reasons) > 0 {
		now.Held = t.redacted(t.firstOf(report))
		now.Upload = amount.Count(report.Upload.Files, "file", "files") + ", " + amount.Size(report.Upload.Bytes)
	}
	return now
}

// steadyAfter is how long a program runs before it counts as well again.
const steadyAfter = time.Minute

// ofReleases reads the releases when they have changed.
func (t *teller) ofReleases() notify.Stand {
	revision := t.agent.releases.Revision()
	if t.releases.known && t.releases.revision == revision {
		return t.releases.stand
	}
	room := t.agent.releases
	var now notify.Stand
	records, err := room.History()
	if err != nil && len(records) == 0 {
		return t.releases.stand // it is read again at the next change
	}
	for _, record := range records {
		now.Last = max(now.Last, record.Number)
		if record.Number == room.Current() {
			now.Release, now.Turn, now.Before, now.Confirmed = record.Number, record.Turn, record.From, record.State.Good()
		}
		if evidence, err := room.Evidence(record.Number); err == nil {
			now.Failures = append(now.Failures, t.failure(record, evidence))
		}
	}
	t.releases = tellsReleases{revision, true, now}
	return now
}

func (t *teller) failure(record release.Record, evidence release.Evidence) notify.Failure {
	one := notify.Failure{
		Release: record.Number, Turn: evidence.Turn, Before: record.From, BackTo: evidence.BackTo,
		Why: t.redacted(evidence.Why), Evidence: &notify.Evidence{Output: t.allRedacted(evidence.Output)},
	}
	if exit := evidence.Exit; exit != nil {
		one.Evidence.Signal = textOf(exit.Signal)
		if exit.Signal == "" {
			one.Evidence.Code = new(exit.Code)
		}
	}
	if traceback := evidence.Traceback; traceback != nil {
		one.Evidence.Error, one.Evidence.File = new(t.redacted(traceback.Error)), new(traceback.File)
		one.Evidence.Line = numberOf(traceback.Line)
	}
	return one
}

const (
	// outputLines is how far the log is looked through for what the program said.
	outputLines = 200
	// crashLines is how much of it is told.
	crashLines = 5
)

// crash is how the program ended last, with its last words.
func (t *teller) crash(report update.Report) notify.Crash {
	var found notify.Crash
	found.Evidence = &notify.Evidence{}
	if exit := programStatus(report).LastExit; exit != nil {
		found.How = exit.String()
		found.Evidence.Code, found.Evidence.Signal = exit.Code, exit.Signal
	}
	var output []logs.Line
	for _, line := range t.logs.Tail(outputLines) {
		if line.Source == logs.Main || line.Source == logs.MainErr {
			output = append(output, line)
		}
	}
	found.Evidence.Output = t.allRedacted(lastWords(output, crashLines))
	return found
}

// firstOf is the first reason why an upload is held. What is wrong with a file
// that nobody may see stays here.
func (t *teller) firstOf(report update.Report) string {
	first := report.Reasons[0]
	text := first.String()
	if first.Path != "" && t.Veil()(first.Path) {
		text = api.Path(first.Path).String() + ": a file that is not shown"
	}
	if more := len(report.Reasons) - 1; more > 0 {
		text += " (and " + amount.Count(more, "more reason", "more reasons") + ")"
	}
	return text
}

// shortestSecret is how long the value of a variable is that nobody prints by
// chance.
const shortestSecret = 8

// redacted is a text without the values of the program's own variables: among
// them are its secrets, and programs print them when they fail.
func (t *teller) redacted(text string) string { return t.allRedacted([]string{text})[0] }

func (t *teller) allRedacted(texts []string) []string {
	settings := t.outfit.current()
	file, _ := settings.Program.EnvFile.Load(t.folder.dir) // what can't be read is in nobody's output
	var pairs []string
	for _, value := range settings.Environment(file) {
		if len(value) >= shortestSecret {
			pairs = append(pairs, value, "…")
		}
	}
	replacer := strings.NewReplacer(pairs...)
	clean := make([]string, len(texts))
	for i, one := range texts {
		clean[i] = replacer.Replace(one)
	}
	return clean
}

// Told is what became of a message that was sent to try the ways.
type Told struct {
	Way       string  `json:"way"` // the setting: webhook or command
	Delivered bool    `json:"delivered"`
	Status    *int    `json:"status"` // the status of the answer, or the exit code; null: there was none
	Said      *string `json:"said"`   // by the receiver
	Problem   *string `json:"problem"`
	Hint      *string `json:"hint"`
}

// NotifyTest sends a message about nothing by all ways that are set in a folder,
// whether an ota looks after it or not.
func NotifyTest(ctx context.Context, dir, version, event string) ([]Told, error) {
	place, err := folderAt(dir)
	if err != nil {
		return nil, err
	}
	layers, err := config.LoadLayers(place.config())
	if err != nil {
		return nil, err
	}
	settings := layers.Device()
	v := newVitals(place.dir, nil)
	o := newOutfit(place, place.main(), layers, slog.New(slog.DiscardHandler))
	ways := waysOf(settings, o, version, v)
	if len(ways) == 0 {
		return nil, hint.With(errors.New("nobody is to be told"), `say in ota.toml whom, as in [notify] webhook = "https://example.com/hook"; see docs/notify.md`)
	}
	message := notify.TestMessage(notify.Kind(event), hereOf(place, v), "test-"+strings.ToLower(rand.Text()[:10]))
	var told []Told
	for _, way := range ways {
		result := way.Send(ctx, message)
		one := Told{Way: way.Name(), Delivered: result.Outcome == notify.Delivered, Said: textOf(result.Said)}
		if result.Known {
			one.Status = new(result.Status)
		}
		if !one.Delivered {
			one.Problem, one.Hint = textOf(result.Why), textOf(result.Hint)
		}
		told = append(told, one)
	}
	return told, ctx.Err()
}

// Happenings are the words for what somebody may be told of.
func Happenings() []string { return slices.Clone(config.Happenings) }
