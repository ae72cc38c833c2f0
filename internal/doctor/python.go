package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ota/internal/kit/escape"
	"ota/internal/kit/hint"
	"ota/internal/kit/proc"
	"ota/internal/python"
)

// askLimit is the time that an interpreter has to say what it has.
const askLimit = 20 * time.Second

// pipQuestion is what pip an environment could be filled by: one that serves all
// environments, or the one that the interpreter brings along. It is asked in
// isolated mode, in which no file of the program is imported. Before that it
// says which parts of the standard library are not there, of those that programs
// use and that a Python may lack: as Debian's python3-minimal does, or one that
// was built where the headers of a library were missing.
const pipQuestion = `import sys
from importlib.machinery import PathFinder
lacks = []
for name in ("asyncio concurrent ctypes decimal html http json logging multiprocessing queue shutil sqlite3 ssl"
             " subprocess unittest urllib uuid xml zlib _ctypes _sqlite3 _ssl").split():
    if name not in sys.builtin_module_names and not PathFinder.find_spec(name) and name.strip("_") not in lacks:
        lacks.append(name.strip("_"))
if lacks:
    print("lacks " + " ".join(lacks))
print("%d.%d.%d" % sys.version_info[:3])
try:
    import pip
    print("pip " + pip.__version__)
except ImportError:
    try:
        import ensurepip
        print("pip " + ensurepip.version())
    except Exception:
        print("none")
`

// requirements are the files that name what an environment needs.
var requirements = []string{"requirements.txt", "pylock.toml", "uv.lock", "pyproject.toml"}

func (p *patient) lookAtPython(ctx context.Context) []Finding {
	if p.settings.Program.Command != nil && !p.needsPackages() && p.settings.Python.Interpreter == "" {
		return fine("the program is started by [program] command")
	}
	env := p.environment()
	for name, value := range p.settings.Program.Env {
		env = append(env[:len(env):len(env)], name+"="+value)
	}
	search := python.Search{Env: env, Dir: p.Dir, As: p.runAs()}
	var found python.Interpreter
	var err error
	name := p.settings.Python.Interpreter
	if name == "" {
		name = "python3"
		found, err = search.Default(ctx)
	} else {
		found, err = search.Named(ctx, name)
	}
	if err != nil {
		advice := hint.Of(err)
		if advice == "" || p.settings.Python.Interpreter != "" {
			advice = "name another in " + shell(p.Dir+"/ota.toml") + ": [python] interpreter; without it python3 is taken"
		}
		return []Finding{problem("python-missing", escape.Name(err.Error())+p.asWhom(), advice)}
	}
	return p.lookInto(ctx, found, name, env)
}

// lookInto asks an interpreter that was found. shimmed is the name that led to
// it.
func (p *patient) lookInto(ctx context.Context, found python.Interpreter, name string, env []string) []Finding {
	path := escape.Name(found.Path)
	answer, err := p.askPython(ctx, found.Path, env)
	if err != nil {
		return []Finding{problem("python-broken", path+" does not work: "+escape.Name(err.Error())+p.asWhom(), "try it: "+shell(found.Path)+" -c 'print(1)'; or name another in [python] interpreter")}
	}
	version, pip := answer.version, answer.pip
	var findings []Finding
	if first, ok := python.LookPath(name, env); ok && !filepath.IsAbs(name) && isShim(first, found.Path) {
		findings = append(findings, notice("python-shim",
			fmt.Sprintf("%s is a shim for %s: what it leads to depends on the user and the folder", escape.Name(first), path),
			"name it in "+shell(p.Dir+"/ota.toml")+": [python] interpreter = "+quoted(found.Path)))
	}
	if len(answer.lacks) > 0 {
		findings = append(findings, p.lacking(found.Path, answer.lacks))
	}
	if _, uv := python.LookPath("uv", env); pip == "none" && !uv && p.settings.Python.Environment {
		one := notice("python-pip", path+" has no pip, and no ensurepip: packages can't be installed", "sudo apt install python3-pip python3-venv")
		if p.needsPackages() {
			one.Verdict = Problem
		}
		findings = append(findings, one)
	}
	return otherwise(findings, fmt.Sprintf("%s is Python %s with %s", path, escape.Name(version), escape.Name(pip)))
}

// lacking is about parts of the standard library that an interpreter has not.
func (p *patient) lacking(path string, parts []string) Finding {
	advice := "sudo apt install python3"
	compiled := []string{"ctypes", "sqlite3", "ssl", "zlib"} // by means of a library
	if !slices.ContainsFunc(parts, func(part string) bool { return !slices.Contains(compiled, part) }) {
		advice = "build it again with the headers of what is missing (on Debian: libffi-dev libsqlite3-dev libssl-dev zlib1g-dev), or name another in " +
			shell(p.Dir+"/ota.toml") + ": [python] interpreter"
	}
	one := notice("python-parts", fmt.Sprintf("%s has not all of its standard library: no %s; an upload that imports what is missing is held",
		escape.Name(path), escape.Name(strings.Join(parts, ", "))), advice)
	if slices.Contains(parts, "json") && p.settings.Python.Environment && p.needsPackages() {
		one.Verdict = Problem // neither pip nor uv works without
	}
	return one
}

// asWhom says that somebody else may have found another Python.
func (p *patient) asWhom() string {
	if as := p.runAs(); as != nil {
		return fmt.Sprintf(" (looked for with this PATH, as user %d)", as.UID)
	}
	return ""
}

func (p *patient) needsPackages() bool {
	for _, name := range requirements {
		if exists(filepath.Join(p.main(), name)) || exists(filepath.Join(p.deposit(), name)) {
			return true
		}
	}
	return false
}

// pythonHas is what an interpreter says of itself.
type pythonHas struct {
	version, pip string
	lacks        []string // parts of the standard library
}

func (p *patient) askPython(ctx context.Context, path string, env []string) (pythonHas, error) {
	limited, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	cmd := exec.CommandContext(limited, path, "-I", "-B", "-c", pipQuestion)
	cmd.Env, cmd.Dir = env, string(filepath.Separator)
	p.runAs().Dress(cmd)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second
	switch err := proc.Run(cmd); {
	case limited.Err() != nil:
		return pythonHas{}, fmt.Errorf("no answer within %s", askLimit)
	case err != nil:
		line, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n")
		if line == "" {
			return pythonHas{}, err
		}
		return pythonHas{}, errors.New(line)
	}
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	if len(lines) < 2 {
		return pythonHas{}, errors.New("it is not Python 3")
	}
	// What an environment runs at every start may have written before.
	end := len(lines) - 2
	answer := pythonHas{version: lines[end], pip: lines[end+1]}
	if end > 0 {
		if lacks, ok := strings.CutPrefix(lines[end-1], "lacks "); ok {
			answer.lacks = strings.Fields(lacks)
		}
	}
	return answer, nil
}

// isShim reports whether the file that PATH leads to is a script that stands for
// another interpreter.
func isShim(first, found string) bool {
	one, err := os.Stat(first)
	if err != nil || filepath.Clean(first) == filepath.Clean(found) {
		return false
	}
	other, err := os.Stat(found)
	return err == nil && !os.SameFile(one, other)
}

// quoted is a string in TOML.
func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(escape.Name(text)) + `"`
}
