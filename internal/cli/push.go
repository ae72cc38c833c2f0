//go:build !arm

package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"ota/internal/kit/amount"
	"ota/internal/pack"
	"ota/internal/parcel"
	"ota/internal/push"
	"ota/internal/receive"
)

// pushFlags are those of `ota push`.
type pushFlags struct {
	pack.Options
	overlay, sign          bool
	key                    string
	dryRun, noWait, watch  bool
	asJSON                 bool
	fingerprint, tokenFile string
	pair                   bool
}

// senders are the commands for where programs are developed.
func (a *app) senders() []*cobra.Command {
	return []*cobra.Command{a.pushCommand(), a.findCommand()}
}

func (a *app) pushCommand() *cobra.Command {
	var flags pushFlags
	cmd := &cobra.Command{
		Use:   "push [SRC] TARGET...",
		Short: "Bring a program to a device, and see what becomes of it",
		Long: `Make a release of the program in SRC (default: the current folder), bring it to
TARGET, and follow it to its end: checks, switch, trial, confirmed. A TARGET is
[USER@]HOST:DIR, the folder that ota looks after on a machine that ssh reaches,
such a folder of this machine, or https://HOST:8484, where the page of ota is. Only
what the device lacks is sent, and what a lost connection has brought stays.

A push is the whole project: what an earlier one brought and SRC does not have any
more is removed, unless it is an --overlay. The program's own data stays. What
.gitignore and .otaignore leave out is left out.

Of several arguments the first is SRC, unless it names another machine.

Exit code: 0 if it is confirmed, or main/ was the same; 3 if it is held or has to
wait, 4 if it was rolled back, with the reasons; 1 if that can't be told.

With --watch it goes on at each save, until Ctrl-C (exit code 0). The next save does
not wait for the end of a trial. What is the same is not pushed.`,
		Example: `  ota push pi@greenhouse:garden
  ota push ~/src/garden pi@greenhouse:garden --version v1.2.3 --message "waters at night"
  ota push . pi@north:garden pi@south:garden
  ota push https://greenhouse.local:8484
  ota push --dry-run pi@greenhouse:garden
  ota push --watch pi@greenhouse:garden`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return usageError(cmd, "to where? name [USER@]HOST:DIR, https://HOST:8484, or a folder")
			case flags.dryRun && flags.noWait:
				return usageError(cmd, "--dry-run sends nothing that --no-wait could leave alone")
			case flags.watch && flags.dryRun:
				return usageError(cmd, "--watch brings each save there, and --dry-run nothing")
			case flags.watch && flags.noWait:
				return usageError(cmd, "--watch shows what becomes of each save: --no-wait has no place there")
			}
			return nil
		},
	}
	flags.define(cmd)
	cmd.RunE = a.act(func(ctx context.Context, args []string) exitCode {
		flags.Source = a.at("")
		if len(args) > 1 && !push.IsRemote(args[0]) {
			flags.Source, args = a.at(args[0]), args[1:]
		}
		return a.push(ctx, flags, args)
	})
	return cmd
}

func (f *pushFlags) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVarP(&f.dryRun, "dry-run", "n", false, "list what would change, and change nothing")
	flags.BoolVarP(&f.watch, "watch", "w", false, "push again at each save, until Ctrl-C")
	flags.BoolVar(&f.noWait, "no-wait", false, "do not wait for what becomes of it")
	flags.BoolVar(&f.overlay, "overlay", false, "only add and replace: keep what is not in SRC")
	flags.StringVar(&f.Release.App, "app", "", "the program's `name`: only devices with this [device] app take it")
	flags.StringVar(&f.Release.Version, "version", "", "what people call the release, as in v1.2.3")
	flags.StringVarP(&f.Release.Message, "message", "m", "", "what is new")
	flags.BoolVar(&f.sign, "sign", false, "sign it, with the ssh key")
	flags.StringVar(&f.key, "key", "", "the `file` of the ssh key (default: the one that ssh uses)")
	flags.StringVar(&f.fingerprint, "fingerprint", "", "the `SHA256` of its certificate (for https://)")
	flags.StringVar(&f.tokenFile, "token-file", "", "the `file` of the token (for https://; or OTA_TOKEN)")
	flags.BoolVar(&f.pair, "pair", false, "ask for a pairing code, for a new token (for https://)")
	flags.BoolVar(&f.asJSON, "json", false, "for programs: print JSON")
}

// pushed is what became of a push to one target, in JSON.
type pushed struct {
	Target string `json:"target"`
	receive.Outcome
	Bytes int64   `json:"bytes"` // that were sent
	Error *string `json:"error"` // nil: it is known what became of it

	code exitCode
}

// pushReport is what `ota push --json` prints.
type pushReport struct {
	Version string   `json:"version,omitempty"`
	Serial  int64    `json:"serial"`
	Targets []pushed `json:"targets"`
}

func (a *app) push(ctx context.Context, flags pushFlags, targets []string) exitCode {
	ctx, release := untilInterrupted(ctx)
	defer release()
	places := make([]push.Place, len(targets))
	for i, target := range targets {
		var err error
		if places[i], err = push.ParsePlace(target, a.at("")); err != nil {
			return a.fail(fmt.Errorf("cannot push: %w", err))
		}
	}
	unmet, err := a.meet(ctx, flags, places)
	if err != nil {
		return a.fail(fmt.Errorf("cannot push: %w", err))
	}
	for i, err := range unmet {
		if flags.watch && err != nil {
			return a.fail(fmt.Errorf("cannot push to %s: %w", targets[i], err))
		}
	}
	desk, err := openDesk(flags.Source)
	if err != nil {
		return a.fail(fmt.Errorf("cannot keep what is sent: %w", err))
	}
	if flags.watch {
		return a.pushSaves(ctx, flags, targets, places, desk)
	}
	arrived := false
	defer func() { desk.close(arrived) }()
	flags.Release.Serial = desk.serial(time.Now())
	project, err := a.project(ctx, flags)
	if err != nil {
		return a.fail(fmt.Errorf("cannot push: %w", err))
	}
	if flags.dryRun {
		return a.dryRun(ctx, flags, project, targets, places, unmet)
	}
	if err := desk.begin(project); err != nil {
		return a.fail(fmt.Errorf("cannot keep what is sent: %w", err))
	}
	report := pushReport{project.Release.Version, project.Release.Serial, make([]pushed, len(targets))}
	talk := &talk{app: a, desk: desk, several: len(targets) > 1, bar: a.progress()}
	var all sync.WaitGroup
	for i, target := range targets {
		all.Go(func() { report.Targets[i] = talk.push(ctx, flags, project, target, places[i], unmet[i]) })
	}
	all.Wait()
	code := done
	arrived = true
	for _, one := range report.Targets {
		code = graver(code, one.code)
		arrived = arrived && one.Error == nil
	}
	if flags.asJSON {
		return graver(a.json(report), code)
	}
	return code
}

// graver is the one of two exit codes that tells more: that nothing is known,
// then a rollback, then a hold.
func graver(x, y exitCode) exitCode {
	if x == failed || y == failed {
		return failed
	}
	return max(x, y)
}

func (a *app) project(ctx context.Context, flags pushFlags) (*pack.Project, error) {
	options := flags.packing()
	options.Signing = flags.signing(a.stderr)
	project, err := pack.Describe(ctx, options)
	if err != nil {
		return nil, err
	}
	a.tellLeftOut(project)
	return project, nil
}

// packing says how to pack, but for a signature.
func (f *pushFlags) packing() pack.Options {
	options := f.Options
	options.Release.Kind = parcel.Whole
	if f.overlay {
		options.Release.Kind = parcel.Overlay
	}
	return options
}

// signing says how to sign; nil: it is not signed.
func (f *pushFlags) signing(say io.Writer) *pack.Signing {
	if !f.sign && f.key == "" {
		return nil
	}
	return &pack.Signing{Key: f.key, Say: say}
}

func (a *app) tellLeftOut(project *pack.Project) {
	for _, path := range project.LeftOut {
		a.tell("left out, as a device never takes it: %s", path)
	}
}

// compared is what a push would change on one target, in JSON.
type compared struct {
	Target  string        `json:"target"`
	Changes []push.Change `json:"changes"`
	Error   *string       `json:"error"`
}

func (a *app) dryRun(ctx context.Context, flags pushFlags, project *pack.Project, targets []string, places []push.Place, unmet []error) exitCode {
	report := struct {
		Targets []compared `json:"targets"`
	}{}
	code := done
	for i, target := range targets {
		var changes []push.Change
		err := unmet[i]
		if err == nil {
			changes, err = push.Compare(ctx, project, places[i])
		}
		one := compared{Target: target, Changes: append([]push.Change{}, changes...)}
		if err != nil {
			one.Error = new(err.Error())
			code = a.fail(fmt.Errorf("cannot compare with %s: %w", target, err))
		}
		report.Targets = append(report.Targets, one)
		if flags.asJSON || err != nil {
			continue
		}
		if len(targets) > 1 {
			a.say("%s:", target)
		}
		for _, change := range changes {
			a.say("%s %s", change.Effect, change.Path)
		}
		if len(changes) == 0 {
			a.say("nothing would change")
		}
	}
	if flags.asJSON {
		return graver(a.json(report), code)
	}
	return code
}

// talk says what happens on several targets at once.
type talk struct {
	*app
	desk    *desk
	several bool
	bar     *progress
	mutex   sync.Mutex // over what is printed
}

// push pushes to one target that lets us in, and says what became of it.
func (t *talk) push(ctx context.Context, flags pushFlags, project *pack.Project, target string, place push.Place, unmet error) pushed {
	one := pushed{Target: target, code: failed}
	options := push.Options{Project: project, Place: place, Cache: t.desk.streams(target), Wait: push.ForTheEnd, Tell: func(news receive.News) {
		if !flags.asJSON {
			t.news(target, news)
		}
	}}
	if !t.several {
		options.Sent = t.sent
	}
	if flags.noWait {
		options.Wait = push.ForTheArrival
	}
	var report push.Report
	err := unmet
	if err == nil {
		report, err = push.Push(ctx, options)
	}
	one.Outcome, one.Bytes = report.Outcome, report.Bytes
	t.bar.end()
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if err != nil {
		one.Error = new(err.Error())
		t.fail(fmt.Errorf("cannot push to %s: %w", target, err))
		return one
	}
	one.code = t.outcome(target, one.Outcome, one.Bytes, flags.asJSON)
	return one
}

// sent draws the bar.
func (t *talk) sent(so, total int64) {
	const width = 24
	full := 0
	if total > 0 {
		full = int(so * width / total)
	}
	t.bar.say(fmt.Sprintf("sending [%s%s] %s of %s", strings.Repeat("#", full), strings.Repeat(".", width-full),
		amount.Size(so), amount.Size(total)), time.Now())
}

func (t *talk) news(target string, news receive.News) {
	t.bar.end()
	t.mutex.Lock()
	defer t.mutex.Unlock()
	text := news.Doing
	if news.Output != nil {
		text = "  " + *news.Output
	}
	if t.several {
		text = target + ": " + text
	}
	fmt.Fprintln(t.stderr, harmless(text))
}

// outcome says what became of a release on a target.
func (t *talk) outcome(target string, outcome receive.Outcome, bytes int64, asJSON bool) exitCode {
	code := resultCode(outcome.Result)
	if asJSON {
		return code
	}
	fmt.Fprintln(t.stdout, t.outcomeLine(target, outcome, bytes))
	t.evidence(outcome)
	return code
}

func resultCode(result receive.Result) exitCode {
	switch result {
	case receive.Held, receive.Deferred:
		return heldBack
	case receive.RolledBack:
		return rolledBack
	}
	return done
}

// outcomeLine is the line that says what became of a release.
func (t *talk) outcomeLine(target string, outcome receive.Outcome, bytes int64) string {
	number := ""
	if outcome.Release != nil {
		number = fmt.Sprintf(": release %d", *outcome.Release)
	}
	tone := map[exitCode]tone{done: good, heldBack: notice, rolledBack: bad}[resultCode(outcome.Result)]
	return harmless(target) + ": " + t.in(tone, harmless(resultText(outcome.Result))) + number + ", " + amount.Size(bytes) + " sent"
}

// evidence tells why a release is not in place.
func (t *talk) evidence(outcome receive.Outcome) {
	switch outcome.Result {
	case receive.Held, receive.Deferred:
		t.listReasons(outcome.Reasons)
	case receive.RolledBack:
		if outcome.Why != nil {
			for _, line := range explain(*outcome.Why, true) {
				fmt.Fprintln(t.stderr, harmless(line.text))
			}
		}
	}
	if outcome.Result == receive.Deferred {
		t.advise(`"ota apply --now" on the device does not wait`)
	}
}

func resultText(result receive.Result) string {
	switch result {
	case receive.Unchanged:
		return "nothing changed, main/ is the same already"
	case receive.Uploaded:
		return "arrived in deposit/"
	case receive.Superseded:
		return "superseded by a later release"
	}
	return string(result)
}
