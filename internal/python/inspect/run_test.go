package inspect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCompiles(t *testing.T) {
	deep := strings.Repeat("(", 5000) + strings.Repeat(")", 5000)
	for _, test := range []struct {
		name, text string
		want       []string // of line(), each the beginning
		source     string
	}{
		{"good", "x = 1\n", nil, ""},
		{"empty", "", nil, ""},
		{"a warning of Python", "x = '\\d'\nif x is 1: pass\nassert (x, 'y')\n", nil, ""},
		{"a colon", "x = 1\nif x\n    pass\n", []string{"holds syntax: main.py:2: SyntaxError: "}, "if x"},
		{"indentation", "def f():\npass\n", []string{"holds syntax: main.py:2: IndentationError: "}, "pass"},
		{"tabs", "if x:\n        a\n\tb\n", []string{"holds syntax: main.py:3: TabError: inconsistent use of tabs and spaces in indentation"}, "\tb"},
		{"return", "\nreturn 1\n", []string{"holds syntax: main.py:2: SyntaxError: 'return' outside function"}, "return 1"},
		{"cut off", "x = [1,\n", []string{"holds syntax: main.py:1: SyntaxError: "}, "x = [1,"},
		{"NUL", "x = 1\ny = \x002\n", []string{"holds syntax: main.py:2: "}, "y = \\x002"},
		{"not UTF-8", "x = 1\n\ny = '\xff'\n", []string{`holds encoding: main.py:3: SyntaxError: Non-UTF-8 code starting with '\xff', but no encoding declared`}, "y = '\ufffd'"},
		{"Latin, declared", "# -*- coding: latin-1 -*-\nx = '\xff'\n", nil, ""},
		{"declared in the second line", "#!/usr/bin/python3\n# vim: set fileencoding=latin-1 :\nx = '\xff'\n", nil, ""},
		{"an encoding that is none", "\n# coding: klingon\n", []string{"holds encoding: main.py:2: SyntaxError: "}, "# coding: klingon"},
		{"with a mark of byte order", "\ufeffx = 1\n", nil, ""},
		{"too deep", "x = " + deep + "\n", []string{"holds syntax: main.py"}, "?"},
		{"a long line", "x = " + strings.Repeat("1 + ", 500) + "\n", []string{"holds syntax: main.py:1: SyntaxError: invalid syntax"}, "?"},
		{"Python 2", "print 'x'\n", []string{"holds syntax: main.py:1: SyntaxError: Missing parentheses in call to 'print'"}, "print 'x'"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			result := judge(t, candidate{"main.py+": test.text}.job(t))
			got := lines(result)
			if len(got) != len(test.want) || len(got) > 0 && !strings.HasPrefix(got[0], test.want[0]) {
				t.Fatalf("%q", got)
			}
			if len(got) > 0 && test.source != "?" && result.Findings[0].Source != test.source {
				t.Errorf("source is %q", result.Findings[0].Source)
			}
			for _, found := range result.Findings {
				if len([]rune(found.Source)) > 200 || len([]rune(found.Message)) > longestMessage {
					t.Errorf("%d, %d characters", len([]rune(found.Source)), len([]rune(found.Message)))
				}
			}
		})
	}
}

func TestOnlyChangedFilesAreCompiled(t *testing.T) {
	job := candidate{"main.py": "import os\ndef\n", "other.py+": "", "never.py": "if\n"}.job(t)
	want := []string{"warns syntax: main.py:2: SyntaxError: invalid syntax"}
	if diff := cmp.Diff(want, lines(judge(t, job))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestPackages(t *testing.T) {
	job := candidate{
		"main.py+":         "import requests_nowhere_at_all as r, cv2.nothing, urllib2, email.MIMEText\nimport xml.etree.nothing\ntry:\n    import picamera\nexcept ImportError:\n    pass\nimport os.path, collections.abc, json.decoder\n",
		"requirements.txt": "",
	}.job(t)
	job.Required = []string{"requests-nowhere-at-all"}
	job.Env = append(job.Env, "PYTHONNOUSERSITE=1")
	want := []string{
		"holds missing package: main.py:1: requests_nowhere_at_all is not installed, imported by main.py line 1, though requirements.txt names it",
		"holds missing package: main.py:1: cv2 is not installed, imported by main.py line 1: add opencv-python to requirements.txt",
		"holds missing package: main.py:1: urllib2 is a module of Python 2; this device runs",
		"holds missing package: main.py:1: email.MIMEText is a module of Python 2; this device runs",
		"holds missing package: main.py:2: xml.etree.nothing is not part of Python",
		"warns missing package: main.py:4: picamera is not installed, imported by main.py line 4: add picamera to requirements.txt",
	}
	got := lines(judge(t, job))
	for i, line := range got {
		if i >= len(want) || !strings.HasPrefix(line, want[i]) {
			t.Errorf("%s", line)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d findings", len(got))
	}
}

func TestModules(t *testing.T) {
	job := candidate{"main.py+": "import helper, json.decoder\nfrom os import path\ndef f():\n    import csv\ntry:\n    import wave\nexcept ImportError:\n    pass\n",
		"helper.py": "import email.utils, json\n"}.job(t)
	if diff := cmp.Diff([]string{"json", "os", "email"}, judge(t, job).Modules); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestShadows(t *testing.T) {
	job := candidate{
		"main.py+": "import random\n", "random.py+": "", "email/__init__.py+": "", "email/other.py+": "", "json/data.py+": "",
		"test.py+": "", "this.py+": "", "os.py+": "", "sys.py+": "", "sub/queue.py+": "", "mine.py+": "", "csv.py": "", "venv/x.py+": "",
	}.job(t)
	want := []string{
		"warns shadow: email/__init__.py: email/ hides the module email of the standard library: rename it",
		"warns shadow: random.py: random.py hides the module random of the standard library: rename it",
	}
	if diff := cmp.Diff(want, lines(judge(t, job))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEntries(t *testing.T) {
	of := candidate{
		"pkg/__init__.py+": "import first\n", "pkg/__main__.py": "if __name__ == '__main__':\n    from . import second\n", "pkg/mod.py": "from .third import x\n",
		"src/main.py": "import near, far\n", "src/near.py": "", "far.py": "",
	}
	for _, test := range []struct {
		entry Entry
		want  []string
	}{
		{Entry{}, nil},
		{Entry{Script: "gone.py"}, nil},
		{Entry{Module: "gone"}, nil},
		{Entry{Module: "http.server"}, nil},
		{Entry{Module: "pkg"}, []string{
			"holds missing module: pkg/__init__.py:1: waiting for first.py, imported by pkg/__init__.py line 1",
			"holds missing name: pkg/__main__.py:2: waiting for pkg/second.py, imported by pkg/__main__.py line 2",
		}},
		{Entry{Module: "pkg.mod"}, []string{
			"holds missing module: pkg/__init__.py:1: waiting for first.py, imported by pkg/__init__.py line 1",
			"holds missing module: pkg/mod.py:1: waiting for pkg/third.py, imported by pkg/mod.py line 1",
		}},
		{Entry{Script: "src/main.py"}, []string{"holds missing module: src/main.py:1: waiting for src/far.py, imported by src/main.py line 1"}},
	} {
		job := of.job(t)
		job.Entry = test.entry
		if diff := cmp.Diff(test.want, lines(judge(t, job))); diff != "" {
			t.Errorf("%+v (-want +got)\n%s", test.entry, diff)
		}
	}
}

func TestCandidateIsMainWithTheUploadOverIt(t *testing.T) {
	job := candidate{
		"main.py": "import a, b, c.d, e\n", "a.py": "import gone_before\n", "a.py+": "", "b.py": "", "c/__init__.py": "", "c/d.py": "", "c/__pycache__/d.pyc": "", "e.py+": "",
	}.job(t)
	job.Removed = []string{"b.py", "c/__init__.py", "c/d.py"}
	want := []string{
		"holds missing module: main.py:1: waiting for b.py, imported by main.py line 1",
		"holds missing module: main.py:1: waiting for c/d.py, imported by main.py line 1",
	}
	if diff := cmp.Diff(want, lines(judge(t, job))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestIgnored(t *testing.T) {
	job := candidate{"main.py+": "import a, b\n", "a.py": "import gone\n", "b.py+": "def\n", "c.py+": "if\n"}.job(t)
	job.Ignored = func(path string) bool { return path != "main.py" }
	if got := judge(t, job); got.Findings != nil || got.Compiled != nil {
		t.Errorf("%+v", got)
	}
}

// Names of bytes that are no text, and of characters that JSON, a shell or a
// terminal gives a meaning.
func TestNamesOfAnyBytes(t *testing.T) {
	of := candidate{"main.py+": "import os\n", "\"q\\\x01\n.py+": "def\n"}
	if runtime.GOOS == "linux" {
		of["caf\xe9\xff/x.py+"] = "def\n"
	}
	var want, got []string
	for name := range of {
		want = append(want, strings.TrimSuffix(name, "+"))
	}
	want = slices.DeleteFunc(want, func(name string) bool { return name == "main.py" })
	for _, found := range judge(t, of.job(t)).Findings {
		got = append(got, found.Path)
		if found.Kind != Syntax {
			t.Error(line(found))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestFindingsAreFew(t *testing.T) {
	of := candidate{"main.py+": "def f():\n" + strings.Repeat("    import a\n", 3)}
	for i := range 70 {
		of["x"+strings.Repeat("x", i)+".py+"] = "def\n"
	}
	if got := judge(t, of.job(t)).Findings; len(got) != 50 || got[49].Severity != Holds {
		t.Errorf("%d findings", len(got))
	}
}

// Nothing of the program is executed, whatever its environment says.
func TestNothingOfTheProgramIsExecuted(t *testing.T) {
	trap := "open(__file__ + '.executed', 'w')\n"
	of := candidate{"main.py+": "import helper, far\nfrom pkg.sub import x\n", "far.py": trap}
	for _, name := range []string{"sitecustomize", "usercustomize", "helper", "pkg/__init__", "pkg/sub", "json", "encodings/__init__", "site", "os", "re", "lib/far"} {
		of[name+".py"] = trap + "x = 1\n"
	}
	for _, path := range []string{"", ".", "./lib:", "MAIN", "MAIN/lib:/nonexistent", "lib:MAIN/../main"} {
		job := of.job(t)
		if strings.Contains(path, "lib") {
			if err := os.Remove(filepath.Join(job.Main, "far.py")); err != nil {
				t.Fatal(err)
			}
		}
		path = strings.ReplaceAll(strings.ReplaceAll(path, "MAIN", job.Main), ":", string(filepath.ListSeparator))
		job.Env = append(job.Env, "PYTHONPATH="+path, "PYTHONSTARTUP="+filepath.Join(job.Main, "helper.py"), "PYTHONINSPECT=1", "PYTHONWARNINGS=error")
		if got := lines(judge(t, job)); got != nil {
			t.Errorf("PYTHONPATH=%s: %q", path, got)
		}
		if executed, _ := filepath.Glob(filepath.Join(job.Main, "*.executed")); len(executed) > 0 {
			t.Errorf("PYTHONPATH=%s: %q", path, executed)
		}
		if executed, _ := filepath.Glob(filepath.Join(job.Main, "*/*.executed")); len(executed) > 0 {
			t.Errorf("PYTHONPATH=%s: %q", path, executed)
		}
	}
}

func TestPythonPathElsewhereCounts(t *testing.T) {
	elsewhere := t.TempDir()
	for _, name := range []string{"far.py", "space/deep.py", "plain/__init__.py"} {
		file := filepath.Join(elsewhere, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte("print('executed')\n"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	job := candidate{"main.py+": "import far, space.deep, space.near, plain\nimport plain.mod\nimport space.gone\n", "space/near.py": ""}.job(t)
	job.Env = append(job.Env, "PYTHONPATH="+elsewhere)
	want := []string{
		"holds missing package: main.py:2: plain.mod is not in the installed plain, imported by main.py line 2",
		"holds missing module: main.py:3: waiting for space/gone.py, imported by main.py line 3",
	}
	if diff := cmp.Diff(want, lines(judge(t, job))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestBytecodeIsWhatPythonWouldWrite(t *testing.T) {
	for _, env := range []string{"X=1", "PYTHONOPTIMIZE=1", "PYTHONOPTIMIZE=2", "PYTHONDONTWRITEBYTECODE=1"} {
		job := candidate{
			"main.py+": "import helper, pkg.mod\n", "helper.py+": "'''doc'''\nassert True\ndef f():\n    return 1\n", "pkg/__init__.py+": "", "pkg/mod.py+": "x = 1\n", "bad.py+": "def\n",
		}.job(t)
		job.Bytecode = t.TempDir()
		job.Env = append(job.Env, env)
		result := judge(t, job)
		var compiled []string
		for _, one := range result.Compiled {
			compiled = append(compiled, one.Source)
		}
		if diff := cmp.Diff([]string{"helper.py", "pkg/__init__.py", "pkg/mod.py"}, compiled); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
		place(t, job, result)
		before := listing(t, job.Main)
		cmd := exec.Command(job.Python, "-v", "main.py")
		cmd.Dir, cmd.Env = job.Main, job.Env
		said, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		for _, one := range result.Compiled {
			if source := filepath.Join(job.Main, filepath.FromSlash(one.Source)); !strings.Contains(string(said), " matches "+source) {
				t.Errorf("%s: the bytecode of %s is not used", env, one.Source)
			}
		}
		if diff := cmp.Diff(before, listing(t, job.Main)); diff != "" {
			t.Errorf("%s: Python wrote (-before +after)\n%s", env, diff)
		}
	}
}

// place puts the upload into main/, as a switch does.
func place(t *testing.T, job Job, result Result) {
	t.Helper()
	for path, file := range job.Overlay {
		data, err := os.ReadFile(file)
		target := filepath.Join(job.Main, filepath.FromSlash(path))
		err = errors.Join(err, os.MkdirAll(filepath.Dir(target), 0o700), os.WriteFile(target, data, 0o644))
		if err = errors.Join(err, os.Chtimes(target, time.Time{}, time.Unix(1700000000, 5))); err != nil {
			t.Fatal(err)
		}
	}
	for _, one := range result.Compiled {
		folder := filepath.Join(job.Main, filepath.FromSlash(one.Source), "..", "__pycache__")
		info, err := os.Stat(one.File)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", one.Source, info, err)
		}
		if err := errors.Join(os.MkdirAll(folder, 0o700), os.Rename(one.File, filepath.Join(folder, one.Name))); err != nil {
			t.Fatal(err)
		}
	}
}

func listing(t *testing.T, folder string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
		names = append(names, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestWhatCannotBeTold(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the interpreters of this test are shell scripts")
	}
	for _, test := range []struct{ name, script, want string }{
		{"no interpreter", "", "cannot start PYTHON: no such file or directory"},
		{"ends badly", "echo garbage; echo first >&2; echo 'Fatal Python error: x' >&2; exit 3", "PYTHON failed: Fatal Python error: x"},
		{"ends badly without a word", "exit 3", "PYTHON failed: exit status 3"},
		{"killed", "kill -9 $$", "PYTHON failed: signal: killed"},
		{"no answer", "cat >/dev/null", "python gave no answer that makes sense"},
		{"garbage", "cat >/dev/null; echo '{'", "python gave no answer that makes sense"},
		{"too slow", "sleep 1000", "no answer within 300ms"},
		{"too slow, and not alone", "sleep 1000 & sleep 1000", "no answer within 300ms"},
		{"floods", "exec cat /dev/zero", "no answer within 300ms"},
		{"lacks a module", "exec PYTHON3 -c 'import no_such_module'", "PYTHON failed: ModuleNotFoundError: No module named 'no_such_module'"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			job := candidate{"main.py+": "import helper\n"}.job(t)
			script := strings.ReplaceAll(test.script, "PYTHON3", job.Python)
			job.Python, job.Limit = filepath.Join(t.TempDir(), "python"), time.Minute
			if strings.HasPrefix(test.want, "no answer") {
				job.Limit = 300 * time.Millisecond
			}
			if script != "" {
				if err := os.WriteFile(job.Python, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			want := []string{"warns unknown: : the Python files could not be checked: " + strings.ReplaceAll(test.want, "PYTHON", job.Python)}
			begin := time.Now()
			if diff := cmp.Diff(want, lines(judge(t, job))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if took := time.Since(begin); took > 30*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestBytecodeThatCannotBeWrittenIsNoFinding(t *testing.T) {
	job := candidate{"main.py+": "import os\n", "helper.py+": "", "bad.py+": "def\n"}.job(t)
	job.Bytecode = filepath.Join(t.TempDir(), "gone")
	if got := judge(t, job); len(got.Findings) != 1 || got.Findings[0].Kind != Syntax || got.Compiled != nil {
		t.Errorf("%+v", got)
	}
}

func TestEndsWithItsContext(t *testing.T) {
	job := candidate{"main.py+": ""}.job(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, job); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Log("root reads everything; a folder has to do")
	}
	job := candidate{"main.py+": "import os\n", "gone.py+": ""}.job(t)
	if err := os.Remove(job.Overlay["gone.py"]); err != nil {
		t.Fatal(err)
	}
	want := []string{"warns unknown: gone.py: the file could not be checked: No such file or directory"}
	if diff := cmp.Diff(want, lines(judge(t, job))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Every Python that is in PATH under a name of its own.
func TestOtherPythons(t *testing.T) {
	for _, name := range []string{"python3.7", "python3.8", "python3.9", "python3.10", "python3.11", "python3.12", "python3.13", "python3.14"} {
		t.Run(name, func(t *testing.T) {
			path, err := exec.LookPath(name)
			if err == nil {
				err = exec.Command(path, "-c", "").Run() // a shim may lead to nothing
			}
			if err != nil {
				t.Skipf("no %s here", name)
			}
			job := candidate{
				"main.py+": "import helper, pkg.mod, os.path, collections.abc\nfrom helper import f, g\n", "helper.py+": "f = lambda: 1\n",
				"pkg/__init__.py": "", "bad.py+": "x = 1\ndef\n", "latin.py+": "# coding: latin-1\nx = '\xe4'\n",
			}.job(t)
			job.Python, job.Env, job.Bytecode = path, os.Environ(), t.TempDir()
			result := judge(t, job)
			want := []string{
				"holds syntax: bad.py:2: SyntaxError: invalid syntax",
				"holds missing module: main.py:1: waiting for pkg/mod.py, imported by main.py line 1",
				"holds missing name: main.py:2: waiting for a helper.py that has g, imported by main.py line 2",
			}
			if diff := cmp.Diff(want, lines(result)); diff != "" || len(result.Compiled) != 2 {
				t.Errorf("%d compiled (-want +got)\n%s", len(result.Compiled), diff)
			}
		})
	}
}

// A long file is read in pieces; where they end must not matter.
func TestLongFiles(t *testing.T) {
	var text strings.Builder
	text.WriteString("import os\n")
	for range 3000 {
		text.WriteString("def f(a):\n    return '''\nimport gone\nx = \\\n''' \\\n    + a\n\n@f\n\nclass A:\n    pass\n")
	}
	count := strings.Count(text.String(), "\n")
	for _, test := range []struct {
		last string
		want []string
	}{
		{"", nil},
		{"x = 1\nimport sys as s\n", nil},
		{"import helper\n", []string{fmt.Sprintf("holds missing module: main.py:%d: waiting for helper.py, imported by main.py line %[1]d", count+1)}},
		{"import helper, sys\nif x:\n    sys.path += y\n", []string{doubts(count + 1)}},
		{"try:\n    import helper\nexcept ImportError:\n    pass\n", []string{doubts(count + 2)}},
	} {
		for _, end := range []string{"\n", "\r\n"} {
			whole := strings.ReplaceAll(text.String()+test.last, "\n", end)
			if diff := cmp.Diff(test.want, lines(judge(t, candidate{"main.py": whole}.job(t)))); diff != "" {
				t.Errorf("%q (-want +got)\n%s", test.last, diff)
			}
		}
	}
}

// What Python says arrives as it is, whatever characters are in it.
func TestTextOfAnyCharacters(t *testing.T) {
	const source = "x = 'ä€😀\\ \\\"' def"
	found := judge(t, candidate{"main.py+": source + "\n"}.job(t)).Findings
	if found[0].Source != source {
		t.Errorf("%q, not %q", found[0].Source, source)
	}
}

func TestNamesWithAZeroByte(t *testing.T) {
	job := candidate{"main.py+": "import os\n"}.job(t)
	job.Removed = []string{"a\x001\x00b.py"}
	if found := lines(judge(t, job)); len(found) != 1 || !strings.Contains(found[0], "zero byte") {
		t.Errorf("%q", found)
	}
}

// Debian's python3-minimal has a small part of the standard library; here the
// rest is there and can't be imported.
func TestPythonMinimal(t *testing.T) {
	job := candidate{"main.py+": "import os, helper\nimport http.client\n", "bad.py+": "def\n"}.job(t)
	lacking := t.TempDir()
	for _, name := range []string{
		"__future__", "ast", "asyncio", "base64", "bz2", "concurrent", "contextlib", "ctypes", "dataclasses", "datetime", "decimal", "difflib", "glob",
		"html", "http", "inspect", "json", "logging", "lzma", "multiprocessing", "pathlib", "pickle", "pkgutil", "platform", "queue", "sched",
		"shutil", "sqlite3", "string", "subprocess", "symtable", "sysconfig", "tempfile", "tokenize", "traceback", "typing", "unittest",
		"uuid", "xml", "zipfile",
	} {
		text := "raise ModuleNotFoundError(\"No module named '" + name + "'\")\n"
		if err := os.WriteFile(filepath.Join(lacking, name+".py"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	job.Env = append(job.Env, "PYTHONPATH="+lacking)
	want := []string{"holds syntax: bad.py:1: SyntaxError: invalid syntax", "holds missing module: main.py:1: waiting for helper.py, imported by main.py line 1"}
	if diff := cmp.Diff(want, lines(judge(t, job))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
