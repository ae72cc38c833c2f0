package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ota/internal/config"
	"ota/internal/kit/hint"
	"ota/internal/python"
	"ota/internal/update"
)

// launch is how a program is started: that of a candidate, or the one in main/.
type launch struct {
	config      config.Config
	interpreter string // Python; empty: there is none
	environment string // name of the environment that the interpreter is of; empty: none
	lacks       error  // why there is no environment, though one is needed
	env         []string
	// What is run. The error says why there is nothing; that of what is not
	// there at all is an *update.NothingToRun.
	argv    []string
	argvErr error
}

// look tells what stands at a path of main/, or of a candidate.
type look func(at string) (os.FileInfo, error)

// inMain looks into main/ as it is.
func (o *outfit) inMain(at string) (os.FileInfo, error) {
	return os.Stat(filepath.Join(o.main, filepath.FromSlash(at)))
}

// launch puts together how a program is started with an interpreter, which may
// be that of an environment.
func (o *outfit) launch(settings config.Config, with footing, exists look) launch {
	l := launch{config: settings, interpreter: with.interpreter, environment: with.environment, lacks: with.lacks}
	l.env, l.argvErr = o.environ(settings, with)
	if l.argvErr == nil {
		l.argv, l.argvErr = o.command(l, with, exists)
	}
	return l
}

// footing is where a program finds Python and what it needs.
type footing struct {
	interpreter string
	environment string // its name; empty: none
	folder      string // of the environment
	missing     error  // why there is no interpreter
	lacks       error  // why there is no environment, though one is needed
}

// environ is what the program sees: ota's own variables, those of ota.toml, and
// what ota says of itself.
func (o *outfit) environ(settings config.Config, with footing) ([]string, error) {
	file, err := settings.Program.EnvFile.Load(o.place.dir)
	account, accountErr := o.account(settings)
	env := slices.Clone(os.Environ())
	if with.folder != "" {
		env = activated(env, with.folder)
	}
	env = append(env, account.variables()...)
	for name, value := range settings.Environment(file) {
		env = append(env, name+"="+value)
	}
	return append(env,
		"PWD="+o.main,
		"OTA_DIR="+o.place.dir,
		BusyVariable+"="+o.place.busy(),
	), errors.Join(err, accountErr)
}

// activated is env as `activate` of a virtual environment makes it, so that what
// the program starts finds the same Python and its commands.
func activated(env []string, folder string) []string {
	commands := filepath.Join(folder, "bin")
	path := commands
	for _, variable := range env {
		if before, is := strings.CutPrefix(variable, "PATH="); is {
			path = commands + string(os.PathListSeparator) + before
		}
	}
	return append(env, "VIRTUAL_ENV="+folder, "PATH="+path)
}

// of is the environment of the start of a release.
func (l launch) of(release int) []string {
	return append(slices.Clone(l.env), "OTA_RELEASE="+strconv.Itoa(release))
}

// command finds what to run.
func (o *outfit) command(l launch, with footing, exists look) ([]string, error) {
	if len(l.config.Program.Command) > 0 {
		return o.ownCommand(l, exists)
	}
	info, err := exists(mainFile)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err != nil || !info.Mode().IsRegular() {
		return nil, &update.NothingToRun{Message: "No main.py inside main/: put your program into deposit/"}
	}
	if with.interpreter == "" {
		return nil, with.missing
	}
	return []string{with.interpreter, "-u", mainFile}, nil
}

// ownCommand is the one of ota.toml.
func (o *outfit) ownCommand(l launch, exists look) ([]string, error) {
	switch entries, err := os.ReadDir(o.main); {
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return nil, err
	case len(entries) == 0:
		return nil, &update.NothingToRun{Message: "Nothing to run inside main/: put your program into deposit/"}
	}
	words := l.config.Program.Command
	if isOfMain(words[0]) {
		if _, err := exists(filepath.ToSlash(filepath.Clean(words[0]))); errors.Is(err, os.ErrNotExist) {
			return nil, &update.NothingToRun{Message: "No " + filepath.Clean(words[0]) + " inside main/: put your program into deposit/"}
		}
	}
	found, err := o.find(l, words[0])
	if err != nil {
		return nil, hint.With(err, "see [program] command in ota.toml")
	}
	return append([]string{found}, words[1:]...), nil
}

// isOfMain reports whether a command is a file of main/: it has a slash in it.
func isOfMain(name string) bool { return strings.ContainsRune(name, '/') && !filepath.IsAbs(name) }

// find finds a command: a file of main/, the program's Python, or what a shell
// would find with the environment of a start.
func (o *outfit) find(l launch, name string) (string, error) {
	if isOfMain(name) {
		return filepath.Join(o.main, name), nil
	}
	if (name == "python3" || name == "python") && l.interpreter != "" {
		return l.interpreter, nil
	}
	if !strings.ContainsRune(name, '/') {
		if found, ok := python.LookPath(name, l.env); ok {
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
func (o *outfit) interpreter(ctx context.Context, settings config.Config) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	name := settings.Python.Interpreter
	if known := o.interpreters[name]; known != "" {
		if _, err := os.Stat(known); err == nil {
			return known, nil
		}
	}
	env, _ := o.environ(settings, footing{}) // without the env_file Python is found as well
	account, err := o.account(settings)
	if err != nil {
		return "", err
	}
	search := python.Search{Env: env, Dir: o.main, As: account.owner()}
	var found python.Interpreter
	if name == "" {
		found, err = search.Default(ctx)
	} else {
		if isOfMain(name) {
			name = filepath.Join(o.main, name)
		}
		found, err = search.Named(ctx, name)
		err = hint.With(err, "see [python] interpreter in ota.toml")
	}
	if err != nil {
		return "", fmt.Errorf("cannot find the program's Python: %w", err)
	}
	o.interpreters[name] = found.Path
	for _, warning := range python.WarnEnv(env) {
		o.log.Warn(warning)
	}
	return found.Path, nil
}
