package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ota/internal/api"
	"ota/internal/check"
	"ota/internal/config"
	"ota/internal/kit/owner"
	"ota/internal/logs"
	"ota/internal/program"
	"ota/internal/python"
	"ota/internal/python/warm"
	"ota/internal/release"
	"ota/internal/update"
)

// mainFile is what is run where no file of settings names a command.
const mainFile = "main.py"

// supervisor tells the program room what to run.
type supervisor struct {
	outfit *outfit
	room   *program.Room
	hook   *warm.Hook
	log    *slog.Logger
	logs   *logs.Log

	started   atomic.Int64   // the release that was started last
	listening sync.WaitGroup // the output of every run

	mu       sync.Mutex // guards what follows
	present  launch     // the last start
	coming   launch     // of the candidate that was judged last
	tried    attempted  // whether it was readied, with or without success
	modules  []string   // that its sources import; see Warm
	last     *program.Run
	says     says
	lacking  lacking
	waiting  *program.Waiting // nil: none
	waitsFor update.Which
}

// attempted says whether something that is done once was done.
type attempted string

const (
	untried attempted = ""
	tried   attempted = "tried"
)

// lacking is the environment that a start waits for.
type lacking struct {
	version version
	need    need
}

func newSupervisor(a *agent) *supervisor {
	return &supervisor{
		outfit: a.outfit,
		room:   a.program,
		hook:   warm.New(a.folder.warm(), a.folder.main()),
		log:    a.log,
		logs:   a.logs,
	}
}

func stopSteps(of config.Program) []program.Step {
	var steps []program.Step
	for _, step := range of.StopSteps() {
		steps = append(steps, program.Step{Signal: step.Signal, After: step.After})
	}
	return steps
}

// Start starts the program of a release.
func (s *supervisor) Start(release int, of check.Walk) (update.Run, error) {
	l, err := s.ready(of)
	if err != nil {
		return nil, err
	}
	spec, err := s.spec(l, release)
	if err != nil {
		return nil, err
	}
	s.warmUp(&spec, l)
	s.started.Store(int64(release))
	stdout, stderr := s.logs.Stream(logs.Main), s.logs.Stream(logs.MainErr)
	began := s.beginning()
	spec.Stdout, spec.Stderr = began.of(stdout), began.of(stderr)
	started, err := s.room.Start(spec)
	if err != nil {
		return nil, errors.Join(err, stdout.Close(), stderr.Close())
	}
	to := says{began, stdout, stderr}
	s.mu.Lock()
	s.present, s.last, s.says = l, started, to
	s.mu.Unlock()
	s.closeAfter(started, to)
	return run{started, s, began, l.environment}, nil
}

// ready puts together the start of what is in main/. Nothing waits here: an
// environment that is missing is the error.
func (s *supervisor) ready(of check.Walk) (launch, error) {
	o := s.outfit
	v := version{walk: of, settings: o.settings()}
	interpreter, missing := o.interpreter(context.Background(), v.settings)
	plain := footing{interpreter: interpreter, missing: missing}
	l := o.launch(v.settings, plain, o.inMain)
	// A command that is not found may be one of the environment.
	if nothing, ok := errors.AsType[*update.NothingToRun](l.argvErr); ok {
		return l, nothing
	}
	with, err := s.footing(v, plain)
	if err != nil {
		return l, err
	}
	if with.environment != "" || with.lacks != nil {
		l = o.launch(v.settings, with, o.inMain)
	}
	return l, l.argvErr
}

// footing is the environment of what is in main/. Where it can't be had the
// plain interpreter has to do.
func (s *supervisor) footing(v version, plain footing) (footing, error) {
	o := s.outfit
	if known, ok := o.knownNeed(v, plain.interpreter); ok {
		if with, err := o.footingOf(context.Background(), known, plain.interpreter); err == nil {
			return with, nil
		}
	}
	need, err := o.need(context.Background(), v, plain.interpreter)
	if err != nil {
		s.log.Warn("it can't be told which environment the program needs; it is started without", "error", err)
		return plain, nil
	}
	with, err := o.footingOf(context.Background(), need, plain.interpreter)
	if err == nil {
		return with, nil
	}
	if failure := o.failure(need.id); failure != nil {
		s.log.Warn("the program is started without its environment", "error", failure)
		plain.lacks = failure
		return plain, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lacking = lacking{v, need}
	return plain, &update.Unready{Reason: err.Error()}
}

// Equip makes the environment that the last start lacked.
func (s *supervisor) Equip(ctx context.Context) {
	s.mu.Lock()
	lacking := s.lacking
	s.mu.Unlock()
	if lacking.need.id == "" {
		return
	}
	// Why it failed is told by the start that does without.
	_ = s.outfit.build(ctx, lacking.version, lacking.need)
}

// spec is what the program room is told to run.
func (s *supervisor) spec(l launch, release int) (program.Spec, error) {
	set := l.config.Program
	spec := program.Spec{
		Argv: l.argv, Dir: s.outfit.main, Env: l.of(release), Stop: stopSteps(set),
		Watchdog: set.Watchdog, Nice: set.Nice, MemoryMax: set.MemoryMax,
	}
	for _, socket := range set.Listen {
		if socket.Network == "unix" && !filepath.IsAbs(socket.Address) {
			socket.Address = filepath.Join(s.outfit.main, socket.Address)
		}
		spec.Sockets = append(spec.Sockets, program.Socket{Network: socket.Network, Address: socket.Address, Name: socket.Name})
	}
	account, err := s.outfit.account(l.config)
	spec.Credential = account.credential
	return spec, err
}

// Stop ends the program and all that it started.
func (s *supervisor) Stop(ctx context.Context) error { return s.room.Stop(ctx) }

// Reload sends the program the signal that it has asked for.
func (s *supervisor) Reload() {
	s.mu.Lock()
	last, signal := s.last, s.present.config.Update.ReloadSignal
	s.mu.Unlock()
	if last == nil || signal == 0 {
		return
	}
	if err := last.Signal(signal); err != nil {
		s.log.Warn("the program can't be told that its files have changed", "error", err)
	}
}

// said shows what the program says of itself while it runs.
func (s *supervisor) said(report update.Report, shown *api.Program) {
	s.mu.Lock()
	last := s.last
	s.mu.Unlock()
	if last == nil || report.PID != last.PID() {
		return
	}
	said := last.Said()
	if said.Phase != program.PhaseSilent {
		shown.Phase = new(string(said.Phase))
	}
	if said.Text != "" {
		shown.StatusText = new(said.Text)
	}
}

// notice says what became of the environment under the program that runs; nil:
// nothing.
func (s *supervisor) notice(report update.Report) *string {
	now := s.now()
	environment := now.environment
	switch {
	case report.PID == 0:
		return nil
	case now.lacks != nil:
		return new("it runs without its environment: " + now.lacks.Error())
	case environment == "":
		return nil
	}
	if _, err := s.outfit.venvs.Python(environment); err != nil {
		return new(err.Error() + "; another one is made at the program's next start")
	}
	return nil
}

// judged remembers how the candidate that was judged last would be started.
func (s *supervisor) judged(found judgement) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.coming, s.modules, s.tried = found.next, found.modules, untried
}

// now is the last start, as far as there was one.
func (s *supervisor) now() launch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.present
}

// find finds a command as the program would.
func (s *supervisor) find(name string) (string, error) { return s.outfit.find(s.now(), name) }

// owner is who runs the program's probes.
func (s *supervisor) owner() (*owner.Owner, error) {
	account, err := s.outfit.account(s.outfit.current())
	return account.owner(), err
}

// environment is that of the program, without what is between it and ota.
func (s *supervisor) environment() []string {
	l := s.now()
	if l.env == nil {
		l.env, _ = s.outfit.environ(s.outfit.settings(), footing{}) // as much as is known
	}
	return slices.DeleteFunc(l.of(int(s.started.Load())), isOfService)
}

// bytecode tells where the bytecode of a source lies; see activate.Options.
func (s *supervisor) bytecode(source string) (folder string, owns func(string) bool) {
	env := s.environment()
	found, ok := python.BytecodeOf(source, s.outfit.main, env)
	if ok && filepath.IsAbs(found.Folder) {
		// Below a prefix the whole path of main/ is repeated, as Python sees it.
		if real, err := filepath.EvalSymlinks(s.outfit.main); err == nil {
			found, ok = python.BytecodeOf(source, real, env)
		}
	}
	if !ok {
		return "", func(string) bool { return false }
	}
	return found.Folder, found.Match
}

// run is a program's run as the conductor wants it.
type run struct {
	*program.Run
	of    *supervisor
	began *beginning

	environment string
}

// Environment names the environment that it runs with.
func (r run) Environment() string { return r.environment }

// Origin says what it has come from.
func (r run) Origin() update.Origin {
	if r.Run.Origin() == program.FromWaiting {
		return update.WarmStart
	}
	return update.PlainStart
}

// Exit says how it ended.
func (r run) Exit() update.Exit {
	exit := r.Run.Exit()
	return update.Exit{Code: exit.Code, Signal: exit.SignalName(), Cause: string(exit.Cause), At: exit.At}
}

const (
	// keptLines is how much of what a program said is kept as evidence.
	keptLines = 200
	// seenLines is how far back it is looked for among the lines of the log.
	seenLines = 10 * keptLines
	// drainLimit is how long is waited for what an ended program said last.
	drainLimit = 500 * time.Millisecond
)

// Output returns the last lines that the run has said, those of stderr first of
// all, and the last Python traceback among them.
func (r run) Output() ([]string, *release.Traceback) {
	select {
	case <-r.Done():
		r.drain()
	default:
	}
	var lines []logs.Line
	var complained []string
	for _, line := range r.of.logs.Tail(seenLines) {
		if line.Seq <= r.began.after.Load() || line.Source != logs.Main && line.Source != logs.MainErr {
			continue
		}
		lines = append(lines, line)
		if line.Source == logs.MainErr {
			complained = append(complained, line.Text)
		}
	}
	said := lastWords(lines, keptLines)
	found, ok := python.LastTraceback(complained, r.of.outfit.main)
	if !ok {
		return said, nil
	}
	return said, &release.Traceback{
		Error: found.Error, File: found.File, Line: found.Line, Function: found.Function, Source: found.Source,
	}
}

// lastWords are the last lines of an output, most of them at most, in its order.
// A program that fails says on stderr why, and whatever its buffer still holds
// for stdout comes after that: so stderr has half of the lines if it needs them.
func lastWords(output []logs.Line, most int) []string {
	kept := make([]bool, len(output))
	left := most
	for i := len(output) - 1; i >= 0 && left > most/2; i-- {
		if output[i].Source == logs.MainErr {
			kept[i] = true
			left--
		}
	}
	for i := len(output) - 1; i >= 0 && left > 0; i-- {
		if !kept[i] {
			kept[i] = true
			left--
		}
	}
	words := make([]string, 0, most-left)
	for i, line := range output {
		if kept[i] {
			words = append(words, line.Text)
		}
	}
	return words
}

func (r run) drain() {
	limit := time.NewTimer(drainLimit)
	defer limit.Stop()
	select {
	case <-r.began.logged:
	case <-limit.C:
	}
}

// beginning is where in the log the output of a run begins. That of the run
// before it is all there when the first of its own comes.
type beginning struct {
	log    *supervisor
	first  sync.Once
	after  atomic.Uint64 // the last line before it; none is later while it has said nothing
	logged chan struct{} // closed when all of it is in the log, to the last line without an end
}

func (s *supervisor) beginning() *beginning {
	b := &beginning{log: s, logged: make(chan struct{})}
	b.after.Store(math.MaxUint64)
	return b
}

// of is a stream of the run.
func (b *beginning) of(stream io.Writer) io.Writer { return said{b, stream} }

type said struct {
	beginning *beginning
	stream    io.Writer
}

// Write takes a piece of output.
func (s said) Write(piece []byte) (int, error) {
	s.beginning.first.Do(func() { s.beginning.after.Store(s.beginning.log.lastLine()) })
	return s.stream.Write(piece)
}

// lastLine is the number of the newest line of the log.
func (s *supervisor) lastLine() uint64 {
	if lines := s.logs.Tail(1); len(lines) > 0 {
		return lines[0].Seq
	}
	return 0
}
