package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ota/internal/check"
	"ota/internal/config"
	"ota/internal/kit/escape"
	"ota/internal/kit/hint"
	"ota/internal/kit/priority"
	"ota/internal/python"
	"ota/internal/python/inspect"
	"ota/internal/python/venv"
	"ota/internal/reason"
)

// inspectLimit is how long the look at the Python files may take: a Pi Zero
// compiles about ten thousand lines a second.
const inspectLimit = 5 * time.Minute

// judge judges candidates, one at a time.
type judge struct {
	outfit *outfit
	// builds says whether an environment that is missing is made.
	builds builds
	// changed are the files that are compiled; nil: the arrivals.
	changed []inspect.Source
	// bytecode is a folder for what is compiled; empty: it is not wanted.
	bytecode string
}

type builds string

const (
	buildMissing builds = "build"
	useExisting  builds = "use what is there"
)

// judgement is what a candidate was found to be, and how it would be started.
type judgement struct {
	check.Verdict
	next    launch
	modules []string // that it imports from outside of itself
	lacks   bool     // it needs an environment that was not made
}

// judge judges a candidate. An error is worth trying again by itself, or that of
// ctx.
func (j *judge) judge(ctx context.Context, candidate check.Candidate) (judgement, error) {
	var found judgement
	v := version{arrivals: candidate.Arrivals, gone: candidate.Gone, walk: candidate.Current}
	var held []reason.Reason
	if v.settings, found.Warnings, held = j.settings(v); len(held) > 0 {
		found.Held = held
		return found, nil
	}
	found.Restart = restartFor(v.settings, candidate.Touched)
	with, required, held, err := j.equip(ctx, candidate, v, &found)
	if err != nil || len(held) > 0 {
		found.Held = held
		return found, err
	}
	found.Environment, found.lacks = with.environment, len(required) > 0 && with.environment == ""
	found.next = j.outfit.launch(v.settings, with, func(at string) (os.FileInfo, error) { return v.stat(j.outfit, at) })
	if err := j.inspect(ctx, candidate, v, required, &found); err != nil || len(found.Held) > 0 {
		return found, err
	}
	return found, j.command(ctx, v, &found)
}

// settings are those that the candidate brings, and what is wrong with them.
func (j *judge) settings(v version) (settings config.Config, warnings, held []reason.Reason) {
	data, err := v.reader(j.outfit).Read(settingsName)
	if errors.Is(err, fs.ErrNotExist) {
		return j.outfit.layers.Device(), nil, nil
	}
	if err != nil {
		return settings, nil, []reason.Reason{{Path: settingsName, Message: err.Error()}}
	}
	settings, ignored, err := j.outfit.layers.With(settingsName, data)
	for _, one := range ignored {
		warnings = append(warnings, ofProblem(one))
	}
	if wrong, ok := errors.AsType[*config.Error](err); ok {
		for _, one := range wrong.Problems {
			held = append(held, ofProblem(one))
		}
	} else if err != nil {
		held = append(held, reason.Reason{Path: settingsName, Message: err.Error()})
	}
	return settings, warnings, held
}

// settingsName is that of the settings that travel with a program, in main/.
const settingsName = "ota.toml"

func ofProblem(one config.Problem) reason.Reason {
	return reason.Reason{Path: one.File, Line: one.Line, Message: one.Message, Hint: one.Hint}
}

// restartFor says whether a switch of these paths needs a restart.
func restartFor(settings config.Config, touched []string) check.Restart {
	for _, path := range touched {
		if path == settingsName || !settings.Update.Spared(path) {
			return check.Needed
		}
	}
	return check.NotNeeded
}

// equip finds the Python of the candidate and makes its environment. What
// concerns no Python is none of its business: then there may be none.
func (j *judge) equip(ctx context.Context, candidate check.Candidate, v version, found *judgement) (with footing, required []string, held []reason.Reason, err error) {
	o := j.outfit
	interpreter, err := o.interpreter(ctx, v.settings)
	if err != nil {
		if ctx.Err() != nil {
			return with, nil, nil, ctx.Err()
		}
		return footing{missing: err}, nil, nil, nil
	}
	need, err := o.need(ctx, v, interpreter)
	if problem, ok := errors.AsType[*venv.Problem](err); ok {
		return with, nil, []reason.Reason{ofRequirement(problem)}, nil
	}
	if err != nil {
		return with, nil, nil, err
	}
	for _, note := range need.recipe.Notes {
		found.Warnings = append(found.Warnings, ofRequirement(&note))
	}
	if need.id != "" && j.builds == buildMissing {
		if held, err := j.atFirstSight(ctx, candidate, v, need, interpreter); err != nil || len(held) > 0 {
			return with, nil, held, err
		}
		if err := o.build(ctx, v, need); err != nil {
			held, err = j.notBuilt(ctx, err)
			return with, nil, held, err
		}
	}
	with, err = o.footingOf(ctx, need, interpreter)
	if err != nil && j.builds == buildMissing {
		return with, nil, nil, err
	}
	return with, need.recipe.Requirements(), nil, nil
}

// atFirstSight looks at the Python files before an environment is made: that may
// take minutes, and a mistake in them needs none to be seen.
func (j *judge) atFirstSight(ctx context.Context, candidate check.Candidate, v version, n need, interpreter string) ([]reason.Reason, error) {
	if _, err := j.outfit.venvs.Python(n.id); err == nil {
		return nil, nil
	}
	found := judgement{lacks: true}
	found.next = j.outfit.launch(v.settings, footing{interpreter: interpreter}, func(at string) (os.FileInfo, error) { return v.stat(j.outfit, at) })
	glance := &judge{outfit: j.outfit, builds: useExisting, changed: j.changed}
	err := glance.inspect(ctx, candidate, v, n.recipe.Requirements(), &found)
	return found.Held, err
}

func ofRequirement(problem *venv.Problem) reason.Reason {
	return reason.Reason{Path: problem.Path, Line: problem.Line, Message: problem.Message}
}

// notBuilt sorts out why there is no environment: the upload's fault, or
// something that may pass.
func (j *judge) notBuilt(ctx context.Context, err error) ([]reason.Reason, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if problem, ok := errors.AsType[*venv.Problem](err); ok {
		return []reason.Reason{ofRequirement(problem)}, nil
	}
	failed, ok := errors.AsType[*venv.Failed](err)
	if !ok {
		return nil, err
	}
	for _, line := range failed.Output {
		j.outfit.log.Debug("the installer said", "line", line)
	}
	why := reason.Reason{Message: "the environment can't be made: " + failed.Message, Hint: failed.Hint()}
	if failed.Passing {
		return nil, &reason.Refused{Reasons: []reason.Reason{why}, Passing: reason.Passes}
	}
	return []reason.Reason{why}, nil
}

// inspect has the Python files looked at.
func (j *judge) inspect(ctx context.Context, candidate check.Candidate, v version, required []string, found *judgement) error {
	if found.next.interpreter == "" {
		return nil // nothing of it is Python, or the start says that there is none
	}
	job := inspect.Job{
		Python: found.next.interpreter, Env: found.next.env, Main: j.outfit.main,
		Overlay: map[string]string{}, Removed: v.gone, Changed: j.changed,
		Imports: v.settings.Check.Imports, Required: required, Limit: inspectLimit,
	}
	account, err := j.outfit.account(v.settings)
	if err != nil {
		return err
	}
	job.As = account.owner()
	if len(v.settings.Check.Ignore) > 0 { // to ask for each file takes a walk through main/
		job.Ignored = v.settings.Check.Ignored
	}
	entry := python.EntryOf(found.next.argv)
	job.Entry = inspect.Entry{Script: entry.Script, Module: entry.Module}
	for _, arrival := range v.arrivals {
		if j.changed == nil && strings.HasSuffix(arrival.Path, ".py") {
			job.Changed = append(job.Changed, inspect.Source{Path: arrival.Path, ModTime: arrival.ModTime, Mode: arrival.Mode})
		}
	}
	if len(job.Changed) == 0 && len(required) == 0 && !slices.ContainsFunc(candidate.Touched, isRequirement) && j.changed == nil &&
		!slices.ContainsFunc(v.gone, isSource) {
		return nil // nothing of Python has changed
	}
	if j.bytecode != "" && job.Entry != (inspect.Entry{}) { // else Python may never read it
		job.Bytecode = j.bytecode
		if err := renew(job.Bytecode); err != nil {
			return fmt.Errorf("cannot make a folder for bytecode: %w", err)
		}
	}
	arrivals, remove, err := j.outfit.readable(ctx, v.arrivals, job.As)
	if err != nil {
		return fmt.Errorf("cannot let another user check: %w", err)
	}
	defer remove()
	for _, arrival := range arrivals {
		job.Overlay[arrival.Path] = arrival.File
	}
	if job.Bytecode != "" {
		if err := job.As.Give(job.Bytecode); err != nil {
			return fmt.Errorf("cannot let another user check: %w", err)
		}
	}
	j.outfit.told("checking " + count(len(job.Changed), "Python file", "Python files"))
	defer j.outfit.told("")
	result, err := inspect.Run(ctx, job)
	if err != nil {
		return err
	}
	for _, one := range result.Compiled {
		found.Compiled = append(found.Compiled, check.Compiled{Source: one.Source, Name: one.Name, File: one.File})
	}
	found.modules = result.Modules
	for _, finding := range result.Findings {
		why := reason.Reason{
			Path: finding.Path, Line: finding.Line, Column: finding.Column, Source: finding.Source,
			Message: finding.Message, Hint: finding.Hint,
		}
		if finding.Severity == inspect.Holds && isCertain(finding, candidate.Insisted || len(candidate.Links) > 0, found.lacks) {
			found.Held = append(found.Held, why)
		} else {
			found.Warnings = append(found.Warnings, why)
		}
	}
	return nil
}

// isCertain reports whether a finding holds an upload. Who insists knows more of
// imports than a look at the sources tells, and where new links lead is not
// looked at; where the environment was not made nobody knows what would be in
// it. A missing module with a hint may be a package.
func isCertain(finding inspect.Finding, insisted, lacks bool) bool {
	switch finding.Kind {
	case inspect.Syntax, inspect.Encoding:
		return true
	case inspect.MissingPackage:
		return !insisted && !lacks
	case inspect.MissingModule:
		return !insisted && !(lacks && finding.Hint != "")
	default:
		return !insisted
	}
}

func isSource(at string) bool { return strings.HasSuffix(at, ".py") }

// isRequirement reports whether a path is one of the files that say what a
// program needs.
func isRequirement(at string) bool {
	for _, kind := range []venv.Kind{venv.PyLock, venv.Requirements, venv.UVLock, venv.PyProject} {
		if at == string(kind) {
			return true
		}
	}
	return false
}

// renew makes an empty folder.
func renew(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.MkdirAll(dir, 0o700)
}

// command runs the user's own check in a private copy.
func (j *judge) command(ctx context.Context, v version, found *judgement) error {
	words := v.settings.Check.Command
	if len(words) == 0 {
		return nil
	}
	dir, remove, err := j.outfit.copyOf(ctx, v)
	if err != nil {
		return fmt.Errorf("cannot copy the candidate for [check] command: %w", err)
	}
	defer remove()
	argv := slices.Clone(words)
	if isOfMain(words[0]) {
		argv[0] = filepath.Join(dir, filepath.Clean(words[0]))
	} else if argv[0], err = j.outfit.find(found.next, words[0]); err != nil {
		found.Warnings = append(found.Warnings, reason.Reason{Message: "[check] command can't be run: " + err.Error(), Hint: hint.Of(err)})
		return nil
	}
	shown := string(escape.Line(nil, []byte(strings.Join(words, " "))))
	j.outfit.told("running " + shown)
	defer j.outfit.told("")
	account, err := j.outfit.account(v.settings)
	if err != nil {
		return err
	}
	if err := account.owner().Give(dir); err != nil {
		return fmt.Errorf("cannot copy the candidate for [check] command: %w", err)
	}
	own := check.Command{
		As:   account.owner(),
		Argv: argv, Env: append(slices.Clone(found.next.env), "PWD="+dir), Shown: shown, Limit: v.settings.Check.Timeout,
	}
	held, warnings, err := own.Run(ctx, dir, func(pid int) { _ = priority.Low(pid) }) // it runs as well in front of others
	found.Held, found.Warnings = append(found.Held, held...), append(found.Warnings, warnings...)
	return err
}

// copyOf makes a private copy of a version.
func (o *outfit) copyOf(ctx context.Context, v version) (dir string, remove func(), err error) {
	dir, remove, err = o.workFolder("copy-")
	if err != nil {
		return "", nil, err
	}
	if err := (check.Copier{Main: o.main, Current: v.walk, Arrivals: v.arrivals, Gone: v.gone}).Into(ctx, dir); err != nil {
		remove()
		return "", nil, err
	}
	return dir, remove, nil
}

// stat looks at a path of a version.
func (v version) stat(o *outfit, at string) (os.FileInfo, error) {
	for _, arrival := range v.arrivals {
		if arrival.Path == at {
			return os.Stat(arrival.File)
		}
	}
	if slices.Contains(v.gone, at) {
		return nil, fs.ErrNotExist
	}
	return o.inMain(at)
}

func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
