package venv

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tree is a candidate in memory.
type tree map[string]string

func (t tree) read(path string) ([]byte, error) {
	content, ok := t[path]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return []byte(content), nil
}

// digest knows folders by what is in them.
func (t tree) digest(path string) (string, error) {
	var in []string
	for name, content := range t {
		if name == path || path == "." || strings.HasPrefix(name, path+"/") {
			in = append(in, name+"="+content)
		}
	}
	if len(in) == 0 {
		return "", fs.ErrNotExist
	}
	slices.Sort(in)
	return strings.Join(in, ","), nil
}

func readTree(t tree, wheels ...Wheel) (Recipe, error) {
	return Read(t.read, wheels, ReadOptions{Digest: t.digest})
}

func TestReadFindsTheFile(t *testing.T) {
	const pyproject = "[project]\nname = 'x'\ndependencies = ['flask>=2', 'numpy; python_version > \"3\"']\nrequires-python = '>=3.9'\n"
	const lock = "version = 1\n[[package]]\nname='x'\nsource={virtual='.'}\ndependencies=[{name='flask'},{name='numpy'}]\n[[package]]\nname='flask'\nversion='3'\nsource={registry='r'}\n[[package]]\nname='numpy'\nversion='1'\nsource={registry='r'}\n"
	for _, test := range []struct {
		name  string
		files tree
		kind  Kind
		names []string
		local []string
	}{
		{"nothing", tree{"main.py": "x"}, None, nil, nil},
		{"comments only", tree{"requirements.txt": "# nothing yet\n\n"}, None, nil, nil},
		{"settings of tools", tree{"pyproject.toml": "[tool.black]\nline-length = 99\n"}, None, nil, nil},
		{"a project that needs nothing", tree{"pyproject.toml": "[project]\nname='x'\n"}, None, nil, nil},
		{"pyproject", tree{"pyproject.toml": pyproject}, PyProject, []string{"flask", "numpy"}, nil},
		{"with uv.lock", tree{"pyproject.toml": pyproject, "uv.lock": lock}, UVLock, []string{"flask", "numpy"}, nil},
		{"uv.lock alone", tree{"uv.lock": lock}, None, nil, nil},
		{"requirements before pyproject", tree{"requirements.txt": "tornado", "pyproject.toml": pyproject}, Requirements, []string{"tornado"}, nil},
		{"pylock first", tree{"requirements.txt": "tornado", "pylock.toml": "lock-version='1.0'\n[[packages]]\nname='a'\nversion='1'"}, PyLock, []string{"a"}, nil},
		{
			"all kinds of lines", tree{"requirements.txt": "\ufeffFlask[async]>=2,<3 ; python_version<'4' # why\nzope.interface\nruamel_yaml==0.17 \\\n  --hash=sha256:ab \\\n  --hash=sha256:cd\n--index-url https://example.org/simple\n-f https://example.org\npkg @ https://example.org/pkg-1.0.tar.gz#sha256=ab\ngit+https://example.org/x#egg=y\nother~=1.0\nx(>=1)\n"},
			Requirements, []string{"flask", "other", "pkg", "ruamel-yaml", "x", "y", "zope-interface"}, nil,
		},
		{"UTF-16", tree{"requirements.txt": "\xff\xfef\x00l\x00a\x00s\x00k\x00\r\x00\n\x00"}, Requirements, []string{"flask"}, nil},
		{
			"includes", tree{"requirements.txt": "-r deps/base.txt\n-cdeps/limits.txt\n", "deps/base.txt": "flask\n--requirement=more.txt\n", "deps/more.txt": "numpy", "deps/limits.txt": "secret<2\n"},
			Requirements, []string{"flask", "numpy"}, nil,
		},
		{
			"local ones", tree{"requirements.txt": "./lib[fast] ; python_version>'3'\nvendor/a-1.0-py3-none-any.whl\nb @ file:vendor/b.zip\n-f vendor\n.\n", "lib/setup.py": "", "vendor/a-1.0-py3-none-any.whl": "", "vendor/b.zip": ""},
			Requirements, []string{"a", "b"}, []string{"lib", "vendor/a-1.0-py3-none-any.whl", "vendor/b.zip", "vendor", "."},
		},
		{"included twice", tree{"requirements.txt": "-r a.txt\n-r b.txt", "a.txt": "-r c.txt", "b.txt": "-r c.txt", "c.txt": "x"}, Requirements, []string{"x"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := readTree(test.files)
			if err != nil {
				t.Fatal(err)
			}
			if got.Kind != test.kind || got.Empty() != (test.kind == None) || (got.Digest() == "") != got.Empty() {
				t.Errorf("kind %q, empty %v, digest %q", got.Kind, got.Empty(), got.Digest())
			}
			if diff := cmp.Diff(test.names, got.Requirements()); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(test.local, got.Local()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	for _, test := range []struct {
		name  string
		files tree
		want  string
	}{
		{"editable", tree{"requirements.txt": "flask\n-e lib\n"}, `requirements.txt:2: an editable installation leads out of the environment: write "./lib" instead of "-e lib"`},
		{"editable by its long name", tree{"requirements.txt": "--editable=./lib\n"}, `requirements.txt:1: an editable installation leads out of the environment: write "./lib" instead of "--editable=./lib"`},
		{"one equals sign", tree{"requirements.txt": "# x\nflask = 2.0\n"}, `requirements.txt:2: "flask = 2.0" is no requirement: write "flask==2.0"`},
		{"no sign", tree{"requirements.txt": "flask 2.0\n"}, `requirements.txt:1: "flask 2.0" is no requirement: write "flask==2.0"`},
		{"no version", tree{"requirements.txt": "flask==\n"}, `requirements.txt:1: "flask==" is no requirement: a version is missing`},
		{"a sentence", tree{"requirements.txt": "pip install flask\n"}, `requirements.txt:1: "pip install flask" is no requirement`},
		{"out of main", tree{"requirements.txt": "-r ../secret.txt\n"}, `requirements.txt:1: "../secret.txt" is not below main/`},
		{"out of main by steps", tree{"requirements.txt": "-r d/x.txt\n", "d/x.txt": "\n-c ../../y.txt"}, `d/x.txt:2: "../../y.txt" is not below main/`},
		{"absolute", tree{"requirements.txt": "-r /etc/passwd\n"}, `requirements.txt:1: "/etc/passwd" is not below main/`},
		{"absolute wheel", tree{"requirements.txt": "/home/pi/x-1.0-py3-none-any.whl\n"}, `requirements.txt:1: "/home/pi/x-1.0-py3-none-any.whl" is not below main/: only what is uploaded can be installed`},
		{"absolute address", tree{"requirements.txt": "x @ file:///home/pi/x.whl\n"}, `requirements.txt:1: "/home/pi/x.whl" is not below main/: only what is uploaded can be installed`},
		{"a circle", tree{"requirements.txt": "-r a.txt\n", "a.txt": "x\n-r requirements.txt"}, `a.txt:2: requirements.txt leads back to itself`},
		{"missing", tree{"requirements.txt": "x\n-r a.txt\n"}, `requirements.txt:2: there is no file a.txt`},
		{"missing folder", tree{"requirements.txt": "x\n./lib\n"}, `requirements.txt:2: there is no file or folder "lib"`},
		{"from the web", tree{"requirements.txt": "-r https://example.org/x\n"}, `requirements.txt:1: what is at https://example.org/x may change: put the file into main/ and name it here`},
		{"binary", tree{"requirements.txt": "\x00\x01"}, `requirements.txt: not a text in UTF-8`},
		{"broken TOML", tree{"pyproject.toml": "[project]\nname = \n"}, `pyproject.toml:2: `},
		{"dependencies of another kind", tree{"pyproject.toml": "[project]\ndependencies = 7\n"}, `pyproject.toml`},
		{"lock of tomorrow", tree{"pylock.toml": "lock-version = '2.0'"}, `pylock.toml: a lock file of version "2.0", only 1 is known`},
		{"lock out of main", tree{"pylock.toml": "lock-version='1.0'\n[[packages]]\nname='a'\n[packages.directory]\npath='../a'"}, `pylock.toml: "../a" is not below main/`},
		{"bad condition", tree{"pylock.toml": "lock-version='1.0'\n[[packages]]\nname='a'\nversion='1'\nmarker='x ='"}, `pylock.toml: package a: not a condition`},
		{"old uv.lock", tree{"pyproject.toml": "[project]\ndependencies=['new>1']", "uv.lock": "version=1\n[[package]]\nname='x'\nsource={virtual='.'}"}, "uv.lock: \"new>1\" of pyproject.toml is not in it: run `uv lock`"},
		{"uv.lock of another", tree{"pyproject.toml": "", "uv.lock": "version=1\n"}, "uv.lock: the project itself is not in it: run `uv lock`"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := readTree(test.files)
			problem, ok := errors.AsType[*Problem](err)
			if !ok || !strings.HasPrefix(problem.Error(), test.want) {
				t.Errorf("%v\nwant %s", err, test.want)
			}
		})
	}
}

func TestDigest(t *testing.T) {
	base := func() (tree, []Wheel, ReadOptions) {
		files := tree{"requirements.txt": "-c c.txt\n./lib\nflask", "c.txt": "x<1", "lib/a.py": "1", "main.py": "print()"}
		return files, []Wheel{{"wheels/a.whl", "/x", "aa"}, {"wheels/b.whl", "/y", "bb"}}, ReadOptions{Digest: files.digest}
	}
	digest := func(change func(tree, []Wheel, *ReadOptions)) string {
		files, wheels, options := base()
		change(files, wheels, &options)
		recipe, err := Read(files.read, wheels, options)
		if err != nil {
			t.Fatal(err)
		}
		return recipe.Digest()
	}
	same := digest(func(tree, []Wheel, *ReadOptions) {})
	for name, change := range map[string]func(tree, []Wheel, *ReadOptions){
		"order of wheels":  func(_ tree, w []Wheel, _ *ReadOptions) { w[0], w[1] = w[1], w[0] },
		"where a wheel is": func(_ tree, w []Wheel, _ *ReadOptions) { w[0].File = "/z" },
		"the program":      func(f tree, _ []Wheel, _ *ReadOptions) { f["main.py"] = "print(1)" },
	} {
		if digest(change) != same {
			t.Errorf("%s changes the digest", name)
		}
	}
	for name, change := range map[string]func(tree, []Wheel, *ReadOptions){
		"isolated":        func(_ tree, _ []Wheel, o *ReadOptions) { o.Isolated = true },
		"a constraint":    func(f tree, _ []Wheel, _ *ReadOptions) { f["c.txt"] = "x<2" },
		"a local package": func(f tree, _ []Wheel, _ *ReadOptions) { f["lib/a.py"] = "2" },
		"a wheel":         func(_ tree, w []Wheel, _ *ReadOptions) { w[1].Sum = "cc" },
	} {
		if digest(change) == same {
			t.Errorf("%s does not change the digest", name)
		}
	}
}

func TestNotes(t *testing.T) {
	recipe, err := readTree(tree{"pyproject.toml": "[project]\ndynamic = ['dependencies']\n"})
	if err != nil || !recipe.Empty() || len(recipe.Notes) != 1 {
		t.Errorf("%+v, %v", recipe, err)
	}
}

// here are surroundings as an interpreter tells them.
var here = surroundings{variables: map[string]string{
	"python_version": "3.11", "python_full_version": "3.11.2", "sys_platform": "linux", "platform_machine": "armv7l",
	"os_name": "posix", "implementation_name": "cpython", "platform_system": "Linux",
}}

func TestMarkers(t *testing.T) {
	for text, want := range map[string]bool{
		"":                                 true,
		"python_version >= '3.9'":          true,
		"python_version < '3.9'":           false, // as versions: 3.11 is later
		"python_full_version < \"3.12.*\"": true,  // as text
		"'3.12' > python_version":          true,
		"python_version == '3.*'":          true,
		"python_version ~= '3.9'":          true,
		"python_version != '3.11'":         false,
		"sys_platform == 'win32' or platform_machine == 'armv7l'":             true,
		"sys_platform == 'win32' and os_name == 'nt' or os_name == 'posix'":   true,
		"sys_platform == 'win32' and (os_name == 'nt' or os_name == 'posix')": false,
		"'arm' in platform_machine":                                           true, "'x86' not in platform_machine": true,
		"os.name == 'posix'":                true,
		"extra == 'fast'":                   false,
		"'dev' in extras":                   false,
		"'Main_group' in dependency_groups": true,
	} {
		m, err := parseMarker(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		s := here
		s.sets = map[string][]string{"extras": nil, "dependency_groups": {"main-group"}}
		if got := m.in(s); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	for _, text := range []string{"x", "x ==", "(x == 'y'", "x == 'y')", "x = 'y'", "x == 'y' and", "and == or", "x not 'y'", strings.Repeat("(", 1000) + "x=='y'"} {
		if _, err := parseMarker(text); !errors.Is(err, errMarker) {
			t.Errorf("%s was read", text)
		}
	}
}

func TestVersions(t *testing.T) {
	ordered := []string{"1.0.dev1", "1.0a1", "1.0a2.dev1", "1.0a2", "1.0b1", "1.0rc1", "1.0", "1.0.post1", "1.0.1", "1.10", "2", "1!0.1"}
	for i, a := range ordered {
		for j, b := range ordered {
			left, ok1 := parseVersion(a)
			right, ok2 := parseVersion(b)
			if got := compareVersions(left, right); !ok1 || !ok2 || (got < 0) != (i < j) || (got > 0) != (i > j) {
				if a != "1.0a2.dev1" && b != "1.0a2.dev1" {
					t.Errorf("%s and %s: %d", a, b, got)
				}
			}
		}
	}
	for _, test := range []struct {
		version, specifiers string
		allowed, ok         bool
	}{
		{"3.11.2", ">=3.9,<4", true, true}, {"3.11.2", ">=3.12", false, true}, {"3.11.2", "==3.11.*", true, true},
		{"3.11.2", "!=3.11.2", false, true}, {"3.11.0", "==3.11", true, true}, {"3.11.2", "~=3.8", true, true},
		{"3.11.2", "", true, true}, {"3.11.2", "^3.9", true, false}, {"3.11.2", ">=x", true, false},
	} {
		if allowed, ok := satisfies(test.version, test.specifiers); allowed != test.allowed || ok != test.ok {
			t.Errorf("%s %s: %v %v", test.version, test.specifiers, allowed, ok)
		}
	}
}

const exampleUVLock = `
version = 1
requires-python = ">=3.9"
[[package]]
name = "app"
source = { virtual = "." }
dependencies = [
  { name = "flask", extra = ["async"] },
  { name = "win", marker = "sys_platform == 'win32'" },
  { name = "numpy", version = "1.0", source = { registry = "https://packages.example.com/simple" }, marker = "python_full_version < '3.10'" },
  { name = "numpy", version = "2.0", source = { registry = "https://packages.example.com/simple" }, marker = "python_full_version >= '3.10'" },
  { name = "lib" }, { name = "gitty" }, { name = "direct" },
]
[package.dev-dependencies]
dev = [{ name = "pytest" }]
[[package]]
name = "flask"
version = "3.0"
source = { registry = "https://packages.example.com/simple" }
dependencies = [{ name = "flask" }, { name = "jinja2" }]
sdist = { url = "https://x/flask.tar.gz", hash = "sha256:aa", size = 1 }
wheels = [{ url = "https://x/flask.whl", hash = "sha256:bb" }]
[package.optional-dependencies]
async = [{ name = "asgiref" }]
[[package]]
name = "jinja2"
version = "1"
source = { registry = "https://other.example/simple" }
wheels = [{ url = "https://x/j.whl", hash = "sha256:cc" }]
[[package]]
name = "asgiref"
version = "3"
source = { registry = "https://packages.example.com/simple" }
[[package]]
name = "win"
version = "1"
source = { registry = "https://packages.example.com/simple" }
[[package]]
name = "numpy"
version = "1.0"
source = { registry = "https://packages.example.com/simple" }
[[package]]
name = "numpy"
version = "2.0"
source = { registry = "https://packages.example.com/simple" }
[[package]]
name = "lib"
source = { editable = "lib" }
[[package]]
name = "gitty"
version = "1"
source = { git = "https://host/g?rev=v1&subdirectory=s#abc" }
[[package]]
name = "direct"
version = "1"
source = { url = "https://host/d.whl" }
wheels = [{ url = "https://host/d.whl", hash = "sha256:dd" }]
[[package]]
name = "pytest"
version = "8"
source = { registry = "https://packages.example.com/simple" }
`

func TestUVLock(t *testing.T) {
	recipe, err := readTree(tree{"pyproject.toml": "[project]\ndependencies=['Flask[async]','numpy']", "uv.lock": exampleUVLock, "lib/x.py": ""})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"asgiref", "direct", "flask", "gitty", "jinja2", "lib", "numpy", "win"}, recipe.Requirements()); diff != "" {
		t.Error(diff)
	}
	want := []string{
		"flask==3.0 sha256:bb sha256:aa", "numpy==2.0", "./lib", "gitty @ git+https://host/g@abc#subdirectory=s",
		"direct @ https://host/d.whl sha256:dd", "jinja2==1 sha256:cc", "asgiref==3",
	}
	if diff := cmp.Diff(want, pinsOf(t, recipe)); diff != "" {
		t.Error(diff)
	}
	if recipe.Python != ">=3.9" || !slices.Equal(recipe.Local(), []string{"lib"}) {
		t.Errorf("%q %v", recipe.Python, recipe.Local())
	}
}

func pinsOf(t *testing.T, recipe Recipe) []string {
	t.Helper()
	pins, err := recipe.lock.pins(here)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, one := range pins {
		texts = append(texts, strings.Join(append([]string{one.requirement}, one.hashes...), " "))
	}
	return texts
}

const examplePyLock = `
lock-version = "1.0"
environments = ["sys_platform == 'linux'"]
requires-python = ">=3.9"
extras = ["fast"]
default-groups = ["main"]
[[packages]]
name = "attrs"
version = "25.1.0"
[[packages.wheels]]
name = "attrs-25.1.0-py3-none-any.whl"
url = "https://files/attrs-25.1.0-py3-none-any.whl"
hashes = {sha256 = "c75a", md5 = "x"}
[packages.sdist]
url = "https://files/attrs.tar.gz"
hashes = {sha256 = "0000"}
[[packages]]
name = "quick"
version = "1"
marker = "'fast' in extras"
[[packages]]
name = "grouped"
version = "1"
marker = "'main' in dependency_groups and python_version > '3.8'"
[[packages]]
name = "own"
[packages.directory]
path = "lib"
editable = true
[[packages]]
name = "zipped"
[packages.archive]
path = "vendor/z.zip"
hashes = {sha256 = "aa"}
[[packages]]
name = "versioned"
version = "1"
[packages.vcs]
type = "git"
url = "https://host/v"
commit-id = "abc"
[[packages]]
name = "brought"
version = "1.0"
[[packages.wheels]]
path = "wheels/brought-1.0-py3-none-any.whl"
hashes = {sha256 = "bb"}
`

func TestPyLock(t *testing.T) {
	files := tree{"pylock.toml": examplePyLock, "lib/x.py": "", "vendor/z.zip": ""}
	recipe, err := readTree(files, Wheel{Path: "wheels/brought-1.0-py3-none-any.whl"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"attrs==25.1.0 sha256:c75a sha256:0000", "grouped==1", "./lib", "./vendor/z.zip sha256:aa",
		"versioned @ git+https://host/v@abc", "brought==1.0 sha256:bb",
	}
	if diff := cmp.Diff(want, pinsOf(t, recipe)); diff != "" {
		t.Error(diff)
	}
	elsewhere := surroundings{variables: map[string]string{"sys_platform": "darwin"}}
	if _, err := recipe.lock.pins(elsewhere); err == nil || !strings.Contains(err.Error(), "not made for this machine") {
		t.Errorf("%v", err)
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{"flask==1\n-r a.txt\n-e .\n", examplePyLock, exampleUVLock, "x @ file:a.whl ; 'a' in b\n\\\n#\n-", "\xff\xfea\x00"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		for _, files := range []tree{
			{"requirements.txt": first, "a.txt": second}, {"pylock.toml": first},
			{"pyproject.toml": first, "uv.lock": second}, {"pyproject.toml": first},
			{"pyproject.toml": "", "uv.lock": first},
		} {
			recipe, err := readTree(files)
			if _, ok := errors.AsType[*Problem](err); err != nil && !ok {
				t.Errorf("not a problem: %v", err)
			}
			if recipe.lock != nil {
				_, _ = recipe.lock.pins(here)
			}
			for _, name := range recipe.local {
				if !fs.ValidPath(name) {
					t.Errorf("%q is not below main/", name)
				}
			}
		}
	})
}

func TestForeignIndexes(t *testing.T) {
	const usual, other = "https://packages.example.com/simple", "https://other.example.com/simple"
	pins := []pin{{index: other}, {index: usual}, {index: usual}, {index: ""}, {index: "../files"}}
	if got := foreignIndexes(pins); !slices.Equal(got, []string{other}) {
		t.Errorf("%q", got)
	}
	if got := foreignIndexes(pins[1:]); len(got) > 0 {
		t.Errorf("%q", got)
	}
	if got := foreignIndexes(nil); len(got) > 0 {
		t.Errorf("%q", got)
	}
}
