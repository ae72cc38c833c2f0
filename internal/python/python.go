// Package python is what is known of Python: which interpreter runs the
// program, where its bytecode lies, what in the environment makes it slow, why
// a program ended.
//
// In: an environment, names of source files, what a program wrote. Out: paths,
// matches, sentences, places in the source. Never: a change to any file; and no
// interpreter is run unless its path alone does not tell what it is.
package python

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ota/internal/kit/owner"
	"ota/internal/kit/proc"
)

// Interpreter is a Python 3.
type Interpreter struct {
	Path    string // absolute; symbolic links are kept, for a virtual environment is known by its path
	Version string // "3.11.2", or empty where it was not asked
}

// NotFound is the error when there is no Python to run the program with.
type NotFound struct {
	Reason string
	hint   string
}

// Error is the reason.
func (e *NotFound) Error() string { return e.Reason }

// Hint says what to install on this system.
func (e *NotFound) Hint() string { return e.hint }

// askLimit is the time that a shim or an interpreter has to say what it is. A
// Pi Zero with a cold card takes about 3 s to start Python.
const askLimit = 10 * time.Second

// Find returns the interpreter that PATH in env leads to: python3, or else
// python if that is a Python 3. A script of that name (pyenv and asdf put such
// shims into PATH) is asked once, in dir, for the interpreter behind it, since
// it costs every start tens of milliseconds. The error is a [*NotFound], or
// that of ctx. Several goroutines may call it.
func Find(ctx context.Context, env []string, dir string) (Interpreter, error) {
	return Search{Env: env, Dir: dir}.Default(ctx)
}

// Search is a search for an interpreter, as [Find] does it.
type Search struct {
	Env []string
	Dir string
	As  *owner.Owner // who asks a shim or an interpreter; it may be a file of the program
}

// Default finds python3, or else python.
func (s Search) Default(ctx context.Context) (Interpreter, error) {
	return s.find(ctx, "python3", "python")
}

// Named finds the interpreter with a name, or at a path.
func (s Search) Named(ctx context.Context, name string) (Interpreter, error) {
	return s.find(ctx, name)
}

func (s Search) find(ctx context.Context, names ...string) (Interpreter, error) {
	var refused []string
	for _, name := range names {
		path, ok := name, filepath.IsAbs(name)
		if !ok {
			path, ok = lookPath(name, s.Env)
		}
		if !ok {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			refused = append(refused, err.Error())
			continue
		}
		found, err := s.identify(ctx, name, path)
		if err == nil {
			return found, nil
		}
		if ctx.Err() != nil {
			return Interpreter{}, fmt.Errorf("cannot find Python: %w", ctx.Err())
		}
		refused = append(refused, err.Error())
	}
	reason := "no Python found: " + strings.Join(names, " and ") + " not in PATH"
	if len(names) > 1 {
		reason = "no Python found: neither python3 nor python is in PATH"
	}
	if len(refused) > 0 {
		reason = "no Python 3 found: " + strings.Join(refused, "; ")
	}
	return Interpreter{}, &NotFound{Reason: reason, hint: installHint()}
}

// LookPath looks a command up in the PATH of env, which need not be our own.
func LookPath(name string, env []string) (path string, ok bool) { return lookPath(name, env) }

// identify returns the interpreter at path, asking it only where it must.
func (s Search) identify(ctx context.Context, name, path string) (Interpreter, error) {
	script := isScript(path)
	if name != "python" && !script {
		return Interpreter{Path: path}, nil
	}
	answer, err := s.ask(ctx, path)
	switch {
	case err != nil:
		return Interpreter{}, err
	case strings.HasPrefix(answer.Version, "2."):
		return Interpreter{}, fmt.Errorf("%s is Python %s", path, answer.Version)
	case !script || !filepath.IsAbs(answer.Path):
		answer.Path = path
	}
	return answer, nil
}

// question is valid in Python 2 as well.
const question = `import sys; print(sys.executable or ""); print("%d.%d.%d" % tuple(sys.version_info[:3]))`

func (s Search) ask(ctx context.Context, path string) (Interpreter, error) {
	limited, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(limited, path, "-c", question)
	cmd.Env, cmd.Dir = s.Env, s.Dir
	s.As.Dress(cmd)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// A shim may have left something that keeps the pipes.
	cmd.WaitDelay = time.Second
	err := proc.Run(cmd)
	switch {
	case limited.Err() != nil:
		return Interpreter{}, fmt.Errorf("%s gave no answer within %s", path, askLimit)
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return Interpreter{}, fmt.Errorf("%s does not work: %s", path, firstLine(stderr.String(), err))
	}
	executable, version, ok := parseAnswer(stdout.String())
	if !ok {
		return Interpreter{}, fmt.Errorf("%s is not Python", path)
	}
	return Interpreter{Path: executable, Version: version}, nil
}

// parseAnswer takes the last two lines: a sitecustomize may print before.
func parseAnswer(output string) (executable, version string, ok bool) {
	lines := strings.Split(strings.TrimRight(output, "\r\n"), "\n")
	if len(lines) < 2 {
		return "", "", false
	}
	executable = strings.TrimRight(lines[len(lines)-2], "\r")
	version = lines[len(lines)-1]
	return executable, version, isVersion(version)
}

// isVersion reports whether text is three numbers, as in 3.11.2.
func isVersion(text string) bool {
	numbers := strings.Split(text, ".")
	for _, number := range numbers {
		if _, err := strconv.ParseUint(number, 10, 31); err != nil {
			return false
		}
	}
	return len(numbers) == 3
}

func firstLine(text string, otherwise error) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if line == "" {
		return otherwise.Error()
	}
	return line
}

func isScript(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	head, err := bufio.NewReaderSize(file, 16).Peek(2)
	return err == nil && string(head) == "#!"
}

// Variable returns the value that counts of a variable in env: the last one.
func Variable(env []string, name string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if key, value, ok := strings.Cut(env[i], "="); ok && key == name {
			return value
		}
	}
	return ""
}
