package python

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestLastTraceback(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       Traceback // the zero value: none
	}{
		{"nothing", "hello\nworld\n", Traceback{}},
		{"no lines", "", Traceback{}},
		{"a word is no traceback", "KeyboardInterrupt\n", Traceback{}},
		{"cut off before the error", "Traceback (most recent call last):\n  File \"main.py\", line 1, in <module>\n    f()\n", Traceback{}},
		{"plain", `starting
Traceback (most recent call last):
  File "/home/pi/garden/main/main.py", line 10, in <module>
    g()
  File "/home/pi/garden/main/lib/pump.py", line 9, in g
    raise ValueError("boom")
ValueError: boom
`, Traceback{"ValueError: boom", "lib/pump.py", 9, "g", `raise ValueError("boom")`}},
		{"the program, not the library", `Traceback (most recent call last):
  File "/home/pi/garden/main/e.py", line 2, in <module>
    json.loads("{")
  File "/usr/lib/python3.11/json/__init__.py", line 346, in loads
    return _default_decoder.decode(s)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/usr/lib/python3.11/json/decoder.py", line 353, in raw_decode
    obj, end = self.scan_once(s, idx)
               ^^^^^^^^^^^^^^^^^^^^^^
json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)
`, Traceback{"json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)", "e.py", 2, "<module>", `json.loads("{")`}},
		{"nor a package in main", `Traceback (most recent call last):
  File "main.py", line 3, in start
    paho.connect()
  File "/home/pi/garden/main/venv/lib/python3.11/site-packages/paho/mqtt.py", line 77, in connect
    raise OSError
OSError
`, Traceback{"OSError", "main.py", 3, "start", "paho.connect()"}},
		{"nothing of the program", `Traceback (most recent call last):
  File "<frozen runpy>", line 198, in _run_module_as_main
  File "/usr/lib/python3.11/http/server.py", line 1309, in <module>
    test()
OSError: [Errno 98] Address already in use
`, Traceback{"OSError: [Errno 98] Address already in use", "/usr/lib/python3.11/http/server.py", 1309, "<module>", "test()"}},
		{"beside main", "Traceback (most recent call last):\n  File \"./a.py\", line 1, in <module>\n  File \"/home/pi/garden/main2/b.py\", line 2, in b\n  File \"../c.py\", line 3, in c\nE\n",
			Traceback{"E", "a.py", 1, "<module>", ""}},
		{"chained", `Traceback (most recent call last):
  File "main.py", line 7, in g
    f(2)
ValueError: boom
second line

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "main.py", line 9, in g
    raise RuntimeError("worse") from e
RuntimeError: worse
`, Traceback{"RuntimeError: worse", "main.py", 9, "g", `raise RuntimeError("worse") from e`}},
		{"several lines, a note", "Traceback (most recent call last):\n  File \"main.py\", line 1, in f\n    x()\nValueError: \n  File is missing\na note: here\n",
			Traceback{"ValueError", "main.py", 1, "f", "x()"}},
		{"syntax", "  File \"/home/pi/garden/main/main.py\", line 2\n    if x\n        ^\nSyntaxError: expected ':'\n",
			Traceback{"SyntaxError: expected ':'", "main.py", 2, "", "if x"}},
		{"syntax in an import", `Traceback (most recent call last):
  File "main.py", line 1, in <module>
    import b
  File "/usr/lib/python3/dist-packages/b.py", line 3
    x=2
TabError: inconsistent use of tabs and spaces in indentation
`, Traceback{"TabError: inconsistent use of tabs and spaces in indentation", "/usr/lib/python3/dist-packages/b.py", 3, "", "x=2"}},
		{"syntax in a string", "Traceback (most recent call last):\n  File \"main.py\", line 4, in <module>\n    eval(text)\n  File \"<string>\", line 1\n    1+\n      ^\nSyntaxError: invalid syntax\n",
			Traceback{"SyntaxError: invalid syntax", "main.py", 4, "<module>", "eval(text)"}},
		{"syntax after something else", "Traceback (most recent call last):\n  File \"main.py\", line 1, in f\nE: x\n  File \"other.py\", line 5\n    )\n    ^\nSyntaxError: unmatched ')'\n",
			Traceback{"SyntaxError: unmatched ')'", "other.py", 5, "", ")"}},
		{"encoding", "SyntaxError: Non-UTF-8 code starting with '\\xff' in file /home/pi/garden/main/v.py on line 1, but no encoding declared; see …\n",
			Traceback{"SyntaxError: Non-UTF-8 code starting with '\\xff' in file /home/pi/garden/main/v.py on line 1, but no encoding declared; see …", "v.py", 1, "", ""}},
		{"interrupted", "^CTraceback (most recent call last):\nTraceback (most recent call last):\r\n  File \"main.py\", line 1, in <module>\r\n    time.sleep(5)\r\nKeyboardInterrupt\r\n",
			Traceback{"KeyboardInterrupt", "main.py", 1, "<module>", "time.sleep(5)"}},
		{"recursion", `Traceback (most recent call last):
  File "main.py", line 2, in <module>
    f()
  File "main.py", line 1, in f
    def f(): f()
             ^^^
  [Previous line repeated 996 more times]
RecursionError: maximum recursion depth exceeded
`, Traceback{"RecursionError: maximum recursion depth exceeded", "main.py", 1, "f", "def f(): f()"}},
		{"thread", `Exception in thread Thread-1 (f):
Traceback (most recent call last):
  File "/usr/lib/python3.11/threading.py", line 982, in run
    self._target(*self._args, **self._kwargs)
  File "main.py", line 3, in f
    1/0
    ~^~
ZeroDivisionError: division by zero
`, Traceback{"ZeroDivisionError: division by zero", "main.py", 3, "f", "1/0"}},
		{"others between", `Traceback (most recent call last):
  File "main.py", line 3, in f
INFO: a line of somebody else
    g()
2026-11-23 12:00:00 - another one
  File "main.py", line 8, in g
    1/0
    ~^~
[worker] one more
ZeroDivisionError: division by zero
INFO: end
`, Traceback{"ZeroDivisionError: division by zero", "main.py", 8, "g", "1/0"}},
		{"the beginning is lost", "  File \"main.py\", line 8, in g\n    1/0\nZeroDivisionError: division by zero\n",
			Traceback{"ZeroDivisionError: division by zero", "main.py", 8, "g", "1/0"}},
		{"ignored", `Traceback (most recent call last):
  File "main.py", line 9, in <module>
    raise E
E
Exception ignored in: <function D.__del__ at 0x7f9c2c539bc0>
Traceback (most recent call last):
  File "main.py", line 2, in __del__
    1/0
ZeroDivisionError: division by zero
`, Traceback{"E", "main.py", 9, "<module>", "raise E"}},
		{"only ignored", "Exception ignored in: <function D.__del__>\nTraceback (most recent call last):\n  File \"main.py\", line 2, in __del__\nE\n",
			Traceback{"E", "main.py", 2, "__del__", ""}},
		{"group", `  + Exception Group Traceback (most recent call last):
  |   File "main.py", line 6, in <module>
  |     raise ExceptionGroup("several", [e, TypeError("y")])
  | ExceptionGroup: several (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Exception Group Traceback (most recent call last):
    |   File "main.py", line 5, in h
    |     raise ExceptionGroup("inner", [e])
    | ExceptionGroup: inner (1 sub-exception)
    +-+---------------- 1 ----------------
      | Traceback (most recent call last):
      |   File "main.py", line 2, in f
      |     raise ValueError("x")
      | ValueError: x
      +------------------------------------
    +---------------- 2 ----------------
    | TypeError: y
    +------------------------------------
`, Traceback{"ValueError: x", "main.py", 2, "f", `raise ValueError("x")`}},
		{"group of nothing that tells", `  + Exception Group Traceback (most recent call last):
  |   File "main.py", line 6, in <module>
  |     raise ExceptionGroup("several", [TypeError("y")])
  | ExceptionGroup: several (1 sub-exception)
  +-+---------------- 1 ----------------
    | TypeError: y
    +------------------------------------
`, Traceback{"ExceptionGroup: several (1 sub-exception)", "main.py", 6, "<module>", `raise ExceptionGroup("several", [TypeError("y")])`}},
		{"local class, letters of others", "Traceback (most recent call last):\n  File \"größe.py\", line 1, in größe\nmain.f.<locals>.Größe: zu groß\n",
			Traceback{"main.f.<locals>.Größe: zu groß", "größe.py", 1, "größe", ""}},
		{"colours", "Traceback (most recent call last):\n  File \x1b[35m\"main.py\"\x1b[0m, line \x1b[35m1\x1b[0m, in \x1b[35m<module>\x1b[0m\n    x\n\x1b[1;35mNameError\x1b[0m: \x1b[35mname 'x' is not defined\x1b[0m\n",
			Traceback{"NameError: name 'x' is not defined", "main.py", 1, "<module>", "x"}},
		{"a line that is no number", "Traceback (most recent call last):\n  File \"main.py\", line 99999999999999999999, in f\nE: x\n",
			Traceback{Error: "E: x"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			needSlashes(t)
			got, ok := LastTraceback(strings.SplitAfter(test.text, "\n"), "/home/pi/garden/main")
			if ok != (test.want != Traceback{}) {
				t.Errorf("found: %t", ok)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// The paths of a table are those of a device.
func needSlashes(t *testing.T) {
	t.Helper()
	if !filepath.IsAbs("/home") {
		t.Skip("paths look different here")
	}
}

// What the Python that is here writes, not what one wrote long ago.
func TestTracebackOfRealPython(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("no python3 here")
	}
	for _, test := range []struct {
		name    string
		program string
		want    Traceback
		begins  bool // the message differs between versions
	}{
		{"raised", "def f():\n    raise ValueError('boom\\nmore')\n\nf()\n",
			Traceback{"ValueError: boom", "main.py", 2, "f", `raise ValueError('boom\nmore')`}, false},
		{"in a library", "import json\njson.loads('{')\n",
			Traceback{"json.decoder.JSONDecodeError: ", "main.py", 2, "<module>", "json.loads('{')"}, true},
		{"chained", "try:\n    1/0\nexcept ZeroDivisionError:\n    raise KeyError('k')\n",
			Traceback{"KeyError: 'k'", "main.py", 4, "<module>", "raise KeyError('k')"}, false},
		{"does not compile", "x = 1\nif x\n    pass\n", Traceback{"SyntaxError: ", "main.py", 2, "", "if x"}, true},
		{"recursion", "def f(): f()\nf()\n", Traceback{"RecursionError: maximum recursion depth exceeded", "main.py", 1, "f", "def f(): f()"}, true},
		{"missing module", "import no_such_module_of_ours\n",
			Traceback{"ModuleNotFoundError: No module named 'no_such_module_of_ours'", "main.py", 1, "<module>", "import no_such_module_of_ours"}, false},
		{"interrupted", "raise KeyboardInterrupt\n", Traceback{"KeyboardInterrupt", "main.py", 1, "<module>", "raise KeyboardInterrupt"}, false},
		{"several source lines", "def f(*a):\n    raise E\nclass E(Exception): pass\nf(\n    1,\n    2,\n)\n", Traceback{"E", "main.py", 2, "f", "raise E"}, true},
		{"ended on purpose", "raise SystemExit('bye')\n", Traceback{}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, name := range []string{"main.py", ""} { // as ota starts it, and by its absolute path
				dir, err := filepath.EvalSymlinks(t.TempDir())
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "main.py"), []byte(test.program), 0o600); err != nil {
					t.Fatal(err)
				}
				if name == "" {
					name = filepath.Join(dir, "main.py")
				}
				var stderr strings.Builder
				cmd := exec.Command("python3", name)
				cmd.Dir, cmd.Stderr = dir, &stderr
				if err := cmd.Run(); err == nil {
					t.Fatal("the program did not fail")
				}
				got, _ := LastTraceback(strings.Split(stderr.String(), "\n"), dir)
				if test.begins && strings.HasPrefix(got.Error, test.want.Error) {
					got.Error = test.want.Error
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("%s (-want +got)\n%s\n%s", name, diff, stderr.String())
				}
			}
		})
	}
}

func FuzzLastTraceback(f *testing.F) {
	f.Add("Traceback (most recent call last):\n  File \"main.py\", line 1, in f\n    x\n    ^\nValueError: y\n", "/main")
	f.Add("  + Exception Group Traceback (most recent call last):\n  |   File \"a\", line 6, in b\n  | E: s\n  +-+---\n    | Traceback (most recent call last):\n    |   File \"a\", line 2\n    | F\n", "")
	f.Add("SyntaxError: x in file a on line 1\n  File \"/m/..\", line 2\n|\n| |\nException ignored in:\nTraceback (most recent call last):\n", "/m")
	f.Fuzz(func(t *testing.T, text, main string) {
		got, ok := LastTraceback(strings.Split(text, "\n"), main)
		if !ok && got != (Traceback{}) {
			t.Errorf("none found, and %+v", got)
		}
		if ok && got.Error == "" || got.Line < 0 || strings.ContainsAny(got.Error+got.File+got.Function+got.Source, "\n") {
			t.Errorf("%+v", got)
		}
		if utf8.ValidString(text) && !utf8.ValidString(got.Error+got.File+got.Function+got.Source) {
			t.Errorf("a letter was cut: %+v", got)
		}
	})
}
