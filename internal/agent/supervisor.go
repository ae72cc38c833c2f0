package agent

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ota/internal/config"
	"ota/internal/kit/hint"
	"ota/internal/logs"
	"ota/internal/program"
	"ota/internal/python"
	"ota/internal/release"
	"ota/internal/update"
)

// mainFile is what is run where ota.toml names no command.
const mainFile = "main.py"

// supervisor tells the program room what to run.
type supervisor struct {
	dir    string // of everything
	main   string
	busy   string // see BusyFile
	config config.Program
	room   *program.Room
	log    *slog.Logger
	logs   *logs.Log

	started   atomic.Int64   // the release that was started last
	listening sync.WaitGroup // the output of every run
	mu        sync.Mutex     // guards python
	python    string         // path of the interpreter, once found
}

func newSupervisor(a *agent) *supervisor {
	return &supervisor{
		dir:    a.folder.dir,
		main:   a.folder.main(),
		busy:   a.folder.busy(),
		config: a.config.Program,
		room:   a.program,
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
func (s *supervisor) Start(release int) (update.Run, error) {
	s.started.Store(int64(release))
	env := s.environment(release)
	argv, err := s.command(env)
	if err != nil {
		return nil, err
	}
	began := s.lastLine()
	stdout, stderr := s.logs.Stream(logs.Main), s.logs.Stream(logs.MainErr)
	started, err := s.room.Start(program.Spec{Argv: argv, Dir: s.main, Env: env, Stdout: stdout, Stderr: stderr})
	if err != nil {
		return nil, errors.Join(err, stdout.Close(), stderr.Close())
	}
	s.listening.Go(func() {
		<-started.Drained()
		stdout.Close()
		stderr.Close()
	})
	return run{started, s, began}, nil
}

// Stop ends the program and all that it started.
func (s *supervisor) Stop(ctx context.Context) error { return s.room.Stop(ctx) }

// environment is what the program sees: ota's own, what ota.toml sets, and what
// ota says of itself.
func (s *supervisor) environment(release int) []string {
	env := os.Environ()
	for name, value := range s.config.Env {
		env = append(env, name+"="+value)
	}
	return append(env,
		"PWD="+s.main,
		"OTA_DIR="+s.dir,
		"OTA_RELEASE="+strconv.Itoa(release),
		BusyVariable+"="+s.busy,
	)
}

// command finds what to run. The error is an *update.NothingToRun if main/ does
// not hold it.
func (s *supervisor) command(env []string) ([]string, error) {
	if len(s.config.Command) > 0 {
		return s.ownCommand(env)
	}
	info, err := os.Stat(filepath.Join(s.main, mainFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err != nil || !info.Mode().IsRegular() {
		return nil, &update.NothingToRun{Message: "No main.py inside main/: put your program into deposit/"}
	}
	interpreter, err := s.interpreter(env)
	if err != nil {
		return nil, err
	}
	return []string{interpreter, "-u", mainFile}, nil
}

// ownCommand is the one of ota.toml.
func (s *supervisor) ownCommand(env []string) ([]string, error) {
	switch entries, err := os.ReadDir(s.main); {
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return nil, err
	case len(entries) == 0:
		return nil, &update.NothingToRun{Message: "Nothing to run inside main/: put your program into deposit/"}
	}
	name := s.config.Command[0]
	if isOfMain(name) {
		if _, err := os.Stat(filepath.Join(s.main, name)); errors.Is(err, os.ErrNotExist) {
			return nil, &update.NothingToRun{Message: "No " + filepath.Clean(name) + " inside main/: put your program into deposit/"}
		}
	}
	found, err := s.findIn(name, env)
	if err != nil {
		return nil, hint.With(err, "see [program] command in ota.toml")
	}
	return append([]string{found}, s.config.Command[1:]...), nil
}

// isOfMain reports whether a command is a file of main/: it has a slash in it.
func isOfMain(name string) bool { return strings.ContainsRune(name, '/') && !filepath.IsAbs(name) }

// find finds a command: a file of main/, the program's Python, or what a shell
// would find.
func (s *supervisor) find(name string) (string, error) { return s.findIn(name, s.environment(0)) }

func (s *supervisor) findIn(name string, env []string) (string, error) {
	if isOfMain(name) {
		return filepath.Join(s.main, name), nil
	}
	if name == "python3" || name == "python" {
		if found, err := s.interpreter(env); err == nil {
			return found, nil
		}
	}
	found, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrDot) {
		err = nil
	}
	return found, err
}

// interpreter finds Python once; again if it went away.
func (s *supervisor) interpreter(env []string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.python != "" {
		if _, err := os.Stat(s.python); err == nil {
			return s.python, nil
		}
	}
	found, err := python.Find(context.Background(), env, s.main)
	if err != nil {
		return "", err
	}
	s.python = found.Path
	for _, warning := range python.WarnEnv(env) {
		s.log.Warn(warning)
	}
	return s.python, nil
}

// bytecode tells where the bytecode of a source lies; see activate.Options.
func (s *supervisor) bytecode(source string) (folder string, owns func(string) bool) {
	main, err := filepath.EvalSymlinks(s.main)
	if err != nil {
		main = s.main
	}
	found, ok := python.BytecodeOf(source, main, s.environment(0))
	if !ok {
		return "", func(string) bool { return false }
	}
	return found.Folder, found.Match
}

// run is a program's run as the conductor wants it.
type run struct {
	*program.Run
	of    *supervisor
	began uint64 // the last line of the log before it
}

// Exit says how it ended.
func (r run) Exit() update.Exit {
	exit := r.Run.Exit()
	return update.Exit{Code: exit.Code, Signal: exit.SignalName(), At: exit.At}
}

const (
	// keptLines is how much of what a program said is kept as evidence.
	keptLines = 200
	// seenLines is how far back it is looked for among the lines of the log.
	seenLines = 10 * keptLines
	// drainLimit is how long is waited for what an ended program said last.
	drainLimit = 500 * time.Millisecond
)

// Output returns the last lines that the run has said, and the last Python
// traceback in them.
func (r run) Output() ([]string, *release.Traceback) {
	select {
	case <-r.Done():
		r.drain()
	default:
	}
	var said, complained []string
	for _, line := range r.of.logs.Tail(seenLines) {
		if line.Seq <= r.began || line.Source != logs.Main && line.Source != logs.MainErr {
			continue
		}
		said = append(said, line.Text)
		if line.Source == logs.MainErr {
			complained = append(complained, line.Text)
		}
	}
	said = said[max(0, len(said)-keptLines):]
	found, ok := python.LastTraceback(complained, r.of.main)
	if !ok {
		return said, nil
	}
	return said, &release.Traceback{
		Error: found.Error, File: found.File, Line: found.Line, Function: found.Function, Source: found.Source,
	}
}

func (r run) drain() {
	limit := time.NewTimer(drainLimit)
	defer limit.Stop()
	select {
	case <-r.Drained():
	case <-limit.C:
	}
}

// lastLine is the number of the newest line of the log.
func (s *supervisor) lastLine() uint64 {
	if lines := s.logs.Tail(1); len(lines) > 0 {
		return lines[0].Seq
	}
	return 0
}
