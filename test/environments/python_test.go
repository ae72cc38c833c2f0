//go:build linux

package environments

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ota/test/harness"
)

// TestTorn: files that a power cut took from an environment are noticed before
// the program starts, and it is made anew.
func TestTorn(t *testing.T) {
	t.Parallel()
	d := newDevice(t, offline)
	upload(t, d, program(plain, "second"), requiring(t, thing("1.0")))
	environment := awaitStart(t, d, "2 1.0")
	awaitConfirmed(d, 2)
	module := packagesOf(t, d, environment) + "/thing/__init__.py"

	for _, harm := range []struct {
		name string
		do   func() error
		says string
	}{
		{"emptied", func() error { return os.Truncate(module, 0) }, "thing/__init__.py has 0 bytes instead of"},
		{"lost", func() error { return os.Remove(module) }, "thing/__init__.py is missing"},
	} {
		cutOff(d)
		d.ForgetStarts()
		if err := harm.do(); err != nil {
			t.Fatal(err)
		}
		d.Start()
		awaitStart(t, d, "2 1.0")
		if starts := d.Starts(); strings.Contains(starts, "none") {
			t.Errorf("%s: the program was started with it: %s", harm.name, starts)
		}
		awaitConsole(t, d, harm.says)
		awaitConfirmed(d, 2)
		checkEnvironments(t, d, environment)
	}

	builds := strings.Count(d.Console(), "an environment is made")
	cutOff(d)
	d.ForgetStarts()
	d.Start()
	awaitStart(t, d, "2 1.0")
	if again := strings.Count(d.Console(), "an environment is made"); again != builds {
		t.Error("a whole environment was made anew")
	}
}

func packagesOf(t *testing.T, d *harness.Device, environment string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(venvs(d), environment, "lib", "python*", "site-packages"))
	if err != nil || len(found) != 1 {
		t.Fatalf("packages of %s: %q, %v", environment, found, err)
	}
	return found[0]
}

// version prints which Python an interpreter is, if it could make an environment.
const version = `import sys, pip; print("%d.%d.%d" % sys.version_info[:3])`

// pythons lists interpreters of different versions, that of the system first.
func pythons() (paths, versions []string) {
	var candidates []string
	for _, pattern := range []string{
		"/usr/bin/python3", "/usr/bin/python3.[0-9]*[0-9]", "/usr/local/bin/python3.[0-9]*[0-9]",
		"/root/.pyenv/versions/3.*/bin/python3", "/home/*/.pyenv/versions/3.*/bin/python3",
		"/opt/hostedtoolcache/Python/3.*/x64/bin/python3",
	} {
		found, _ := filepath.Glob(pattern)
		slices.Reverse(found) // the newest has seldom an old pip
		candidates = append(candidates, found...)
	}
	for _, path := range candidates {
		said, err := exec.Command(path, "-c", version).Output()
		which := strings.TrimSpace(string(said))
		if err == nil && !slices.Contains(versions, which) && !strings.HasPrefix(which, "3.6.") {
			paths, versions = append(paths, path), append(versions, which)
		}
		if len(paths) == 2 {
			break
		}
	}
	return paths, versions
}

// TestPythonUpgraded: when the Python under an environment has become another
// one, the program gets a new environment at its next start.
func TestPythonUpgraded(t *testing.T) {
	t.Parallel()
	paths, versions := pythons()
	if len(paths) < 2 {
		harness.Lack(t, "there are no two versions of Python here")
	}
	dir := harness.FastDir(t)
	link := filepath.Join(dir, "python")
	point := func(to string) {
		t.Helper()
		if err := os.Symlink(to, link+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(link+".new", link); err != nil {
			t.Fatal(err)
		}
	}
	point(paths[0])
	body := strings.Replace(plain, "note(VERSION,", "note(VERSION, \"%d.%d.%d\" % sys.version_info[:3],", 1)
	main := requiring(t, thing("1.0")).Over(program(body, "first"))
	d := harness.NewDevice(t, filepath.Join(dir), main, offline+fmt.Sprintf("python.interpreter = %q\n", link))
	d.Start()
	first := awaitStart(t, d, "1 1.0 "+versions[0])
	before := awaitConfirmed(d, 1)

	point(paths[1])
	checkUntouched(t, d, before)
	d.Say("restart")
	second := awaitStart(t, d, "1 1.0 "+versions[1])
	if first == second {
		t.Errorf("both have the environment %s", first)
	}
	awaitConsole(t, d, fmt.Sprintf("the environment was made for Python %s, and %s is Python %s now", versions[0], link, versions[1]))
	if code := d.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}

	point(paths[0]) // while ota is away; the environment from before is still there
	builds := strings.Count(d.Console(), "an environment is made")
	d.Start()
	if back := awaitStart(t, d, "1 1.0 "+versions[0]); back != first {
		t.Errorf("with the old Python again in %s instead of %s", back, first)
	}
	if again := strings.Count(d.Console(), "an environment is made"); again != builds {
		t.Error("an environment that was there was made again")
	}
}

// TestSystemPackages: what the system's Python has is there, unless the program
// is to be isolated from it.
func TestSystemPackages(t *testing.T) {
	t.Parallel()
	for isolated, want := range map[bool]string{false: "True", true: "False"} {
		t.Run(fmt.Sprint(isolated), func(t *testing.T) {
			t.Parallel()
			d := newDevice(t, offline+fmt.Sprintf("python.isolated = %t\n", isolated))
			main := program(prelude+"import importlib.util, thing\nnote(importlib.util.find_spec('pip') is not None, 1)\nrest()\n", "second")
			upload(t, d, main, requiring(t, thing("1.0")))
			awaitStart(t, d, "2 "+want)
		})
	}
}

// counter is a module that a compiler makes.
const counter = `#define Py_LIMITED_API 0x03070000
#include <Python.h>

static PyObject *count(PyObject *self, PyObject *args) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"count", count, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "counter", NULL, -1, methods};
PyMODINIT_FUNC PyInit_counter(void) { return PyModule_Create(&module); }
`

// TestCompiled: a wheel with a module that is compiled for this machine, and one
// that is for another.
func TestCompiled(t *testing.T) {
	t.Parallel()
	needPip(t)
	harness.Need(t, "cc")
	said, err := exec.Command("python3", "-c", `import sysconfig; print(sysconfig.get_path("include"), sysconfig.get_platform())`).Output()
	if err != nil {
		t.Fatal(err)
	}
	include, platform, _ := strings.Cut(strings.TrimSpace(string(said)), " ")
	if _, err := os.Stat(include + "/Python.h"); err != nil {
		harness.Lack(t, "the headers of python3 are not installed")
	}
	dir := t.TempDir()
	harness.Tree{"counter.c": harness.File(counter)}.Write(t, dir)
	compile := exec.Command("cc", "-shared", "-fPIC", "-I"+include, "-o", "counter.abi3.so", "counter.c")
	compile.Dir = dir
	if said, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, said)
	}
	module, err := os.ReadFile(filepath.Join(dir, "counter.abi3.so"))
	if err != nil {
		t.Fatal(err)
	}
	wheel := harness.Wheel{
		Name: "counter", Version: "1.0", Tag: "cp37-abi3-" + strings.NewReplacer("-", "_", ".", "_").Replace(platform),
		Files: map[string]string{"counter.abi3.so": string(module)},
	}
	foreign := wheel
	foreign.Tag = "cp37-abi3-win_amd64"
	d := newDevice(t, offline)
	upload(t, d, program(prelude+"import counter\nnote(counter.count(), os.path.basename(sys.prefix))\nrest()\n", "second"), requiring(t, foreign))
	if said := awaitHeld(d)[0].Message; !strings.Contains(said, "counter-1.0-cp37-abi3-win_amd64.whl is for another machine") {
		t.Errorf("held: %s", said)
	}
	upload(t, d, wheels(t, wheel))
	awaitStart(t, d, "2 42")
	awaitConfirmed(d, 2)
}
