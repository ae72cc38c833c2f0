package warm

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ota/internal/kit/packed"
	"ota/internal/kit/packed/packedtest"
)

var update = flag.Bool("update", false, "rewrite what is made of other files")

// TestHookIsWhatWasWritten: what ota has in it is sitecustomize.py.
func TestHookIsWhatWasWritten(t *testing.T) {
	written, err := os.ReadFile("sitecustomize.py")
	if err != nil {
		t.Fatal(err)
	}
	packedtest.Check(t, "sitecustomize.py.gz", written, *update)
}

func TestParseCommand(t *testing.T) {
	for _, test := range []struct {
		argv    string
		options int // how many words come before what is run
		script  string
		refused string
	}{
		{"/usr/bin/python3 -u main.py", 2, "main.py", ""},
		{"/usr/bin/python3.11 main.py -I -m x", 1, "main.py", ""},
		{"python3 -uB -W error -Werror -X dev -Xutf8 -OO app/run --port 1", 9, "app/run", ""},
		{"python3 -u -m app -I", 2, "", ""},
		{"python3 -P main.py", 2, "main.py", ""},
		{"python3 -I main.py", 0, "", "option -I"},
		{"python3 -uE main.py", 0, "", "option -uE"},
		{"python3 -S main.py", 0, "", "option -S"},
		{"python3 -v main.py", 0, "", "option -v"},
		{"python3 -X importtime main.py", 0, "", "-X importtime"},
		{"python3 -Ximporttime main.py", 0, "", "-Ximporttime"},
		{"python3 -c pass", 0, "", "option -c"},
		{"python3 --check-hash-based-pycs never main.py", 0, "", "option --check"},
		{"python3 - main.py", 0, "", "no script"},
		{"python3 -u", 0, "", "no script"},
		{"python3 -m", 0, "", "no module"},
		{"python3 -W", 0, "", "no script"},
		{"python3 app.pyz", 0, "", "archive"},
		{"/usr/bin/gunicorn app:app", 0, "", "not a Python"},
		{"", 0, "", "not a Python"},
	} {
		t.Run(test.argv, func(t *testing.T) {
			argv := strings.Fields(test.argv)
			got, err := parseCommand(argv)
			if test.refused != "" {
				if err == nil || !strings.Contains(err.Error(), test.refused) {
					t.Errorf("error is %v, want one with %q", err, test.refused)
				}
				return
			}
			if err != nil || got.script != test.script || len(got.options) != test.options {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func FuzzParseCommand(f *testing.F) {
	f.Add("python3\x00-u\x00main.py")
	f.Add("python3\x00-X\x00dev\x00-m\x00app")
	f.Fuzz(func(t *testing.T, line string) {
		argv := strings.Split(line, "\x00")
		got, err := parseCommand(argv)
		if err == nil && (len(got.options) == 0 || len(got.options) >= len(argv)) {
			t.Errorf("%q: %+v", argv, got)
		}
	})
}

func TestEnvironment(t *testing.T) {
	h := New("/a/.ota/warm", "/a/main")
	fields := func(fd, had string) string {
		return "OTA_WARM=" + fd + "\n" + had + "\n/a/main\nmain.py\n/a/.ota/warm/modules"
	}
	const path = "PYTHONPATH=/a/.ota/warm/hook"
	for _, test := range []struct{ name, env, want, had string }{
		{"none", "A=1", "A=1 " + path, "no"},
		{"empty", "PYTHONPATH= A=1", path + " A=1", "yes"},
		{"some", "PYTHONPATH=/x:/y A=1", path + ":/x:/y A=1", "yes"},
		{"twice", "PYTHONPATH=/x PYTHONPATH=/y", "PYTHONPATH=/x " + path + ":/y", "yes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			env := strings.Fields(test.env)
			got := h.environment(env, command{script: "main.py"}, "3")
			want := append(strings.Fields(test.want), fields("3", test.had))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(strings.Fields(test.env), env); diff != "" {
				t.Error("the argument was changed", diff)
			}
		})
	}
}

func TestFolderIsMended(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "warm")
	h := New(dir, "/a/main")
	path := filepath.Join(dir, "hook", "sitecustomize.py")
	for _, spoil := range []func() error{
		func() error { return nil },
		func() error { return os.Truncate(path, 0) },
		func() error { return os.WriteFile(path, []byte("print()"), 0o600) },
		func() error { return os.RemoveAll(dir) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Wait([]string{"/usr/bin/python3", "main.py"}, nil, nil); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != string(packed.Open(hook)) {
			t.Errorf("%v: %d bytes", err, len(got))
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	}
}

func TestWhatCannotBePrepared(t *testing.T) {
	argv := []string{"/usr/bin/python3", "main.py"}
	for name, try := range map[string]func() error{
		"colon": func() error { _, err := New("/a:b/warm", "/a/main").Wait(argv, nil, nil); return err },
		"verbose": func() error {
			_, err := New(t.TempDir(), "/a").Wait(argv, []string{"PYTHONVERBOSE=1"}, nil)
			return err
		},
		"option": func() error {
			_, err := New(t.TempDir(), "/a").Wait([]string{"python3", "-I", "x"}, nil, nil)
			return err
		},
		"folder": func() error { _, err := New("/dev/null/x", "/a").Wait(argv, nil, nil); return err },
	} {
		if err := try(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	env := []string{"A=1"}
	if got, err := New("/dev/null/x", "/a").Learn(argv, env); err == nil || !cmp.Equal(got, env) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestLearnedIsNotTrusted(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"names", "json\nnumpy.linalg\n_x\n", "json numpy.linalg _x"},
		{"no names", "os;x\n../a\n a\na.\n.a\na..b\n1a\n\njson\na\x00b\nä\n-c\n", "json"},
		{"patched", "json\ngevent\nssl\n", ""},
		{"many", strings.Repeat("a\n", mostNames+1), ""},
		{"long", strings.Repeat("a", mostBytes+1), ""},
		{"empty", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := New(t.TempDir(), "/a")
			if err := os.WriteFile(h.list(), []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(h.Learned(), " "); got != test.want {
				t.Errorf("got %q", got)
			}
		})
	}
	if got := New(t.TempDir(), "/a").Learned(); got != nil {
		t.Errorf("without a list: %q", got)
	}
}
