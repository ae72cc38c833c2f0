package inspect

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNames(t *testing.T) {
	const lacks = "holds missing name: main.py:1: waiting for a helper.py that has read_sensor, imported by main.py line 1"
	const from = "from helper import read_sensor\n"
	for _, test := range []struct {
		name string
		of   candidate
		want []string
	}{
		{"missing", candidate{"main.py+": from, "helper.py": "def other(): pass\n"}, []string{lacks}},
		{"missing, though it is mentioned", candidate{"main.py+": from, "helper.py": "# read_sensor is to come\nx = 'read_sensor()'\nclass A:\n    def read_sensor(self): pass\n"}, []string{lacks}},
		{"missing in a file with imports", candidate{"main.py+": from, "helper.py": "import os\ndef f():\n    read_sensor = 1\n"}, []string{lacks}},
		{"missing perhaps", candidate{"main.py+": "def f():\n    " + from, "helper.py": ""},
			[]string{"warns missing name: main.py:2: helper.py has no read_sensor, imported by main.py line 2"}},
		{"missing for type checkers", candidate{"main.py+": "if TYPE_CHECKING:\n    " + from, "helper.py": ""}, nil},
		{"of a package", candidate{"main.py+": "from pkg import mod, sub, name\n", "pkg/__init__.py": "name = 1\n", "pkg/mod.py": ""},
			[]string{"holds missing name: main.py:1: waiting for pkg/sub.py, imported by main.py line 1"}},
		{"of a folder", candidate{"main.py+": "from pkg import mod, sub\n", "pkg/mod.py": ""},
			[]string{"holds missing name: main.py:1: waiting for pkg/sub.py, imported by main.py line 1"}},
		{"relative", candidate{"main.py+": "import pkg\n", "pkg/__init__.py": "from .mod import a\nfrom . import b\n", "pkg/mod.py": "b = 1\n"},
			[]string{
				"holds missing name: pkg/__init__.py:1: waiting for a pkg/mod.py that has a, imported by pkg/__init__.py line 1",
				"holds missing name: pkg/__init__.py:2: waiting for pkg/b.py, imported by pkg/__init__.py line 2",
			}},
		{"def", candidate{"main.py+": from, "helper.py": "async def read_sensor(): pass\n"}, nil},
		{"in a condition", candidate{"main.py+": from, "helper.py": "try:\n    from a import read_sensor\nexcept ImportError:\n    read_sensor = None\n"},
			[]string{"warns missing module: helper.py:2: a.py is not there, imported by helper.py line 2"}},
		{"unpacked", candidate{"main.py+": from, "helper.py": "with x as (a, [read_sensor, *b]): pass\n"}, nil},
		{"a loop", candidate{"main.py+": from, "helper.py": "for read_sensor in []: pass\n"}, nil},
		{"global", candidate{"main.py+": from, "helper.py": "def f():\n    def g():\n        global read_sensor\n        read_sensor = 1\n"}, nil},
		{"import as", candidate{"main.py+": from, "helper.py": "import os.path as read_sensor\n"}, nil},
		{"star", candidate{"main.py+": from, "helper.py": "from os import *\n"}, nil},
		{"globals", candidate{"main.py+": from, "helper.py": "globals().update(x)\n"}, nil},
		{"__getattr__", candidate{"main.py+": from, "helper.py": "def __getattr__(name): return 1\n"}, nil},
		{"exec", candidate{"main.py+": from, "helper.py": "exec('x = 1')\n"}, nil},
		{"set from outside", candidate{"main.py+": "import helper\nhelper.read_sensor = len\n" + from, "helper.py": ""}, nil},
		{"of Python itself", candidate{"main.py+": "from helper import __name__, __doc__\nfrom helper import *\n", "helper.py": ""}, nil},
		{"letters", candidate{"main.py+": "from helper import größe, ﬁn\n", "helper.py": "größe = fin = 1\n"}, nil},
		{"with another way to find modules", candidate{"main.py+": "import sys\nsys.path.append('x')\n" + from, "helper.py": ""}, nil},
		{"does not compile", candidate{"main.py+": from, "helper.py": "def\n"}, nil},
		{"a Latin file", candidate{"main.py+": from, "helper.py": "# coding: latin-1\nx = '\xe4'\n"}, []string{lacks}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, lines(judge(t, test.of.job(t)))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// golden compares text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Every message, as every kind of file of every version would cause it; what
// Python itself says is in the answers.
func TestMessages(t *testing.T) {
	place := func(more string) string {
		return `{"path": "main.py", "line": 3, "state": "sure", ` + more + `}`
	}
	var text strings.Builder
	for _, test := range []struct{ python, answer string }{
		{"3.11.2", place(`"kind": "module", "module": "helper", "wanted": "helper.py"`)},
		{"3.11.2", place(`"kind": "module", "module": "pkg.mod", "wanted": "pkg/mod.py", "local": true`)},
		{"3.11.2", `{"path": "sub/m.py", "line": 1, "state": "maybe", "kind": "module", "module": "a.b", "wanted": "a/b.py"}`},
		{"3.11.2", place(`"kind": "module", "module": "requests", "wanted": "requests.py"`)},
		{"3.11.2", place(`"kind": "module", "module": "cv2", "wanted": "cv2.py"`)},
		{"3.11.2", place(`"kind": "module", "module": "paho.mqtt.client", "wanted": "paho/mqtt/client.py"`)},
		{"3.11.2", place(`"kind": "module", "module": "google.protobuf", "wanted": "google/protobuf.py"`)},
		{"3.11.2", place(`"kind": "module", "module": "adafruit_shtc3", "wanted": "adafruit_shtc3.py"`)},
		{"3.11.2", place(`"kind": "module", "module": "my_lib", "wanted": "my_lib.py"`)},
		{"3.11.2", place(`"kind": "module", "module": "flask", "wanted": "flask.py"`)},
		{"3.9.18", place(`"kind": "module", "module": "tomllib", "wanted": "tomllib.py"`)},
		{"3.12.1", place(`"kind": "module", "module": "distutils.core", "wanted": "distutils/core.py"`)},
		{"3.11.2", place(`"kind": "module", "module": "distutils.core", "wanted": "distutils/core.py", "standard": true`)},
		{"3.13.0", place(`"kind": "module", "module": "imp", "wanted": "imp.py"`)},
		{"3.13.0", place(`"kind": "module", "module": "telnetlib", "wanted": "telnetlib.py"`)},
		{"3.11.2", place(`"kind": "module", "module": "urllib2", "wanted": "urllib2.py"`)},
		{"3.11.2", place(`"kind": "module", "module": "Tkinter", "wanted": "Tkinter.py"`)},
		{"3.11.2", place(`"kind": "module", "module": "tkinter.ttk", "wanted": "tkinter/ttk.py", "standard": true`)},
		{"3.11.2", place(`"kind": "module", "module": "sqlite3", "wanted": "sqlite3.py", "standard": true`)},
		{"3.7.16", place(`"kind": "part", "module": "importlib.metadata", "above": "importlib", "standard": true`)},
		{"3.11.2", place(`"kind": "part", "module": "email.MIMEText", "above": "email", "standard": true`)},
		{"3.11.2", place(`"kind": "part", "module": "email.nothing", "above": "email", "standard": true`)},
		{"3.11.2", place(`"kind": "part", "module": "numpy.nothing", "above": "numpy"`)},
		{"3.11.2", place(`"kind": "part", "module": "google.cloud.storage", "above": "google", "namespace": true`)},
		{"3.11.2", place(`"kind": "name", "module": "helper", "name": "read_sensor", "at": "helper.py"`)},
		{"3.11.2", place(`"kind": "name", "module": "pkg", "name": "sub", "at": "pkg/__init__.py", "wanted": "pkg/sub.py"`)},
		{"3.11.2", place(`"kind": "name", "module": "yaml", "name": "safe_load", "wanted": "yaml/safe_load.py", "namespace": true`)},
		{"3.11.2", place(`"kind": "relative"`)},
		{"3.11.2", `{"path": "random.py", "kind": "shadow", "module": "random", "wanted": "random.py"}`},
		{"3.11.2", `{"path": "email/__init__.py", "kind": "shadow", "module": "email", "wanted": "email/"}`},
		{"3.11.2", `{"path": "data.py", "kind": "unreadable", "reason": "Permission denied"}`},
		{"3.11.2", `{"path": "main.py", "kind": "unfollowed", "reason": "RecursionError: maximum recursion depth exceeded"}`},
		{"3.11.2", place(`"kind": "unparsed", "reason": "SyntaxError: invalid syntax"`)},
		{"3.11.2", place(`"kind": "encoding", "reason": "SyntaxError: unknown encoding: klingon", "source": "# coding: klingon"`)},
		{"3.11.2", place(`"kind": "syntax", "reason": "SyntaxError: expected ':'", "source": "if x"`)},
		{"3.9.18", place(`"kind": "syntax", "reason": "SyntaxError: invalid syntax", "source": "match command:"`)},
		{"3.9.18", place(`"kind": "syntax", "reason": "SyntaxError: invalid syntax", "source": "    except* ValueError as e:"`)},
		{"3.11.2", place(`"kind": "syntax", "reason": "SyntaxError: f-string: unmatched '['", "source": "print(f\"{x[\"a\"]}\")"`)},
		{"3.11.2", place(`"kind": "syntax", "reason": "SyntaxError: f-string expression part cannot include a backslash", "source": "f'{x}'"`)},
		{"3.11.2", place(`"kind": "syntax", "reason": "SyntaxError: '(' was never closed", "source": "print(f\"{x}\""`)},
		{"3.11.2", place(`"kind": "syntax", "reason": "SyntaxError: invalid syntax", "source": "type A = int"`)},
		{"3.11.2", place(`"kind": "syntax", "reason": "SyntaxError: invalid syntax", "source": "def f[T](x: T): pass"`)},
		{"3.7.16", place(`"kind": "syntax", "reason": "SyntaxError: invalid syntax", "source": "if (n := 1):"`)},
		{"3.7.16", place(`"kind": "syntax", "reason": "SyntaxError: invalid syntax", "source": "def f(a, /): pass"`)},
		{"3.13.0", place(`"kind": "syntax", "reason": "SyntaxError: invalid syntax", "source": "t\"{x}\""`)},
		{"3.13.0", place(`"kind": "syntax", "reason": "SyntaxError: multiple exception types must be parenthesized", "source": "except ValueError, TypeError:"`)},
		{"3.11.2", `{"path": "a\u00ff\n.py", "line": 1, "kind": "module", "state": "typing", "module": "x", "wanted": "x\u001b.py"}`},
	} {
		result, err := parse([]byte(`{"version": "`+test.python+`", "findings": [`+test.answer+`]}`), Job{Required: []string{"my-lib", "flask"}})
		if err != nil {
			t.Fatalf("%s: %v", test.answer, err)
		}
		for _, found := range result.Findings {
			fmt.Fprintln(&text, line(found))
			if found.Hint != "" {
				fmt.Fprintln(&text, "    hint: "+found.Hint)
			}
			if found.Package != "" {
				fmt.Fprintln(&text, "    package: "+found.Package)
			}
		}
	}
	for _, why := range []string{"no answer within 2m0s", "cannot start /usr/bin/python3: no such file or directory"} {
		fmt.Fprintln(&text, line(unknown(why).Findings[0]))
	}
	golden(t, "messages.txt", text.String())
}

func TestForTypeCheckersOnlyFilesAreMissed(t *testing.T) {
	const answer = `{"version": "3.11.2", "findings": [
		{"path": "main.py", "kind": "module", "state": "typing", "module": "yaml", "wanted": "yaml.py"},
		{"path": "main.py", "kind": "module", "state": "typing", "module": "tomllib", "wanted": "tomllib.py", "standard": true},
		{"path": "main.py", "kind": "part", "state": "typing", "module": "numpy.x", "above": "numpy"},
		{"path": "main.py", "kind": "module", "state": "typing", "module": "helper", "wanted": "helper.py"}]}`
	result, err := parse([]byte(answer), Job{})
	if err != nil || len(result.Findings) != 1 || result.Findings[0].Severity != Warns || !strings.HasPrefix(result.Findings[0].Message, "helper.py is not there") {
		t.Errorf("%v, %v", result.Findings, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version": "3.11.2", "findings": [{"kind": "module", "path": "a.py", "line": 1, "module": "x.y", "wanted": "x/y.py", "state": "sure"}], "compiled": [{"source": "a.py", "name": "a.pyc", "file": "/b/0.pyc"}], "modules": ["os"]}`))
	f.Add([]byte(`{"version": "3.11.2", "findings": [{"kind": "syntax", "path": "a\u00ff.py", "reason": "x", "source": "match x:"}, {"kind": "name", "path": "b", "module": ".", "at": "\u001b"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		job := Job{Changed: []Source{{Path: "a.py"}}, Bytecode: "/b", Required: []string{"x"}}
		result, err := parse(data, job)
		if err != nil {
			return
		}
		if len(result.Findings) > mostFindings {
			t.Errorf("%d findings", len(result.Findings))
		}
		for _, found := range result.Findings {
			if found.Message == "" || strings.ContainsAny(found.Message+found.Source+found.Hint, "\n\x1b") || !isBelow(found.Path) || found.Line < 0 {
				t.Errorf("%+v", found)
			}
		}
		for _, one := range result.Compiled {
			if one.Source != "a.py" || filepath.Dir(one.File) != "/b" || strings.ContainsRune(one.Name, filepath.Separator) {
				t.Errorf("%+v", one)
			}
		}
	})
}

func TestLinesThatAreNoText(t *testing.T) {
	for line, want := range map[string]bool{
		"print('x'": true, "": true, "name = '\ufffd'": true, "P\ufffd\x1b\ufffdK\ufffd": false, "\ufffd\ufffd": false,
	} {
		if got := isText(line); got != want {
			t.Errorf("%q: %t", line, got)
		}
	}
}
