package venv

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ota/internal/kit/flock"
)

// outputOf is what an installer wrote before it failed.
func outputOf(err error) string {
	if failed, ok := errors.AsType[*Failed](err); ok {
		return strings.Join(failed.Output, "\n")
	}
	return ""
}

// The packages that tests install: one needs the other, and has a command.
var (
	alpha = wheel{name: "alpha", version: "1.0"}
	beta  = wheel{name: "beta", version: "1.0", meta: "Requires-Dist: alpha==1.0\n", script: "beta-cmd = beta:main"}
)

func TestBuildFromWheels(t *testing.T) {
	for _, python := range pythonsWithPip(t) {
		t.Run(strings.ReplaceAll(strings.Trim(python, "/"), "/", "-"), func(t *testing.T) {
			w := newWorkshop(t, python, tree{"requirements.txt": "-r deps/base.txt\n", "deps/base.txt": "beta\n"}, alpha, beta)
			w.job.Offline = true
			var steps []string
			w.job.Progress = func(s Step) { steps = append(steps, s.String()) }
			id, err := w.build(t.Context(), t)
			if err != nil {
				t.Fatalf("%v\n%s", err, outputOf(err))
			}
			w.mustHaveLeft(t, id)
			if got := w.run(t, id, "import beta, alpha, sys; print(beta.VALUE, alpha.VALUE, sys.prefix)"); got != "beta 1.0 alpha 1.0 "+w.folder(id) {
				t.Errorf("%s", got)
			}
			out, err := exec.Command(filepath.Join(w.folder(id), "bin", "beta-cmd")).CombinedOutput()
			if string(out) != "beta 1.0\n" {
				t.Errorf("%s, %v", out, err)
			}
			if err := w.Verify(t.Context(), id); err != nil {
				t.Error(err)
			}
			if compiled, _ := filepath.Glob(filepath.Join(w.folder(id), w.python.Library, "beta", "__pycache__", "*.pyc")); len(compiled) != 1 {
				t.Errorf("nothing is compiled: %v", compiled)
			}
			if strings.Contains(w.run(t, id, "import sys, os; print(os.listdir(sys.prefix))"), "pip") {
				t.Error("pip is in it")
			}
			if steps[0] != "making the environment" || !slices.Contains(steps, "collecting packages (1 in all)") || !slices.Contains(steps, "installing packages (2 in all)") {
				t.Errorf("%q", steps)
			}
			made, err := w.Made(id)
			if err != nil || !strings.HasPrefix(made.With, "pip ") || made.Files < 8 || made.Size < 500 {
				t.Errorf("%+v, %v", made, err)
			}
		})
	}
}

func TestBuiltOnceAndReused(t *testing.T) {
	w := newWorkshop(t, anyPython(t), tree{"requirements.txt": "alpha\n"}, alpha)
	w.job.Offline = true
	id := w.mustBuild(t)
	before, err := os.Stat(filepath.Join(w.folder(id), markerName))
	if err != nil {
		t.Fatal(err)
	}
	w.job.Progress = func(s Step) { t.Errorf("it is built again: %s", s) }
	if again := w.mustBuild(t); again != id {
		t.Errorf("%s, then %s", id, again)
	}
	if after, err := os.Stat(filepath.Join(w.folder(id), markerName)); err != nil || !os.SameFile(before, after) {
		t.Error("the marker was written again")
	}
	w.job.Progress = nil
	w.files["requirements.txt"] = "alpha==1.0\n"
	other := w.mustBuild(t)
	if other == id {
		t.Fatal("another recipe, the same environment")
	}
	removed, err := w.Prune([]string{other})
	if err != nil || !slices.Equal(removed, []string{id}) {
		t.Errorf("%v, %v", removed, err)
	}
	w.mustHaveLeft(t, other)
	if _, err := w.Python(id); !isMissing(err) {
		t.Errorf("%v", err)
	}
}

func isMissing(err error) bool {
	_, ok := errors.AsType[*Missing](err)
	return ok
}

// A restart of ota asks no Python: the marker knows.
func TestIdentifyAsksOnce(t *testing.T) {
	w := newWorkshop(t, anyPython(t), tree{"requirements.txt": "alpha\n"}, alpha)
	w.job.Offline = true
	w.mustBuild(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // no process can be started with it
	for _, room := range []*Room{w.Room, New(Options{Dir: w.dir})} {
		got, err := room.Identify(ctx, w.python.Path, w.env, nil)
		if err != nil || got.File != w.python.File || got.Version != w.python.Version || got.Markers["os_name"] != "posix" {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if _, err := New(Options{Dir: t.TempDir()}).Identify(ctx, w.python.Path, w.env, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	notPython := filepath.Join(t.TempDir(), "python3")
	if err := os.WriteFile(notPython, []byte("#!/bin/sh\necho hello\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{notPython: "is not Python 3", "/nowhere/python3": "no such file", t.TempDir(): "permission denied"} {
		if _, err := w.Identify(t.Context(), path, w.env, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestSystemPackagesAreSeenUnlessIsolated(t *testing.T) {
	w := newWorkshop(t, anyPython(t), tree{"requirements.txt": "alpha\n"}, alpha)
	w.job.Offline = true
	const program = "import sys; print([p for p in sys.path if 'packages' in p and not p.startswith(sys.prefix)])"
	if got := w.run(t, w.mustBuild(t), program); got == "[]" {
		t.Errorf("the packages of the system are not seen")
	}
	w.opts.Isolated = true
	if got := w.run(t, w.mustBuild(t), program); got != "[]" {
		t.Errorf("isolated sees %s", got)
	}
}

// An environment is what python -m venv makes.
func TestLayoutIsThatOfTheModule(t *testing.T) {
	for _, python := range pythons() {
		for _, isolated := range []bool{false, true} {
			w := newWorkshop(t, python, tree{})
			dir := t.TempDir()
			ours, theirs := filepath.Join(dir, "ours", "env"), filepath.Join(dir, "theirs", "env")
			if err := makeLayout(t.Context(), ours, w.python, isolated, w.env); err != nil {
				t.Fatal(err)
			}
			args := []string{"-m", "venv", "--without-pip", "--symlinks"}
			if !isolated {
				args = append(args, "--system-site-packages")
			}
			if out, err := exec.Command(w.python.Base, append(args, theirs)...).CombinedOutput(); err != nil {
				t.Skipf("%s has no venv: %s", python, out)
			}
			const program = `import sys, sysconfig, site, os
paths = sysconfig.get_paths()
print(sys.path, sys.prefix, sys.exec_prefix, sys.base_prefix, sys.executable, sorted(paths.items()), sys.flags, site.ENABLE_USER_SITE)
print(sorted(n for n in os.listdir(sys.prefix)), sorted(n for n in os.listdir(os.path.join(sys.prefix, "bin")) if n in ("python", "python3")))`
			var said [2]string
			for i, folder := range []string{ours, theirs} {
				cmd := exec.Command(filepath.Join(folder, "bin", "python"), "-c", program)
				cmd.Env = w.env
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				said[i] = strings.ReplaceAll(string(out), folder, "ENV")
			}
			said[1] = strings.ReplaceAll(said[1], "'.gitignore', ", "") // since 3.13
			if said[0] != said[1] {
				t.Errorf("%s, isolated %v:\nours   %s\ntheirs %s", python, isolated, said[0], said[1])
			}
		}
	}
}

// The interpreter of an environment leads to the one behind it.
func TestInterpreterOfAnEnvironment(t *testing.T) {
	for _, python := range pythons() {
		w := newWorkshop(t, python, tree{})
		folder := filepath.Join(t.TempDir(), "env")
		if err := makeLayout(t.Context(), folder, w.python, true, w.env); err != nil {
			t.Fatal(err)
		}
		inner, err := w.Identify(t.Context(), filepath.Join(folder, "bin", "python"), w.env, nil)
		if err != nil {
			t.Fatal(err)
		}
		file, err := statOf(inner.Base)
		if err != nil || file != w.python.File || strings.HasPrefix(inner.Base, folder) || inner.File != w.python.File {
			t.Errorf("%s: the base is %s, %v", python, inner.Base, err)
		}
	}
}

func TestInterpreterIsReplaced(t *testing.T) {
	real := anyPython(t)
	link := filepath.Join(t.TempDir(), "python3")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	w := newWorkshop(t, link, tree{"requirements.txt": "alpha\n"}, alpha)
	w.job.Offline = true
	id := w.mustBuild(t)
	if _, err := w.Python(id); err != nil {
		t.Fatal(err)
	}
	marker, err := w.readMarker(id)
	if err != nil {
		t.Fatal(err)
	}
	// A security update: another file, the same version.
	marker.Interpreter.File.Inode++
	if err := w.writeMarker(marker); err != nil {
		t.Fatal(err)
	}
	_, err = w.Python(id)
	if changed, ok := errors.AsType[*Changed](err); !ok || err.Error() != "the environment was made for Python "+w.python.Version+", and "+link+" is another one now" || changed.ID != id {
		t.Fatalf("%v", err)
	}
	w.job.Progress = func(s Step) { t.Errorf("it is built again: %s", s) }
	w.mustBuild(t)
	w.job.Progress = nil
	if _, err := w.Python(id); err != nil {
		t.Errorf("after the look at the new binary: %v", err)
	}
	// Another version.
	newer := w.python
	newer.Version = "3.99.0"
	if w.ID(w.recipe(t), newer) == id {
		t.Error("another version, the same environment")
	}
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Python(id); err == nil || !strings.HasSuffix(err.Error(), " is not there any more") {
		t.Errorf("%v", err)
	}
}

func TestTornEnvironments(t *testing.T) {
	w := newWorkshop(t, anyPython(t), tree{"requirements.txt": "alpha\n"}, alpha)
	w.job.Offline = true
	id := w.mustBuild(t)
	module := filepath.Join(w.folder(id), w.python.Library, "alpha", "__init__.py")
	whole := filepath.Join(t.TempDir(), "whole")
	copyTree := func(from, to string) {
		t.Helper()
		if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	copyTree(w.folder(id), whole)
	for _, test := range []struct {
		name   string
		damage func() error
		python bool // Python notices, which looks at little
		want   string
	}{
		{"an empty file", func() error { return os.Truncate(module, 0) }, false, `alpha/__init__.py has 0 bytes instead of \d+$`},
		{"a missing file", func() error { return os.Remove(module) }, false, `alpha/__init__.py is missing$`},
		{"a folder instead", func() error { return errors.Join(os.Remove(module), os.Mkdir(module, 0o755)) }, false, `is something else now$`},
		{"many", func() error { return os.RemoveAll(filepath.Dir(module)) }, false, `is missing, and \d+ more files$`},
		{"no list", func() error { return os.Remove(filepath.Join(w.folder(id), listName)) }, false, `ota-files.json can't be read$`},
		{"half a marker", func() error { return os.Truncate(filepath.Join(w.folder(id), markerName), 50) }, true, `is not there$`},
		{"no marker", func() error { return os.Remove(filepath.Join(w.folder(id), markerName)) }, true, `is not there$`},
		{"no interpreter", func() error { return os.Remove(w.pythonOf(id)) }, true, `bin/python is missing$`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := test.damage(); err != nil {
				t.Fatal(err)
			}
			err := w.Verify(t.Context(), id)
			if err == nil || !regexp.MustCompile(test.want).MatchString(err.Error()) {
				t.Errorf("%v", err)
			}
			if _, err := w.Python(id); (err != nil) != test.python {
				t.Errorf("Python: %v", err)
			}
			if err := w.Discard(id); err != nil {
				t.Fatal(err)
			}
			copyTree(whole, w.folder(id))
		})
	}
	// A build finds out by itself what has no marker.
	if err := os.Remove(filepath.Join(w.folder(id), markerName)); err != nil {
		t.Fatal(err)
	}
	if w.mustBuild(t) != id || w.Verify(t.Context(), id) != nil {
		t.Error("not whole after a second build")
	}
	w.mustHaveLeft(t, id)
}

// Only the moved folder is meant: paths are written into an environment.
func TestMovedEnvironmentIsNone(t *testing.T) {
	w := newWorkshop(t, anyPython(t), tree{"requirements.txt": "alpha\n"}, alpha)
	w.job.Offline = true
	id := w.mustBuild(t)
	moved := New(Options{Dir: w.dir + "2"})
	if err := os.Rename(w.dir, moved.dir); err != nil {
		t.Fatal(err)
	}
	if _, err := moved.Python(id); !isMissing(err) {
		t.Errorf("%v", err)
	}
}

func TestBuildWaitsForItsTurn(t *testing.T) {
	w := newWorkshop(t, anyPython(t), tree{"requirements.txt": "alpha\n"}, alpha)
	w.job.Offline = true
	lock, err := w.tryLock() // as another process has it
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := w.build(ctx, t); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if removed, err := w.Prune(nil); err != nil || removed != nil {
		t.Errorf("removed beside a build: %v, %v", removed, err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	first, second := make(chan error), make(chan error)
	for _, result := range []chan error{first, second} {
		go func() {
			_, err := w.build(t.Context(), t)
			result <- err
		}()
	}
	if err := errors.Join(<-first, <-second); err != nil {
		t.Error(err)
	}
}

// slowSource makes the candidate a source package whose build does not end.
func slowSource(t *testing.T, w *workshop) (started string) {
	t.Helper()
	source := t.TempDir()
	started = filepath.Join(t.TempDir(), "started")
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(source, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		w.files[name] = content
	}
	write("pyproject.toml", "[build-system]\nrequires = []\nbuild-backend = \"slow\"\nbackend-path = [\".\"]\n")
	write("slow.py", "import subprocess, sys\nopen("+quote(started)+", 'w').write('x')\nsubprocess.call(['sleep', '1000'])\n")
	write("requirements.txt", ".\n")
	w.job.Source = source
	return started
}

func quote(text string) string { return "'" + text + "'" }

func TestBuildEndsWithItsContext(t *testing.T) {
	w := newWorkshop(t, anyPython(t), tree{})
	started := slowSource(t, w)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	result := make(chan error)
	go func() {
		_, err := w.build(ctx, t)
		result <- err
	}()
	within(t, time.Minute, "the build began", func() bool { return isThere(started) })
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	w.mustHaveLeft(t)
	file, err := os.OpenFile(filepath.Join(w.dir, "lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	within(t, 10*time.Second, "all that held the lock has ended", func() bool { return flock.Try(file, flock.Exclusive) == nil })
}

const buildVariable = "VENV_TEST_BUILD"

// TestMain makes this binary be an ota that is killed while it builds.
func TestMain(m *testing.M) {
	if dir := os.Getenv(buildVariable); dir != "" {
		room := New(Options{Dir: dir})
		files := tree{"requirements.txt": ".\n"}
		recipe, err := Read(files.read, nil, ReadOptions{Digest: func(string) (string, error) { return "x", nil }})
		if err != nil {
			panic(err)
		}
		python, err := room.Identify(context.Background(), os.Getenv("VENV_TEST_PYTHON"), os.Environ(), nil)
		if err != nil {
			panic(err)
		}
		panic(room.Build(context.Background(), BuildJob{Recipe: recipe, Interpreter: python, Env: os.Environ(), Source: os.Getenv("VENV_TEST_SOURCE")}))
	}
	os.Exit(m.Run())
}

func TestKilledBuild(t *testing.T) {
	w := newWorkshop(t, anyPython(t), tree{})
	started := slowSource(t, w)
	killed := exec.Command(os.Args[0])
	killed.Env = append(slices.Clone(w.env), buildVariable+"="+w.dir, "VENV_TEST_SOURCE="+w.job.Source, "VENV_TEST_PYTHON="+w.python.Path)
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	within(t, time.Minute, "the build began", func() bool { return isThere(started) })
	if err := errors.Join(killed.Process.Kill(), os.Remove(started)); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait() // it was killed
	if len(w.left(t)) < 3 {
		t.Errorf("nothing was begun: %v", w.left(t))
	}
	// The installer lives on, and has the lock.
	w.files = tree{"requirements.txt": "alpha\n"}
	w.opts.Digest, w.job = w.files.digest, BuildJob{Offline: true}
	w.wheels = []Wheel{alpha.write(t, t.TempDir())}
	id := w.mustBuild(t)
	if _, err := w.Prune([]string{id}); err != nil {
		t.Fatal(err)
	}
	w.mustHaveLeft(t, id)
	if got := w.run(t, id, "import alpha; print(alpha.VALUE)"); got != "alpha 1.0" {
		t.Error(got)
	}
}
