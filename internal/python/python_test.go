package python

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// place puts an executable file into a folder.
func place(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestFind(t *testing.T) {
	needShell(t)
	const shim = "#!/bin/sh\necho noise\necho /opt/real/python3\necho 3.11.2\n"
	for _, test := range []struct {
		name  string
		files map[string]string
		want  Interpreter // Path from the folder, or absolute
		err   string      // DIR stands for the folder
	}{
		{"binary is not asked", map[string]string{"python3": "\x7fELF"}, Interpreter{Path: "python3"}, ""},
		{"python3 before python", map[string]string{"python3": "\x7fELF", "python": "\x7fELF"}, Interpreter{Path: "python3"}, ""},
		{"shim is asked", map[string]string{"python3": shim}, Interpreter{"/opt/real/python3", "3.11.2"}, ""},
		{"python alone", map[string]string{"python": shim}, Interpreter{"/opt/real/python3", "3.11.2"}, ""},
		{"shim without path", map[string]string{"python3": "#!/bin/sh\necho\necho 3.11.2\n"}, Interpreter{"python3", "3.11.2"}, ""},
		{
			"shim with nothing behind it, then python",
			map[string]string{"python3": "#!/bin/sh\nexit 127\n", "python": shim},
			Interpreter{"/opt/real/python3", "3.11.2"}, "",
		},
		{
			"shim with nothing behind it",
			map[string]string{"python3": "#!/bin/sh\necho 'pyenv: python3: command not found' >&2\nexit 127\n"},
			Interpreter{}, "no Python 3 found: DIR/python3 does not work: pyenv: python3: command not found",
		},
		{
			"Python 2", map[string]string{"python": "#!/bin/sh\necho /usr/bin/python2\necho 2.7.18\n"},
			Interpreter{}, "no Python 3 found: DIR/python is Python 2.7.18",
		},
		{
			"something else", map[string]string{"python": "#!/bin/sh\necho hello\n"},
			Interpreter{}, "no Python 3 found: DIR/python is not Python",
		},
		{"none", nil, Interpreter{}, "no Python found: neither python3 nor python is in PATH"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range test.files {
				place(t, dir, name, content)
			}
			if test.want.Path != "" && !filepath.IsAbs(test.want.Path) {
				test.want.Path = filepath.Join(dir, test.want.Path)
			}
			env := []string{"PATH=/nowhere", "PATH=relative:" + dir}
			got, err := Find(t.Context(), env, dir)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if message(err, dir) != test.err {
				t.Errorf("error %q, want %q", message(err, dir), test.err)
			}
			var missing *NotFound
			if err != nil && (!errors.As(err, &missing) || missing.Hint() == "") {
				t.Errorf("no hint with %v", err)
			}
		})
	}
}

func message(err error, dir string) string {
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), dir, "DIR")
}

func TestFindSkipsWhatCannotBeRun(t *testing.T) {
	needShell(t)
	first, second := t.TempDir(), t.TempDir()
	place(t, first, "python3", "\x7fELF")
	if err := os.Chmod(filepath.Join(first, "python3"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(second, "python3"), 0o755); err != nil {
		t.Fatal(err)
	}
	third := t.TempDir()
	place(t, third, "python3", "\x7fELF")
	got, err := Find(t.Context(), []string{"PATH=" + strings.Join([]string{first, second, third}, ":")}, third)
	if err != nil || got.Path != filepath.Join(third, "python3") {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestSymbolicLinksAreKept(t *testing.T) {
	needShell(t)
	dir := t.TempDir()
	place(t, dir, "python3.11", "\x7fELF")
	link := filepath.Join(dir, "python3")
	if err := os.Symlink("python3.11", link); err != nil {
		t.Fatal(err)
	}
	if got, err := Find(t.Context(), []string{"PATH=" + dir}, dir); err != nil || got.Path != link {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestFindEndsWithItsContext(t *testing.T) {
	needShell(t)
	dir := t.TempDir()
	place(t, dir, "python3", "#!/bin/sh\necho > "+dir+"/asked\nexec sleep 1000\n")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Find(ctx, []string{"PATH=" + dir + ":/bin:/usr/bin"}, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// The real one, whatever it is here.
func TestFindRealPython(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("no python3 here")
	}
	got, err := Find(t.Context(), os.Environ(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(got.Path, "-c", "import sys; print(sys.version_info[0])").Output()
	if err != nil || strings.TrimSpace(string(out)) != "3" {
		t.Errorf("%s says %q, %v", got.Path, out, err)
	}
	if isScript(got.Path) {
		t.Errorf("%s is a shim", got.Path)
	}
}

func needShell(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip("no /bin/sh here")
	}
}

func FuzzParseAnswer(f *testing.F) {
	f.Add("/usr/bin/python3\n3.11.2\n")
	f.Add("noise\r\n\r\n2.7.18\r\n")
	f.Fuzz(func(t *testing.T, output string) {
		executable, version, ok := parseAnswer(output)
		if ok && (version == "" || strings.Contains(executable, "\n")) {
			t.Errorf("%q, %q", executable, version)
		}
	})
}

func TestBytecode(t *testing.T) {
	for _, test := range []struct {
		source, prefix, folder string
		ok                     bool
	}{
		{"main.py", "", "__pycache__", true},
		{"pkg/sub/x.py", "", "pkg/sub/__pycache__", true},
		{"pkg/x.txt", "", "", false},
		{"pkg/.py", "", "", false},
		{"x.pyc", "", "", false},
		{"pkg/x.py", "/var/cache", "/var/cache/home/pi/main/pkg", true},
		{"x.py", "/var/cache", "/var/cache/home/pi/main", true},
		{"x.py", "cache", "/home/pi/main/cache/home/pi/main", true},
	} {
		env := []string{"PYTHONPYCACHEPREFIX=old", "PYTHONPYCACHEPREFIX=" + test.prefix}
		got, ok := BytecodeOf(test.source, "/home/pi/main", env)
		if filepath.ToSlash(got.Folder) != test.folder || ok != test.ok {
			t.Errorf("%s with prefix %q: %q, %v, want %q", test.source, test.prefix, got.Folder, ok, test.folder)
		}
	}
}

func TestBytecodeMatch(t *testing.T) {
	names := []string{
		"x.cpython-311.pyc", "x.cpython-311.opt-1.pyc", "x.cpython-311.opt-2.pyc", "x.cpython-311.pyc.139872",
		"x.pypy39.pyc", "x.y.cpython-311.pyc", "x.y.cpython-311.opt-1.pyc", "xx.cpython-311.pyc", "x.pyc",
		"x.cpython-311.pyc.tmp", "x.cpython-311.opt-.pyc", "x.cpython-311.py", "x",
	}
	for source, want := range map[string][]string{
		"pkg/x.py":   names[:5],
		"pkg/x.y.py": names[5:7],
		"pkg/xx.py":  names[7:8],
	} {
		bytecode, _ := BytecodeOf(source, "/main", nil)
		var got []string
		for _, name := range names {
			if bytecode.Match(name) {
				got = append(got, name)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", source, diff)
		}
	}
}

// Python itself says where it looks.
func TestBytecodeIsWherePythonLooks(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 here")
	}
	main := t.TempDir()
	if main, err = filepath.EvalSymlinks(main); err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"", "/var/cache", "cache"} {
		for _, source := range []string{"x.py", "pkg/x.y.py"} {
			env := append(os.Environ(), "PYTHONPYCACHEPREFIX="+prefix)
			cmd := exec.Command(python, "-c", "import importlib.util, sys; print(importlib.util.cache_from_source(sys.argv[1]))", source)
			cmd.Dir, cmd.Env = main, env
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			looked := strings.TrimSpace(string(out))
			if prefix == "cache" {
				looked = filepath.Join(main, looked)
			}
			bytecode, ok := BytecodeOf(source, main, env)
			if !ok || filepath.Dir(looked) != bytecode.Folder || !bytecode.Match(filepath.Base(looked)) {
				t.Errorf("%s with prefix %q: %+v, Python looks at %s", source, prefix, bytecode, looked)
			}
		}
	}
}

func FuzzBytecodeMatch(f *testing.F) {
	f.Add("x", "x.cpython-311.pyc")
	f.Add("x", "x.y.opt-1.pyc")
	f.Add("x.y", "x.y.cpython-311.opt-1.pyc.12")
	f.Fuzz(func(t *testing.T, stem, name string) {
		one := Bytecode{stem: stem}
		longer := Bytecode{stem: stem + ".y"}
		if one.Match(name) && longer.Match(name) {
			t.Errorf("%q belongs to both %q and %q", name, stem, longer.stem)
		}
	})
}

func TestWarnEnv(t *testing.T) {
	if got := WarnEnv([]string{"PYTHONDONTWRITEBYTECODE=1", "PYTHONDONTWRITEBYTECODE="}); len(got) != 0 {
		t.Errorf("an empty variable is not set for Python: %q", got)
	}
	got := WarnEnv([]string{"PYTHONDONTWRITEBYTECODE=1", "A=2"})
	if len(got) != 1 || !strings.HasPrefix(got[0], "PYTHONDONTWRITEBYTECODE is set: ") {
		t.Errorf("%q", got)
	}
}

func TestHint(t *testing.T) {
	none := func(string) bool { return false }
	for _, test := range []struct {
		name, release string
		has           func(string) bool
		root          bool
		want          string
	}{
		{"Debian", "PRETTY_NAME=\"Debian\"\nID=debian\n", none, false, "install it with `sudo apt install python3`"},
		{"root", "ID=debian\n", none, true, "install it with `apt install python3`"},
		{"like", "ID=\"linuxmint\"\nID_LIKE=\"ubuntu debian\"\n", none, false, "install it with `sudo apt install python3`"},
		{"Alpine", "ID=alpine\n", none, true, "install it with `apk add python3`"},
		{"unknown with dnf", "ID=own\n", func(p string) bool { return p == "dnf" }, false, "install it with `sudo dnf install python3`"},
		{"unknown", "", none, false, "install Python 3 from https://www.python.org/downloads/"},
	} {
		if got := hintFor(test.release, test.has, test.root); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func FuzzHint(f *testing.F) {
	f.Add("ID=debian\nID_LIKE='a b'")
	f.Fuzz(func(t *testing.T, release string) {
		if hintFor(release, func(string) bool { return false }, false) == "" {
			t.Error("no hint")
		}
	})
}

func TestFindNamed(t *testing.T) {
	env := os.Environ()
	found, err := Find(t.Context(), env, t.TempDir())
	if err != nil {
		t.Skip("no Python here:", err)
	}
	named, err := Search{Env: env, Dir: t.TempDir()}.Named(t.Context(), found.Path)
	if err != nil || named.Path != found.Path {
		t.Errorf("%v, %v instead of %s", named, err, found.Path)
	}
	for _, name := range []string{"python3.999", "/no/such/python3"} {
		if _, err := (Search{Env: env, Dir: t.TempDir()}).Named(t.Context(), name); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
