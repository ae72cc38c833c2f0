// Package warm makes a Python start ahead of time: an interpreter that has
// imported what the program is going to import, and waits.
//
// In: the program's command and environment, names of modules. Out: the
// environment that makes that very command wait, or learn what the program
// imports; the list of what was learnt. Never: a process (the program room
// starts it); a module of the program itself imported ahead; an interpreter
// made to wait that has not been seen to wait before ([Wait.Probe]).
//
// The embedded sitecustomize.py says how it is done.
package warm

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"ota/internal/kit/packed"
	"ota/internal/kit/pattern"
)

// hook is sitecustomize.py, compressed. A test writes it, with -update.
//
//go:embed sitecustomize.py.gz
var hook []byte

const (
	// variable is the one of sitecustomize.py.
	variable = "OTA_WARM"
	// mostNames and mostBytes are as in sitecustomize.py: what is longer was
	// not written by it.
	mostNames = 2000
	mostBytes = 100_000
)

// Hook is a folder that Python finds before its own ones. Its methods may be
// called by several goroutines.
type Hook struct {
	dir  string
	main string

	mu      sync.Mutex // guards refused and the writing of the folder
	refused map[string]struct{}
}

// New returns a hook for the program in main that keeps its files in dir. Both
// are absolute.
func New(dir, main string) *Hook {
	return &Hook{dir: filepath.Clean(dir), main: filepath.Clean(main), refused: map[string]struct{}{}}
}

// code is the folder that is put into PYTHONPATH: nothing else may be in it,
// for it would be importable.
func (h *Hook) code() string { return filepath.Join(h.dir, "hook") }

// list is the file with the names of what was imported.
func (h *Hook) list() string { return filepath.Join(h.dir, "modules") }

// Wait is what the program room has to know of a process that is to wait.
type Wait struct {
	Env   func(env []string, fd int) []string // makes it wait for word on this file
	First []byte                              // what it is told first
	Probe []string                            // a command that waits and otherwise does nothing
}

// Wait tells how to make a command wait after it has imported modules, in this
// order. The error says why this one can't be made to wait.
func (h *Hook) Wait(argv, env, modules []string) (Wait, error) {
	command, err := h.prepare(argv, env)
	if err != nil {
		return Wait{}, fmt.Errorf("cannot prepare a warm start: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	modules = slices.DeleteFunc(slices.Clone(modules), func(name string) bool {
		_, refused := h.refused[name]
		return refused || !isModule(name)
	})
	return Wait{
		Env: func(env []string, fd int) []string {
			return h.environment(env, command, strconv.Itoa(fd))
		},
		First: []byte(strings.Join(modules, "\x00")),
		Probe: append(slices.Clone(command.options), "-c", "pass"),
	}, nil
}

// Learn returns the environment with which a command is started at once and
// writes down what it imports. With an error it is env.
func (h *Hook) Learn(argv, env []string) ([]string, error) {
	command, err := h.prepare(argv, env)
	if err != nil {
		return env, fmt.Errorf("cannot learn what the program imports: %w", err)
	}
	return h.environment(env, command, ""), nil
}

// Learned returns what the last run of the program has imported that is not of
// the program itself, in that order. Nothing, if there is no such list or if it
// is not to be relied upon.
func (h *Hook) Learned() []string {
	file, err := os.Open(h.list())
	if err != nil {
		return nil
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, mostBytes+1))
	if err != nil || len(text) > mostBytes {
		return nil
	}
	return parse(string(text))
}

// patchers replace parts of the standard library, which is not to be imported
// before them.
var patchers = []string{"gevent", "eventlet", "ddtrace"}

func parse(text string) []string {
	var names []string
	for name := range strings.Lines(text) {
		name = strings.TrimSuffix(name, "\n")
		if slices.Contains(patchers, name) || len(names) == mostNames {
			return nil
		}
		if isModule(name) {
			names = append(names, name)
		}
	}
	return names
}

var moduleName = pattern.New(`^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$`)

func isModule(name string) bool { return moduleName.MatchString(name) }

var culprit = pattern.New(`preloading ([\w.]+): `)

// Refuse remembers the module that a process could not become the program for,
// if its error names one: it is not imported ahead again.
func (h *Hook) Refuse(err error) (module string) {
	found := culprit.FindStringSubmatch(err.Error())
	if found == nil {
		return ""
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refused[found[1]] = struct{}{}
	return found[1]
}

// prepare makes sure that the folder is as it should be, and reads the command.
func (h *Hook) prepare(argv, env []string) (command, error) {
	if path := h.code() + h.main; strings.ContainsAny(path, ":\n") || !filepath.IsAbs(h.dir) {
		return command{}, fmt.Errorf("a folder of this name can't be in PYTHONPATH: %s", path)
	}
	parsed, err := parseCommand(argv)
	if err != nil {
		return command{}, err
	}
	for _, name := range telling {
		if _, value := last(env, name); value != "" {
			return command{}, fmt.Errorf("%s is set", name)
		}
	}
	return parsed, h.write()
}

// telling are variables that make Python tell of every import.
var telling = []string{"PYTHONVERBOSE", "PYTHONPROFILEIMPORTTIME"}

// write writes the folder unless it is there as it should be: a power cut may
// have emptied its file.
func (h *Hook) write() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	path, source := filepath.Join(h.code(), "sitecustomize.py"), packed.Open(hook)
	found, err := os.ReadFile(path)
	if err == nil && bytes.Equal(found, source) {
		return nil
	}
	if err := errors.Join(os.MkdirAll(h.code(), 0o755), os.RemoveAll(filepath.Join(h.code(), "__pycache__"))); err != nil {
		return err
	}
	// The program may run as another user, and whatever the umask: a Python that
	// can't read this would start with our variables in its environment.
	if err := errors.Join(os.Chmod(h.dir, 0o755), os.Chmod(h.code(), 0o755)); err != nil {
		return err
	}
	// Nothing is lost with it, so it need not be durable; but no process may
	// find half of it.
	next := filepath.Join(h.dir, "sitecustomize.next")
	if err := errors.Join(os.WriteFile(next, source, 0o644), os.Chmod(next, 0o644)); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// environment returns env with our folder in front, and what the code in it
// has to know. All of that is gone when the program looks.
func (h *Hook) environment(env []string, command command, fd string) []string {
	at, value := last(env, "PYTHONPATH")
	path, had := "PYTHONPATH="+h.code(), "no"
	out := slices.Clone(env)
	if at >= 0 {
		had = "yes"
		// Behind a colon nothing would mean the working directory.
		if value != "" {
			path += ":" + value
		}
		out[at] = path
	} else {
		out = append(out, path)
	}
	return append(out, variable+"="+strings.Join([]string{fd, had, h.main, command.script, h.list()}, "\n"))
}

// last returns the entry of a variable that counts; -1 if there is none.
func last(env []string, name string) (at int, value string) {
	for i := len(env) - 1; i >= 0; i-- {
		if key, value, ok := strings.Cut(env[i], "="); ok && key == name {
			return i, value
		}
	}
	return -1, ""
}
