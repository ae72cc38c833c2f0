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
	"syscall"
	"time"

	"ota/internal/config"
	"ota/internal/kit/hint"
	"ota/internal/logs"
	"ota/internal/program"
	"ota/internal/python"
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

// stopAfter are the times, from the beginning of a stop, at which the next
// signal is sent.
var stopAfter = []time.Duration{0, 5 * time.Second, 10 * time.Second}

func stopSteps(signals []syscall.Signal) []program.Step {
	var steps []program.Step
	for i, signal := range signals {
		after := time.Duration(i) * 5 * time.Second
		if i < len(stopAfter) {
			after = stopAfter[i]
		}
		steps = append(steps, program.Step{Signal: signal, After: after})
	}
	return steps
}

// Start starts the program of a release.
func (s *supervisor) Start(release int) (update.Run, error) {
	env := s.environment(release)
	argv, err := s.command(env)
	if err != nil {
		return nil, err
	}
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
	return run{started}, nil
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
	if info, err := os.Stat(filepath.Join(s.main, mainFile)); err != nil || !info.Mode().IsRegular() {
		return nil, &update.NothingToRun{Message: "No main.py inside main/: put your program into deposit/"}
	}
	interpreter, err := s.interpreter(env)
	if err != nil {
		return nil, err
	}
	return []string{interpreter, "-u", mainFile}, nil
}

// ownCommand is the one of ota.toml. A name with a slash is a file of main/.
func (s *supervisor) ownCommand(env []string) ([]string, error) {
	name := s.config.Command[0]
	if entries, err := os.ReadDir(s.main); err != nil || len(entries) == 0 {
		return nil, &update.NothingToRun{Message: "Nothing to run inside main/: put your program into deposit/"}
	}
	if strings.ContainsRune(name, '/') && !filepath.IsAbs(name) {
		if _, err := os.Stat(filepath.Join(s.main, name)); err != nil {
			return nil, &update.NothingToRun{Message: "No " + filepath.Clean(name) + " inside main/: put your program into deposit/"}
		}
		return append([]string{filepath.Join(s.main, name)}, s.config.Command[1:]...), nil
	}
	if name == "python3" || name == "python" {
		if found, err := s.interpreter(env); err == nil {
			return append([]string{found}, s.config.Command[1:]...), nil
		}
	}
	found, err := exec.LookPath(name)
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return nil, hint.With(err, "see [program] command in ota.toml")
	}
	return append([]string{found}, s.config.Command[1:]...), nil
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
}

// Exit says how it ended.
func (r run) Exit() update.Exit {
	exit := r.Run.Exit()
	return update.Exit{Code: exit.Code, Signal: exit.SignalName(), At: exit.At}
}
