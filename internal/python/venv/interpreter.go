package venv

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ota/internal/kit/owner"
	"ota/internal/kit/proc"
)

// Interpreter is the identity of a Python: an environment that was made for
// one is not for another.
type Interpreter struct {
	Path    string            `json:"path"`    // as it was found
	Version string            `json:"version"` // "3.11.2"
	Machine string            `json:"machine"` // processor, platform and the suffix of compiled modules
	Base    string            `json:"base"`    // the interpreter itself, if Path is that of another environment
	Library string            `json:"library"` // where packages go below an environment: lib/python3.11/site-packages
	Markers map[string]string `json:"markers"` // what the conditions of PEP 508 ask for
	File    Stat              `json:"file"`    // the binary, as it was when it was asked
}

// Stat tells whether a binary is still the same one, without running it.
type Stat struct {
	Path    string `json:"path"` // without symbolic links
	Size    int64  `json:"size"`
	ModTime int64  `json:"mtime"` // nanoseconds
	Inode   uint64 `json:"inode"`
}

// statOf follows the links of an interpreter to its binary.
func statOf(path string) (Stat, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return Stat{}, err
	}
	info, err := os.Stat(real)
	if err != nil {
		return Stat{}, err
	}
	if info.IsDir() {
		return Stat{}, &fs.PathError{Op: "run", Path: real, Err: fs.ErrPermission}
	}
	return Stat{Path: real, Size: info.Size(), ModTime: info.ModTime().UnixNano(), Inode: inode(info)}, nil
}

//go:embed identify.py
var identifyQuestion string

// askLimit is the time that an interpreter has for an answer. A Pi Zero with a
// cold card takes about 3 s to start Python.
const askLimit = 30 * time.Second

// Identify says which Python the interpreter at path is. It is asked once, as
// another user where there is one, for it may be a file of the program:
// while its binary stays the same the answer is remembered, with the
// environments even over a restart.
func (r *Room) Identify(ctx context.Context, path string, env []string, as *owner.Owner) (Interpreter, error) {
	path = filepath.Clean(path)
	file, err := statOf(path)
	if err != nil {
		return Interpreter{}, fmt.Errorf("cannot find out which Python %s is: %w", path, err)
	}
	if known, ok := r.recall(path, file); ok {
		return known, nil
	}
	var found Interpreter
	if err := ask(ctx, path, identifyQuestion, env, as, &found); err != nil {
		return Interpreter{}, fmt.Errorf("cannot find out which Python %s is: %w", path, err)
	}
	if found.Version == "" || found.Library == "" || found.Base == "" {
		return Interpreter{}, fmt.Errorf("cannot find out which Python %s is: it gave no answer", path)
	}
	found.Path, found.File = path, file
	r.remember(found)
	return found, nil
}

func (r *Room) recall(path string, file Stat) (Interpreter, bool) {
	r.mutex.Lock()
	known, ok := r.interpreters[path]
	r.mutex.Unlock()
	if ok && known.File == file {
		return known, true
	}
	for _, id := range r.environments() {
		marker, err := r.readMarker(id)
		if err == nil && marker.Interpreter.Path == path && marker.Interpreter.File == file {
			r.remember(marker.Interpreter)
			return marker.Interpreter, true
		}
	}
	return Interpreter{}, false
}

func (r *Room) remember(one Interpreter) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.interpreters[one.Path] = one
}

// ask runs a question of ours, isolated from the program's modules, and reads
// the last line of the answer.
func ask(ctx context.Context, python, question string, env []string, as *owner.Owner, into any) error {
	limited, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(limited, python, "-I", "-c", question)
	cmd.Env = environment(env)
	as.Dress(cmd)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second // a shim may have left something that keeps the pipes
	err := proc.Run(cmd)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case limited.Err() != nil:
		return fmt.Errorf("%s gave no answer within %s", python, askLimit)
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		if said := lastLine(stderr.String()); said != "" {
			return errors.New(said)
		}
		return err
	}
	if err := json.Unmarshal([]byte(lastLine(stdout.String())), into); err != nil {
		return fmt.Errorf("%s is not Python 3", python)
	}
	return nil
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
}

// dropped are variables of the program that would lead an installer out of the
// environment.
var dropped = []string{
	"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE", "PYTHONOPTIMIZE",
	"PYTHONWARNINGS", "PYTHONVERBOSE", "PYTHONUSERBASE", "PYTHONINSPECT", "__PYVENV_LAUNCHER__", "VIRTUAL_ENV",
	"PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PIP_REQUIREMENT", "PIP_DRY_RUN", "PIP_NO_COMPILE",
	"PIP_REQUIRE_VIRTUALENV", "PIP_LOG", "PIP_QUIET", "PIP_VERBOSE", "PIP_REPORT", "PIP_EDITABLE", "PIP_IGNORE_INSTALLED",
	"UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_TARGET", "UV_PREFIX", "TMPDIR", "TEMP", "TMP",
}

// environment is env without what leads astray, and with what is set.
func environment(env []string, set ...string) []string {
	var kept []string
	for _, one := range env {
		name, _, _ := strings.Cut(one, "=")
		if !slices.Contains(dropped, name) && !isSet(name, set) {
			kept = append(kept, one)
		}
	}
	return append(kept, set...)
}

func isSet(name string, set []string) bool {
	return slices.ContainsFunc(set, func(one string) bool { return strings.HasPrefix(one, name+"=") })
}
