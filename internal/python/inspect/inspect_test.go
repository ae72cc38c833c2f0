package inspect

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ota/internal/kit/escape"
	"ota/internal/kit/packed/packedtest"
	"ota/internal/python"
)

var (
	update = flag.Bool("update", false, "rewrite the golden files")
	other  = flag.String("python", "", "the interpreter for all tests, instead of the system's")
)

// TestPackedIsWhatWasWritten: what ota has in it is helper/ and packages.txt.
func TestPackedIsWhatWasWritten(t *testing.T) {
	parts, err := filepath.Glob("helper/*.py")
	if err != nil || len(parts) < 6 {
		t.Fatalf("%q, %v", parts, err)
	}
	var whole []byte
	for _, part := range parts { // in order, as Glob says
		text, err := os.ReadFile(part)
		if err != nil {
			t.Fatal(err)
		}
		whole = append(append(whole, text...), '\n')
	}
	packedtest.Check(t, "helper.py.gz", whole, *update)
	list, err := os.ReadFile("packages.txt")
	if err != nil {
		t.Fatal(err)
	}
	packedtest.Check(t, "packages.txt.gz", list, *update)
}

var interpreter = sync.OnceValue(func() string {
	if *other != "" {
		return *other
	}
	for _, env := range [][]string{{"PATH=/usr/bin"}, os.Environ()} {
		if found, err := python.Find(context.Background(), env, os.TempDir()); err == nil {
			return found.Path
		}
	}
	return ""
})

func needPython(t testing.TB) string {
	t.Helper()
	if interpreter() == "" {
		t.Skip("no Python here")
	}
	return interpreter()
}

// candidate is main/ and what is laid over it. A name that ends with "+" is of
// the upload; "name -> target" is a symbolic link.
type candidate map[string]string

// job returns the candidate on the disk as a job; the entry is main.py.
func (c candidate) job(t testing.TB) Job {
	t.Helper()
	main, sealed := filepath.Join(t.TempDir(), "main"), t.TempDir()
	if err := os.MkdirAll(main, 0o700); err != nil {
		t.Fatal(err)
	}
	job := Job{
		Python: needPython(t), Env: []string{"PATH=/usr/bin:/bin"}, Main: main, Overlay: map[string]string{},
		Entry: Entry{Script: "main.py"}, Imports: true, Limit: 5 * time.Minute,
	}
	for _, name := range sorted(c) {
		if link, target, ok := strings.Cut(name, " -> "); ok {
			if err := os.Symlink(target, filepath.Join(main, link)); err != nil {
				t.Skip("no symbolic links here")
			}
			continue
		}
		path, isNew := strings.CutSuffix(name, "+")
		file := filepath.Join(main, filepath.FromSlash(path))
		if isNew {
			file = filepath.Join(sealed, fmt.Sprint(len(job.Overlay)))
			job.Overlay[path] = file
			if strings.HasSuffix(path, ".py") {
				job.Changed = append(job.Changed, Source{Path: path, ModTime: time.Unix(1700000000, 5)})
			}
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(c[name]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return job
}

func sorted(c candidate) []string {
	var names []string
	for name := range c {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func judge(t testing.TB, job Job) Result {
	t.Helper()
	result, err := Run(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// line is a finding as a line of a table.
func line(found Finding) string {
	place := escape.Name(found.Path)
	if found.Line > 0 {
		place += fmt.Sprintf(":%d", found.Line)
	}
	return fmt.Sprintf("%s %s: %s: %s", found.Severity, found.Kind, place, found.Message)
}

func lines(result Result) []string {
	var all []string
	for _, found := range result.Findings {
		all = append(all, line(found))
	}
	return all
}

const waits = "holds missing module: main.py:1: waiting for helper.py, imported by main.py line 1"

func doubts(number int) string {
	return fmt.Sprintf("warns missing module: main.py:%d: helper.py is not there, imported by main.py line %d", number, number)
}

func TestImports(t *testing.T) {
	for _, test := range []struct {
		name string
		of   candidate
		want []string
	}{
		{"nothing", candidate{"main.py+": "print(1)\n"}, nil},
		{"all is there", candidate{"main.py+": "import helper, os, json.decoder\nfrom pkg import mod, name\nimport pkg.sub.deep as d\n",
			"helper.py": "", "pkg/__init__.py": "name = 1\n", "pkg/mod.py+": "", "pkg/sub/__init__.py": "", "pkg/sub/deep.py": ""}, nil},
		{"missing", candidate{"main.py+": "import helper\n"}, []string{waits}},
		{"missing for a file that is there", candidate{"main.py": "import helper\n", "other.py+": ""}, []string{waits}},
		{"in the third line", candidate{"main.py+": "'''x'''\n\nimport os, helper as h\n"},
			[]string{"holds missing module: main.py:3: waiting for helper.py, imported by main.py line 3"}},
		{"from", candidate{"main.py+": "from helper import (\n    a,\n    b)\n"}, []string{waits}},
		{"of a package", candidate{"main.py+": "import pkg.mod\n", "pkg/__init__.py": ""},
			[]string{"holds missing module: main.py:1: waiting for pkg/mod.py, imported by main.py line 1"}},
		{"of a folder", candidate{"main.py+": "import pkg.mod\n", "pkg/other.py": ""},
			[]string{"holds missing module: main.py:1: waiting for pkg/mod.py, imported by main.py line 1"}},
		{"of no package", candidate{"main.py+": "import helper.mod\n"},
			[]string{"holds missing module: main.py:1: waiting for helper/mod.py, imported by main.py line 1"}},
		{"relative", candidate{"main.py+": "import pkg\n", "pkg/__init__.py": "from . import a\nfrom .b import c\nfrom .sub import x\n",
			"pkg/a.py": "", "pkg/sub/__init__.py": "from ..gone import y\nx = 1\n"},
			[]string{
				"holds missing module: pkg/__init__.py:2: waiting for pkg/b.py, imported by pkg/__init__.py line 2",
				"holds missing module: pkg/sub/__init__.py:1: waiting for pkg/gone.py, imported by pkg/sub/__init__.py line 1",
			}},
		{"relative in a script", candidate{"main.py+": "from . import helper\n", "helper.py": ""},
			[]string{"warns missing module: main.py:1: a relative import works inside of a package only, and this file is in none"}},
		{"behind another", candidate{"main.py+": "import a\n", "a.py": "import b\n", "b.py+": "\n\nimport c\n"},
			[]string{"holds missing module: b.py:3: waiting for c.py, imported by b.py line 3"}},
		{"a circle", candidate{"main.py+": "import a\n", "a.py": "import b\n", "b.py": "import a, main\n"}, nil},
		{"of another case", candidate{"main.py+": "import helper\n", "Helper.py": ""}, []string{waits}},
		{"a script below a folder", candidate{"main.py+": "import sub\n", "sub.py": "", "x/main.py": "import sub\n"}, nil},
		{"C and bytecode", candidate{"main.py+": "import fast, old\nfrom fast import x\n", "fast.abi3.so": "", "old.pyc": ""}, nil},
		{"a line end of Windows", candidate{"main.py+": "import os\r\nimport helper\r\n"},
			[]string{"holds missing module: main.py:2: waiting for helper.py, imported by main.py line 2"}},

		{"try", candidate{"main.py+": "try:\n    import helper\nexcept ImportError:\n    helper = None\n"}, []string{doubts(2)}},
		{"try with a tuple", candidate{"main.py+": "try:\n    import helper\nexcept (OSError, builtins.ModuleNotFoundError) as e:\n    pass\n"}, []string{doubts(2)}},
		{"try, bare", candidate{"main.py+": "try:\n    import helper\nexcept:\n    pass\n"}, []string{doubts(2)}},
		{"try, Exception", candidate{"main.py+": "try:\n    import helper\nexcept Exception:\n    pass\n"}, []string{doubts(2)}},
		{"try for something else", candidate{"main.py+": "try:\n    import helper\nexcept ValueError:\n    pass\n"},
			[]string{"holds missing module: main.py:2: waiting for helper.py, imported by main.py line 2"}},
		{"try, finally", candidate{"main.py+": "try:\n    pass\nfinally:\n    import helper\n"},
			[]string{"holds missing module: main.py:4: waiting for helper.py, imported by main.py line 4"}},
		{"a handler", candidate{"main.py+": "try:\n    pass\nexcept ValueError:\n    import helper\n"}, []string{doubts(4)}},
		{"suppress", candidate{"main.py+": "import contextlib\nwith contextlib.suppress(ImportError):\n    import helper\n"}, []string{doubts(3)}},
		{"with", candidate{"main.py+": "with open('x') as f:\n    import helper\n"},
			[]string{"holds missing module: main.py:2: waiting for helper.py, imported by main.py line 2"}},
		{"a condition", candidate{"main.py+": "import os\nif os.environ.get('X'):\n    import helper\n"}, []string{doubts(3)}},
		{"another Python", candidate{"main.py+": "import sys\nif sys.version_info < (3, 0):\n    import helper\nelif sys.platform == 'amiga':\n    import helper\n"}, nil},
		{"else", candidate{"main.py+": "import sys\nif sys.version_info[0] == 2:\n    import x\nelse:\n    import helper\n"}, []string{doubts(5)}},
		{"type checkers", candidate{"main.py+": "import typing as t\nif t.TYPE_CHECKING:\n    import helper, yaml, there\n", "there.py": "import gone\n"}, []string{doubts(3)}},
		{"a loop", candidate{"main.py+": "for x in y:\n    import helper\n"}, []string{doubts(2)}},
		{"behind an endless loop", candidate{"main.py+": "while True:\n    pass\nimport helper\n"}, []string{doubts(3)}},
		{"a function", candidate{"main.py+": "def f():\n    import helper\n"}, []string{doubts(2)}},
		{"a class", candidate{"main.py+": "class A:\n    import helper\n"},
			[]string{"holds missing module: main.py:2: waiting for helper.py, imported by main.py line 2"}},
		{"a method", candidate{"main.py+": "class A:\n    async def f(self):\n        import helper\n"}, []string{doubts(3)}},
		{"the main part", candidate{"main.py+": "if __name__ == '__main__':\n    import helper\n"},
			[]string{"holds missing module: main.py:2: waiting for helper.py, imported by main.py line 2"}},
		{"the main part, the other way round", candidate{"main.py+": "if '__main__' != __name__:\n    import gone\nelse:\n    x = 1\n"}, nil},
		{"the main part of a module", candidate{"main.py+": "import a\n", "a.py": "if __name__ == '__main__':\n    import helper\n"}, nil},
		{"behind the end", candidate{"main.py+": "import sys\nsys.exit()\nimport helper\n"}, []string{doubts(3)}},
		{"behind the end of the main part", candidate{"main.py+": "if __name__ == '__main__':\n    raise SystemExit\nimport helper\n"}, []string{doubts(3)}},
		{"behind what may not be reached", candidate{"main.py+": "def f():\n    import a\n", "a.py": "import helper\n"},
			[]string{"warns missing module: a.py:1: helper.py is not there, imported by a.py line 1"}},
		{"reached in two ways", candidate{"main.py+": "def f():\n    import a\nimport b\n", "a.py": "import helper\n", "b.py": "import a\n"},
			[]string{"holds missing module: a.py:1: waiting for helper.py, imported by a.py line 1"}},
		{"warned of once", candidate{"main.py+": "def f():\n    import helper\ndef g():\n    import helper\n"}, []string{doubts(2)}},

		{"sys.path", candidate{"main.py+": "import sys\nsys.path.insert(0, 'lib')\nimport helper, other\n", "lib/other.py": ""}, []string{doubts(3)}},
		{"sys.path elsewhere", candidate{"main.py+": "import helper, a\n", "a.py": "from sys import path as p\np += ['x']\n"}, []string{doubts(1)}},
		{"sys.path is only read", candidate{"main.py+": "import helper, sys\nprint(sys.path, 'sys.path')\nfor x in sys.path: pass\n"}, []string{waits}},
		{"sys.path and a package", candidate{"main.py+": "import sys\nsys.path[:0] = ['lib']\nimport pkg.helper\n", "pkg/__init__.py": ""},
			[]string{"holds missing module: main.py:3: waiting for pkg/helper.py, imported by main.py line 3"}},
		{"hooks", candidate{"main.py+": "import sys as system, helper\nsystem.meta_path.append(x)\n"}, []string{doubts(1)}},
		{"sys.modules", candidate{"main.py+": "import sys, a\nimport helper\n", "a.py": "import sys\nsys.modules['helper'] = 1\n"}, []string{doubts(2)}},

		{"a link", candidate{"main.py+": "import helper, pkg.mod\n", "real/helper.py": "import gone\n", "real/mod.py": "", "helper.py -> real/helper.py": "", "pkg -> real": ""},
			[]string{"holds missing module: real/helper.py:1: waiting for gone.py, imported by real/helper.py line 1"}},
		{"a link out of main/", candidate{"main.py+": "import helper, pkg.mod\nfrom helper import x\n", "helper.py -> ../../elsewhere.py": "", "pkg -> /usr": ""}, nil},
		{"a link to nothing", candidate{"main.py+": "import helper\n", "helper.py -> gone.py": ""}, []string{waits}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, lines(judge(t, test.of.job(t)))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
