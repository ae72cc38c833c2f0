//go:build linux

package venv

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFailures lets real pips fail, and looks at what a person would read.
func TestFailures(t *testing.T) {
	zeros := strings.Repeat("0", 64)
	all := []wheel{
		alpha, beta, {name: "toonew", version: "1.0", meta: "Requires-Python: >=3.99\n"},
		{name: "armonly", version: "1.0", tag: "cp311-cp311-linux_armv6l"},
		{name: "delta", version: "1.0", meta: "Requires-Dist: alpha==1.0\n"}, {name: "eps", version: "1.0", meta: "Requires-Dist: alpha>=1.5\n"},
		{name: "alpha", version: "1.5"},
	}
	for _, test := range []struct {
		name         string
		requirements string
		want         string // PY is the version, MACHINE the machine
		pkg          string
	}{
		{"no such version", "alpha==3\n", "there is no alpha==3: the versions that can be installed here are 1.0, 1.5", "alpha"},
		{"no such wheel", "nosuch\n", "there is no wheel of nosuch in main/wheels/, and nothing else is asked (offline)", "nosuch"},
		{"for another Python", "toonew\n", "toonew needs Python >=3.99, and here is PY", "toonew"},
		{"for another machine", "armonly\n", "no armonly for this machine: armonly-1.0-cp311-cp311-linux_armv6l.whl is for another machine or another Python: here is Python PY on MACHINE", "armonly"},
		{"for another machine, by path", "wheels/armonly-1.0-cp311-cp311-linux_armv6l.whl\n", "armonly-1.0-cp311-cp311-linux_armv6l.whl is for another machine or another Python: here is Python PY on MACHINE", "armonly"},
		{"another hash", "alpha==1.0 --hash=sha256:" + zeros + "\n", "the content of alpha==1.0 is not the one whose hash is noted; expected sha256 " + zeros + "; got SUM", "alpha"},
		{"no versions fit", "delta\neps\n", "no versions fit together: delta 1.0 depends on alpha==1.0, eps 1.0 depends on alpha>=1.5", ""},
		{"cannot be read", "alpha\nbeta==1.0 foo\n", "requirements.txt:2: 'beta==1.0 foo'", ""},
		{"no such option", "alpha\n--nosuch\n", "requirements.txt:2: there is no option --nosuch", ""},
		{"hashes for some", "alpha==1.0 --hash=sha256:SUM\nbeta==1.0\n", "Hashes are required in --require-hashes mode", ""},
	} {
		for _, python := range pythonsWithPip(t) {
			t.Run(test.name+" "+filepath.Base(filepath.Dir(filepath.Dir(python))), func(t *testing.T) {
				t.Parallel()
				w := newWorkshop(t, python, tree{}, all...)
				tooOld, _ := compareBy(w.python.Version, "<", "3.7")
				if tooOld {
					t.Skip("its pip is older than what is read")
				}
				sum := w.wheels[0].Sum
				w.files["requirements.txt"] = strings.ReplaceAll(test.requirements, "SUM", sum)
				w.job.Offline = true
				_, err := w.build(t.Context(), t)
				want := strings.NewReplacer("PY", w.python.Version, "MACHINE", machineOf(w.python), "SUM", sum).Replace(test.want)
				mustFail(t, err, want, false)
				if failed, ok := errors.AsType[*Failed](err); ok {
					if failed.Package != test.pkg || len(failed.Output) == 0 || len(failed.Output) > tailLength {
						t.Errorf("package %q, %d lines", failed.Package, len(failed.Output))
					}
				}
				w.mustHaveLeft(t)
			})
		}
	}
}

// mustFail wants a failure that begins with these words.
func mustFail(t *testing.T, err error, want string, passing bool) {
	t.Helper()
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v\nwant %s\n%s", err, want, outputOf(err))
		return
	}
	failed, ok := errors.AsType[*Failed](err)
	if ok && failed.Passing != passing {
		t.Errorf("passing is %v: %v", failed.Passing, err)
	}
}

func TestIndexFails(t *testing.T) {
	for _, test := range []struct {
		name    string
		answer  http.HandlerFunc // nil: nobody listens
		want    string           // URL is the index
		passing bool
	}{
		{"away", nil, "cannot get alpha: cannot reach URL: connection refused", true},
		{"not there", http.NotFound, "there is no package alpha at URL", false},
		{"broken", status(500), "cannot get alpha: cannot reach URL: it answers with status 500", true},
		{"behind a broken proxy", status(502), "cannot get alpha: cannot reach URL: it answers with status 502", true},
		{"closed", status(403), "cannot get alpha: cannot reach URL: it does not let us in: status 403", false},
		{"garbage", page("\xff\xfe\x00<<<"), "", false},
		{"a page to log in", page("<!DOCTYPE html><html><body>Welcome</body></html>"), "there is no package alpha at URL", false},
		{"for another Python", page(`<!DOCTYPE html><a href="alpha-2.0-py3-none-any.whl" data-requires-python="&gt;=3.99">alpha-2.0-py3-none-any.whl</a>`), "no version of alpha is for Python PY: ", false},
		{"for another machine", page(`<!DOCTYPE html><a href="alpha-2.0-cp311-cp311-linux_armv6l.whl">alpha-2.0-cp311-cp311-linux_armv6l.whl</a>`), "no alpha for this machine: alpha-2.0-cp311-cp311-linux_armv6l.whl is for another machine", false},
		{"breaks off", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, "cannot get alpha: cannot reach URL: the connection broke off", true},
	} {
		for _, python := range pythonsWithPip(t) {
			t.Run(test.name+" "+filepath.Base(filepath.Dir(filepath.Dir(python))), func(t *testing.T) {
				t.Parallel()
				w := newWorkshop(t, python, tree{"requirements.txt": "alpha\n"})
				if tooOld, _ := compareBy(w.python.Version, "<", "3.7"); tooOld {
					t.Skip("its pip is older than what is read")
				}
				w.job.Index = "http://127.0.0.1:1/simple"
				if test.answer != nil {
					server := httptest.NewServer(test.answer)
					defer server.Close()
					w.job.Index = server.URL
				}
				_, err := w.build(t.Context(), t)
				if err == nil {
					t.Fatal("it was built")
				}
				want := strings.NewReplacer("URL", w.job.Index, "PY", w.python.Version).Replace(test.want)
				mustFail(t, err, want, test.passing)
				w.mustHaveLeft(t)
			})
		}
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func page(content string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(content)) // the client may have gone
	}
}

// A wheel of main/ is enough where the index is away.
func TestWheelsAreUsedWithoutIndex(t *testing.T) {
	w := newWorkshop(t, anyPython(t), tree{"requirements.txt": "beta\n"}, alpha, beta)
	w.job.Index = "http://127.0.0.1:1/simple"
	w.mustBuild(t)
}

func TestPythonThatIsAskedFor(t *testing.T) {
	w := newWorkshop(t, anyPython(t), tree{"pyproject.toml": "[project]\ndependencies=['alpha']\nrequires-python='>=3.99'\n"}, alpha)
	_, err := w.build(t.Context(), t)
	mustFail(t, err, "pyproject.toml needs Python >=3.99, and here is "+w.python.Version, false)
	w.mustHaveLeft(t)
}

// sourcePackage is a folder lib with its own build, which runs these lines.
func sourcePackage(w *workshop, t *testing.T, lines string) {
	t.Helper()
	w.job.Source = t.TempDir()
	w.files["requirements.txt"] = "./lib\n"
	w.files["lib/pyproject.toml"] = "[build-system]\nrequires = []\nbuild-backend = \"own\"\nbackend-path = [\".\"]\n[project]\nname = \"lib\"\nversion = \"1\"\n"
	w.files["lib/own.py"] = `import os, subprocess, sys, zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
` + lines + `
    with zipfile.ZipFile(os.path.join(folder, "lib-1-py3-none-any.whl"), "w") as z:
        z.writestr("libmodule.py", "VALUE = 7\n")
        z.writestr("lib-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: lib\nVersion: 1\n")
        z.writestr("lib-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr("lib-1.dist-info/RECORD", "")
    return "lib-1-py3-none-any.whl"
`
	for name, content := range w.files {
		path := filepath.Join(w.job.Source, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSourcePackages(t *testing.T) {
	for _, test := range []struct{ name, lines, want, hint string }{
		{"good", "    pass", "", ""},
		{"a header is missing", `    print("gcc -c x.c\nx.c:1:10: fatal error: nosuch.h: No such file or directory\ncompilation terminated.\nerror: command '/usr/bin/gcc' failed with exit code 1"); sys.exit(1)`,
			"cannot build lib from source: x.c:1:10: fatal error: nosuch.h: No such file or directory", ""},
		{"no compiler", `    print("building 'x' extension\nerror: command 'arm-linux-gnueabihf-gcc' failed: No such file or directory"); sys.exit(1)`,
			"cannot build lib from source: error: command 'arm-linux-gnueabihf-gcc' failed: No such file or directory", "put a wheel into main/wheels/, or install a compiler with `sudo apt install build-essential python3-dev`"},
		{"a bug", `    raise ValueError("no luck")`, "cannot build lib from source: ValueError: no luck", ""},
	} {
		for _, python := range pythonsWithPip(t) {
			t.Run(test.name+" "+filepath.Base(filepath.Dir(filepath.Dir(python))), func(t *testing.T) {
				t.Parallel()
				w := newWorkshop(t, python, tree{})
				if tooOld, _ := compareBy(w.python.Version, "<", "3.7"); tooOld {
					t.Skip("its pip is older than what is read")
				}
				sourcePackage(w, t, test.lines)
				w.job.Offline = true
				id, err := w.build(t.Context(), t)
				if test.want == "" {
					if err != nil {
						t.Fatalf("%v\n%s", err, outputOf(err))
					}
					if got := w.run(t, id, "import libmodule; print(libmodule.VALUE)"); got != "7" {
						t.Error(got)
					}
					return
				}
				mustFail(t, err, test.want, false)
				if failed, ok := errors.AsType[*Failed](err); ok && failed.Hint() != test.hint {
					t.Errorf("hint %q", failed.Hint())
				}
				w.mustHaveLeft(t)
			})
		}
	}
}

// TestRealExtension compiles one, with the setuptools of this machine.
func TestRealExtension(t *testing.T) {
	w := newWorkshop(t, anyPython(t), tree{})
	if out, err := exec.Command(w.python.Path, "-c", "import setuptools, wheel, sysconfig, os, shutil; assert os.path.exists(os.path.join(sysconfig.get_path('include'), 'Python.h')); assert shutil.which('gcc')").CombinedOutput(); err != nil {
		t.Skipf("no setuptools, wheel, gcc or Python.h here: %s", lastLine(string(out)))
	}
	w.env = append(w.env, "PIP_NO_BUILD_ISOLATION=0") // pip's name for: none
	w.job.Offline = true
	const module = "#include <Python.h>\nstatic struct PyModuleDef d = {PyModuleDef_HEAD_INIT, \"quick\", NULL, -1, NULL};\nPyMODINIT_FUNC PyInit_quick(void) { PyObject *m = PyModule_Create(&d); PyModule_AddIntConstant(m, \"value\", 42); return m; }\n"
	for source, want := range map[string]string{module: "", "#include <nosuch.h>\n" + module: "cannot build quick from source: quick.c:1:10: fatal error: nosuch.h"} {
		clear(w.files)
		w.files["quick/setup.py"] = "from setuptools import setup, Extension\nsetup(name='quick', version='1', ext_modules=[Extension('quick', ['quick.c'])])\n"
		w.files["quick/quick.c"] = source
		w.files["requirements.txt"] = "./quick\n"
		w.job.Source = t.TempDir()
		for name, content := range w.files {
			path := filepath.Join(w.job.Source, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		id, err := w.build(t.Context(), t)
		if want != "" {
			mustFail(t, err, want, false)
			continue
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, outputOf(err))
		}
		if got := w.run(t, id, "import quick; print(quick.value)"); got != "42" {
			t.Error(got)
		}
		if err := w.Verify(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
}

// A source package from the index needs more than can be had.
func TestBuildNeedsMore(t *testing.T) {
	w := newWorkshop(t, anyPython(t), tree{"requirements.txt": "vendor/src-1.tar.gz\n"})
	w.job.Offline, w.job.Source = true, t.TempDir()
	if err := os.MkdirAll(filepath.Join(w.job.Source, "vendor"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeSource(t, filepath.Join(w.job.Source, "vendor", "src-1.tar.gz"))
	w.files["vendor/src-1.tar.gz"] = "x"
	if err := os.WriteFile(filepath.Join(w.job.Source, "requirements.txt"), []byte("vendor/src-1.tar.gz\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := w.build(t.Context(), t)
	mustFail(t, err, "cannot build src from source: there is no wheel of nosuchbackend>=1 in main/wheels/, and nothing else is asked (offline)", false)
}

func writeSource(t *testing.T, path string) {
	t.Helper()
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	packed := gzip.NewWriter(out)
	archive := tar.NewWriter(packed)
	content := "[build-system]\nrequires = ['nosuchbackend>=1']\nbuild-backend = 'nosuchbackend'\n"
	err = archive.WriteHeader(&tar.Header{Name: "src-1/pyproject.toml", Mode: 0o644, Size: int64(len(content)), Format: tar.FormatPAX})
	if err == nil {
		_, err = archive.Write([]byte(content))
	}
	if err := errors.Join(err, archive.Close(), packed.Close(), out.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestNoPip(t *testing.T) {
	// A Python that knows no pip: it answers as such a one does.
	python := filepath.Join(t.TempDir(), "python3")
	real := anyPython(t)
	script := "#!/bin/sh\ncase \"$3\" in *which\\ pip*) echo '{\"version\": \"\", \"wheels\": []}';; *) exec " + real + " \"$@\";; esac\n"
	if err := os.WriteFile(python, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	w := newWorkshop(t, real, tree{"requirements.txt": "alpha\n"}, alpha)
	w.python.Base = python
	_, err := w.build(t.Context(), t)
	mustFail(t, err, "requirements.txt is there, and no pip for "+python+" to install what it names", false)
	if failed, ok := errors.AsType[*Failed](err); !ok || failed.Hint() != "install it with `sudo apt install python3-pip`" {
		t.Errorf("%v", err)
	}
	w.mustHaveLeft(t)
}

func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root mounts a small disk")
	}
	big := wheel{name: "big", version: "1.0", files: map[string]string{"big.py": "'''" + strings.Repeat("x", 2<<20) + "'''"}}
	for _, size := range []string{"16k", "300k"} {
		w := newWorkshop(t, anyPython(t), tree{"requirements.txt": "big\n"}, big)
		if err := os.MkdirAll(w.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount("none", w.dir, "tmpfs", 0, "size="+size); err != nil {
			t.Skipf("no mounts here: %v", err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(w.dir, syscall.MNT_DETACH) }) // the folder goes anyway
		w.job.Offline = true
		_, err := w.build(t.Context(), t)
		mustFail(t, err, "no space left", true)
		w.mustHaveLeft(t)
	}
}
