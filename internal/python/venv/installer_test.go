package venv

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// Every kind of file ends in the same environment, with pip and with uv.
func TestKindsAndInstallers(t *testing.T) {
	wheels := []wheel{alpha, beta, {name: "alpha", version: "0.9"}}
	room := newWorkshop(t, anyPython(t), tree{}, wheels...)
	sum := func(name string) string {
		for _, one := range room.wheels {
			if strings.Contains(one.Path, "/"+name+"-") {
				return one.Sum
			}
		}
		t.Fatal(name)
		return ""
	}
	for _, test := range []struct {
		name  string
		files tree
		extra string // what the installer is told
	}{
		{"requirements", tree{"requirements.txt": "beta\n"}, ""},
		{"pyproject", tree{"pyproject.toml": "[project]\nname = 'app'\ndependencies = ['beta>=1', 'nosuch; sys_platform == \"none\"']\n"}, ""},
		{"uv.lock", tree{"pyproject.toml": "[project]\nname = 'app'\ndependencies = ['beta']\n", "uv.lock": "version = 1\n" +
			"[[package]]\nname = 'app'\nsource = { editable = '.' }\ndependencies = [{ name = 'beta' }, { name = 'nosuch', marker = \"sys_platform == 'none'\" }]\n" +
			"[[package]]\nname = 'beta'\nversion = '1.0'\nsource = { registry = 'https://packages.example.com/simple' }\ndependencies = [{ name = 'alpha' }]\nwheels = [{ url = 'u', hash = 'sha256:" + sum("beta") + "' }]\n" +
			"[[package]]\nname = 'alpha'\nversion = '1.0'\nsource = { registry = 'https://packages.example.com/simple' }\nwheels = [{ url = 'u', hash = 'sha256:" + sum("alpha-1.0") + "' }]\n" +
			"[[package]]\nname = 'nosuch'\nversion = '1.0'\nsource = { registry = 'https://packages.example.com/simple' }\n"}, "--no-deps"},
		{"pylock", tree{"pylock.toml": "lock-version = '1.0'\n" +
			"[[packages]]\nname = 'beta'\nversion = '1.0'\n[[packages.wheels]]\npath = 'wheels/beta-1.0-py3-none-any.whl'\nhashes = {sha256 = '" + sum("beta") + "'}\n" +
			"[[packages]]\nname = 'alpha'\nversion = '1.0'\n"}, "--no-deps"},
	} {
		for _, withUV := range []bool{false, true} {
			if withUV && (test.name == "pyproject" || test.name == "uv.lock") {
				continue // the same files as for pip
			}
			t.Run(test.name+map[bool]string{true: " uv"}[withUV], func(t *testing.T) {
				t.Parallel()
				w := newWorkshop(t, room.python.Path, test.files)
				w.wheels, w.job.Offline = room.wheels, true
				said := ""
				if withUV {
					said = fakeUV(t, w)
				}
				id := w.mustBuild(t)
				if got := w.run(t, id, "import beta, alpha; print(beta.VALUE, alpha.VALUE)"); got != "beta 1.0 alpha 1.0" {
					t.Error(got)
				}
				if made, err := w.Made(id); err != nil || strings.HasPrefix(made.With, "uv") != withUV {
					t.Errorf("made with %s, %v", made.With, err)
				}
				w.mustHaveLeft(t, id)
				if !withUV {
					return
				}
				args, err := os.ReadFile(said)
				if err != nil {
					t.Fatal(err)
				}
				for _, want := range []string{"pip install --python " + w.pythonOf(id), "--compile-bytecode", "--link-mode copy", "--offline", "--no-index", "--find-links ", test.extra} {
					if !strings.Contains(string(args), want) {
						t.Errorf("uv was not told %q: %s", want, args)
					}
				}
			})
		}
	}
}

// fakeUV puts a uv into PATH that writes down what it is told, and lets pip do
// it.
func fakeUV(t *testing.T, w *workshop) (said string) {
	t.Helper()
	var answer pipAnswer
	if err := ask(t.Context(), w.python.Base, pipQuestion, nil, nil, &answer); err != nil {
		t.Fatal(err)
	}
	if ok, _ := compareBy(answer.Version, ">=", "22.3"); !ok {
		t.Skip("the pip here serves no other environments")
	}
	dir := t.TempDir()
	said = filepath.Join(dir, "said")
	script := `#!/bin/sh
echo "$@" >> ` + said + `
python=$4
shift 4
rest=
while [ $# -gt 0 ]; do
	case $1 in
	--no-progress | --compile-bytecode | --offline | --no-cache) shift ;;
	--color | --link-mode) shift 2 ;;
	*) rest="$rest '$1'"; shift ;;
	esac
done
echo "Resolved 2 packages in 3ms"
eval exec ` + w.python.Base + ` -m pip --python "$python" install $rest
`
	if err := os.WriteFile(filepath.Join(dir, "uv"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	w.env = append(w.env, "PATH="+dir+":/usr/bin:/bin")
	return said
}

func TestArguments(t *testing.T) {
	w := newWorkshop(t, anyPython(t), tree{"requirements.txt": "alpha\n"})
	memory := uint64(400 << 20)
	w.memory = func() uint64 { return memory }
	b := &build{room: w.Room, job: BuildJob{Recipe: w.recipe(t), Index: "https://example.org/simple"}, work: "/w"}
	pip, uv := installer{name: "pip"}, installer{name: "uv", uv: true}
	for _, test := range []struct {
		name string
		tool installer
		has  []string
		not  []string
	}{
		{"pip", pip, []string{"--no-cache-dir", "--index-url", "--retries", "--no-input"}, []string{"--no-index", "--find-links", "-vv", "--no-deps"}},
		{"uv", uv, []string{"--no-cache", "--index-url"}, []string{"--retries", "--no-index"}},
	} {
		args := b.arguments(test.tool, pass{file: "requirements.txt"}, false)
		for _, one := range test.has {
			if !slices.Contains(args, one) {
				t.Errorf("%s: no %s in %v", test.name, one, args)
			}
		}
		for _, one := range test.not {
			if slices.Contains(args, one) {
				t.Errorf("%s: %s in %v", test.name, one, args)
			}
		}
	}
	memory = 1 << 30
	b.job.Env = []string{"PIP_RETRIES=7"}
	if args := b.arguments(pip, pass{}, true); slices.Contains(args, "--no-cache-dir") || slices.Contains(args, "--retries") || !slices.Contains(args, "-vv") {
		t.Errorf("%v", args)
	}
}

func TestEnvironment(t *testing.T) {
	got := environment([]string{"PYTHONPATH=/x", "PIP_INDEX_URL=u", "PIP_USER=1", "TMPDIR=/t", "A=b"}, "PYTHONPATH=/wheel", "TMPDIR=/work")
	if want := []string{"PIP_INDEX_URL=u", "A=b", "PYTHONPATH=/wheel", "TMPDIR=/work"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// These are the words of uv 0.5, which is not here to be asked.
func TestWordsOfUV(t *testing.T) {
	for _, test := range []struct {
		name, said, want string
		passing          bool
	}{
		{
			"no such package", "  × No solution found when resolving dependencies:\n  ╰─▶ Because nosuch was not found in the package registry and you require\n      nosuch, we can conclude that your requirements are unsatisfiable.\n",
			"Because nosuch was not found in the package registry and you require nosuch, we can conclude that your requirements are unsatisfiable.", false,
		},
		{
			"index away", "error: Failed to fetch: `http://127.0.0.1:1/simple/alpha/`\n  Caused by: error sending request for url (http://127.0.0.1:1/simple/alpha/)\n  Caused by: client error (Connect)\n  Caused by: tcp connect error: Connection refused (os error 111)\n",
			"cannot reach the package index: connection refused", true,
		},
		{"full disk", "error: Failed to install: a.whl\n  Caused by: No space left on device (os error 28)\n", "no space left on the device", true},
	} {
		found := &findings{}
		for line := range strings.Lines(test.said) {
			found.line(strings.TrimRight(line, "\n"))
		}
		mustFailWith(t, test.name, found.failure(errors.New("exit status 1"), scene{}), test.want, test.passing)
	}
}

func mustFailWith(t *testing.T, name string, err error, want string, passing bool) {
	t.Helper()
	failed, ok := errors.AsType[*Failed](err)
	if !ok || failed.Message != want || failed.Passing != passing {
		t.Errorf("%s: %+v\nwant %s", name, err, want)
	}
}

// The words of older and newer pips that are rarely seen.
func TestWordsOfPip(t *testing.T) {
	for _, test := range []struct {
		name, said, want string
		passing          bool
	}{
		{
			"a download breaks off", "Collecting numpy\nERROR: Could not install packages due to an OSError: HTTPSConnectionPool(host='files.example.com', port=443): Max retries exceeded with url: /x (Caused by ConnectTimeoutError(<x>, 'Connection to files.example.com timed out. (connect timeout=15)'))\n",
			"cannot reach files.example.com: no answer in time", true,
		},
		{
			"no name", "WARNING: Retrying (Retry(total=1, connect=None)) after connection broken by 'NewConnectionError('<x>: Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')': /simple/flask/\nERROR: Could not find a version that satisfies the requirement flask (from versions: none)\nERROR: No matching distribution found for flask\n",
			"cannot get flask: cannot reach the package index: its name is not found", true,
		},
		{
			"the clock is wrong", "WARNING: Retrying (Retry(total=1)) after connection broken by 'SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate is not yet valid (_ssl.c:1129)'))': /simple/flask/\nERROR: No matching distribution found for flask\n",
			"cannot get flask: cannot reach the package index: its certificate is not valid yet: is the clock of this device right?", true,
		},
		{
			"reading breaks off", "ERROR: Exception:\nTraceback (most recent call last):\n  File \"x\"\npip._vendor.urllib3.exceptions.ReadTimeoutError: HTTPSConnectionPool(host='files.example.com', port=443): Read timed out.\n",
			"cannot reach files.example.com: no answer in time", true,
		},
		{"nothing", "", "the installer failed: exit status 1", false},
		{"a new word", "ERROR: the moon is full\n", "the moon is full", false},
	} {
		found := &findings{}
		for line := range strings.Lines(test.said) {
			found.line(strings.TrimRight(line, "\n"))
		}
		mustFailWith(t, test.name, found.failure(errors.New("exit status 1"), scene{}), test.want, test.passing)
	}
}

func TestSteps(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"Collecting numpy==1.26 (from -r requirements.txt (line 1))", "collecting numpy (1 of 3)"},
		{"Processing ./wheels/zope.interface-6.0-py3-none-any.whl (from x)", "collecting zope-interface (1 of 3)"},
		{"Processing /tmp/x/alpha-1.0-py3-none-any.whl", "collecting alpha (1 of 3)"},
		{"Requirement already satisfied: six in /usr/lib/python3/dist-packages", "collecting six (1 of 3)"},
		{"  Downloading numpy-1.26.4-cp311-cp311-linux_armv7l.whl (5.6 MB)", "downloading numpy (3 in all)"},
		{"  Using cached https://x/idna-3.7-py3-none-any.whl.metadata (9 kB)", "downloading idna (3 in all)"},
		{"  Building wheel for lx (pyproject.toml): started", "building lx"},
		{"Installing collected packages: a, b, c", "installing packages (3 in all)"},
		{"Resolved 12 packages in 340ms", "downloading packages (12 in all)"},
		{"Looking in links: w", ""},
	} {
		got := ""
		p := &progress{tell: func(s Step) { got = s.String() }, wanted: 3, seen: map[string]bool{}}
		p.line(test.line)
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.line, got, test.want)
		}
	}
	count := 0
	p := &progress{tell: func(Step) { count++ }, seen: map[string]bool{}}
	for i := range 1000 {
		p.line("Collecting a" + strings.Repeat("b", i))
	}
	if count > 10 {
		t.Errorf("%d steps at once", count)
	}
}

// FuzzOutput: whatever an installer writes, there is a reason that can be
// shown.
func FuzzOutput(f *testing.F) {
	f.Add([]byte("Collecting a\nERROR: Could not find a version that satisfies the requirement a (from versions: 1, 2)\nERROR: No matching distribution found for a\n"))
	f.Add([]byte("The conflict is caused by:\n    a 1 depends on b\n\nERROR: Cannot install a because these package versions have conflicting dependencies.\n"))
	f.Add([]byte("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES\n    a from x:\n        Expected sha256 0\n             Got        1\n"))
	f.Add([]byte("  × No solution\n  ╰─▶ Because\nerror: x\nERROR: Exception:\nModuleNotFoundError: No module named 'x'\n"))
	f.Add([]byte("ERROR: Invalid requirement: 'x' (from line 99999999999999999999 of r.txt)\nerror: no such option: -\n"))
	f.Add([]byte("WARNING: Retrying after connection broken by 'host='x', port=1'\nERROR: No matching distribution found for \n\xff\r\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		found := &findings{}
		steps := &progress{tell: func(Step) {}, seen: map[string]bool{}}
		out := &lines{each: func(text string) {
			found.line(text)
			steps.line(text)
		}}
		if n, err := out.Write(data); n != len(data) || err != nil {
			t.Fatal(n, err)
		}
		out.end()
		err := found.failure(errors.New("exit status 1"), scene{index: string(data), files: []file{{"r.txt", data}}})
		if err == nil || err.Error() == "" || strings.Contains(err.Error(), "\n") || !utf8.ValidString(err.Error()) {
			t.Errorf("%q", err)
		}
	})
}
