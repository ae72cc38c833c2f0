package venv

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ota/internal/kit/proc"
	"ota/internal/python"
)

// installer is what fills an environment.
type installer struct {
	name    string // "pip 23.0.1", as the marker tells it
	command []string
	env     []string // what it needs in its environment
	uv      bool
}

//go:embed pip.py
var pipQuestion string

// pipAnswer is what pip.py says.
type pipAnswer struct {
	Version string   `json:"version"`
	Wheels  []string `json:"wheels"`
}

// lowMemory is the size under which a cache of downloads, which pip holds in
// memory on the way, costs more than it saves.
const lowMemory = 512 << 20

// chooseInstaller takes uv where there is one, or else a pip that this machine
// has: none is installed into the environment.
func (b *build) chooseInstaller(ctx context.Context) (installer, error) {
	if uv, ok := python.LookPath("uv", b.job.Env); ok {
		return installer{name: "uv", command: []string{uv, "pip", "install", "--python", b.room.pythonOf(b.id)}, uv: true}, nil
	}
	base := b.job.Interpreter.Base
	var answer pipAnswer
	if err := ask(ctx, base, pipQuestion, b.job.Env, b.job.As, &answer); err != nil {
		return installer{}, fmt.Errorf("cannot find pip: %w", err)
	}
	// The option that lets one pip serve all environments came with 22.3.
	if atLeast, ok := compareBy(answer.Version, ">=", "22.3"); ok && atLeast {
		return installer{
			name: "pip " + answer.Version, command: []string{base, "-m", "pip", "--python", b.room.pythonOf(b.id)},
		}, nil
	}
	if len(answer.Wheels) > 0 {
		wheel := answer.Wheels[0]
		version, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(wheel), "pip-"), "-")
		return installer{
			name: "pip " + version, command: []string{b.room.pythonOf(b.id), "-m", "pip"}, env: []string{"PYTHONPATH=" + wheel},
		}, nil
	}
	return installer{}, &Failed{
		Message: fmt.Sprintf("%s is there, and no pip for %s to install what it names", b.job.Recipe.Kind, base),
		hint:    "install it with `sudo apt install python3-pip`",
	}
}

// install runs the installer once. When it only knows that there is no such
// package, it runs once more and is asked for what it looked at: written out
// every time that would be thousands of lines.
func (b *build) install(ctx context.Context, tool installer, one pass) error {
	found, err := b.start(ctx, tool, one, false)
	if err == nil || ctx.Err() != nil || found == nil {
		return err
	}
	if !tool.uv && found.isVague() {
		more, again := b.start(ctx, tool, one, true)
		if again == nil || ctx.Err() != nil || more == nil {
			return again
		}
		more.tail = found.tail
		found, err = more, again
	}
	return found.failure(err, b.scene())
}

// scene is what the words of a failure depend on.
func (b *build) scene() scene {
	return scene{
		work: b.work, source: b.job.Source, index: b.job.Index, offline: b.job.Offline,
		python: b.job.Interpreter, wheels: b.job.Recipe.wheels, files: b.job.Recipe.files,
	}
}

// start runs the installer to its end. The findings are nil if it could not be
// run.
func (b *build) start(ctx context.Context, tool installer, one pass, thorough bool) (*findings, error) {
	args := append(tool.command[1:len(tool.command):len(tool.command)], b.arguments(tool, one, thorough)...)
	steps := &progress{tell: b.job.Progress, wanted: b.job.Recipe.wanted, seen: map[string]bool{}}
	found := &findings{}
	output := &lines{each: func(text string) {
		steps.line(text)
		found.line(text)
	}}
	cmd := exec.CommandContext(ctx, tool.command[0], args...)
	cmd.Dir = b.top()
	cmd.Env = environment(b.job.Env, append(b.settings(), tool.env...)...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = ownGroup()
	cmd.Cancel = func() error { return killGroup(cmd) }
	cmd.WaitDelay = 2 * time.Second
	b.job.As.Dress(cmd)
	inherit(cmd, b.lock)
	b.tell(Step{Phase: Resolving, Total: b.job.Recipe.wanted})
	if err := proc.Start(cmd); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", tool.name, err)
	}
	_ = b.room.low(cmd.Process.Pid)           // at the usual one it works as well
	_ = b.room.noteInstaller(cmd.Process.Pid) // the lock, which it inherits, is enough to keep others away
	err := proc.Wait(cmd)
	output.end()
	err = errors.Join(err, b.room.forgetInstaller())
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("cannot build environment: %w", ctx.Err())
	case errors.Is(err, exec.ErrWaitDelay):
		err = nil // it ended well, and left something that keeps the pipe
	}
	if found.killed = wasKilled(cmd.ProcessState.ExitCode()); found.killed {
		_ = killGroup(cmd) // what it started; mostly nothing is left
	}
	return found, err
}

// wasKilled knows the end by SIGKILL: our child's own, and how a shell and pip
// pass on that of theirs.
func wasKilled(code int) bool { return code == -1 || code == 128+9 || code == 256-9 }

// arguments are what pip and uv take alike, and what they don't.
func (b *build) arguments(tool installer, one pass, thorough bool) []string {
	small := b.room.memory()
	isSmall := small > 0 && small < lowMemory
	var args []string
	add := func(when bool, more ...string) {
		if when {
			args = append(args, more...)
		}
	}
	if tool.uv {
		// Copies: a link into the cache would be changed by who changes the cache.
		add(true, "--no-progress", "--color", "never", "--compile-bytecode", "--link-mode", "copy")
		add(isSmall, "--no-cache")
		add(b.job.Offline, "--offline")
	} else {
		add(true, "--disable-pip-version-check", "--no-input", "--no-color")
		add(thorough, "-vv")
		add(true, "install", "--progress-bar", "off", "--no-user", "--no-warn-script-location")
		add(python.Variable(b.job.Env, "PIP_RETRIES") == "", "--retries", strconv.Itoa(b.room.retries))
		add(isSmall, "--no-cache-dir")
	}
	add(b.job.Offline, "--no-index")
	add(b.job.Index != "" && !b.job.Offline, "--index-url", b.job.Index)
	add(len(b.job.Recipe.wheels) > 0, "--find-links", filepath.Join(b.work, WheelFolder))
	add(one.pinned, "--no-deps")
	add(true, "-r", one.file)
	return args
}

// settings are the variables of every installer.
func (b *build) settings() []string {
	tmp := filepath.Join(b.work, "tmp") // /tmp may be memory
	return []string{
		"TMPDIR=" + tmp, "TEMP=" + tmp, "TMP=" + tmp,
		"PYTHONUNBUFFERED=1", "PYTHONIOENCODING=utf-8:replace",
		// What the user installed for himself is no part of any release.
		"PYTHONNOUSERSITE=1",
		"PIP_ROOT_USER_ACTION=ignore", "PIP_NO_PYTHON_VERSION_WARNING=1",
	}
}

// longest is how much of one line is read; a binary may have none.
const longest = 4096

// lines is a writer that gives each line to a function.
type lines struct {
	each func(string)
	part []byte
}

// Write takes a part of the output.
func (l *lines) Write(data []byte) (int, error) {
	for _, c := range data {
		switch {
		case c == '\n':
			l.end()
		case len(l.part) < longest:
			l.part = append(l.part, c)
		}
	}
	return len(data), nil
}

// end gives away what has no line's end.
func (l *lines) end() {
	text := strings.TrimRight(strings.ToValidUTF8(string(l.part), "\ufffd"), " \r\t")
	if i := strings.LastIndexByte(text, '\r'); i >= 0 {
		text = text[i+1:]
	}
	l.part = l.part[:0]
	l.each(text)
}
