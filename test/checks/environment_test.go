//go:build linux

package checks

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ota/test/harness"
)

// requirementCases are files that say what is needed, and say it wrongly.
func requirementCases(*testing.T) []one {
	lines := func(name, text string) one {
		return one{name: name, upload: harness.Tree{"requirements.txt": harness.File(text)}}
	}
	return []one{
		lines("requirement-equals", "# ours\nflask=2.0\n"),
		lines("requirement-version", "flask 2.0\n"),
		lines("requirement-words", "please install flask\n"),
		lines("requirement-specifier", "surely-not[extra\n"),
		lines("requirement-editable", "-e .\n"),
		lines("requirement-file-missing", "wheel\n-r more.txt\n"),
		{name: "requirement-file-circle", upload: harness.Tree{
			"requirements.txt": harness.File("-r requirements-more.txt\n"), "requirements-more.txt": harness.File("\n-r requirements.txt\n"),
		}},
		lines("requirement-address", "-r https://example.org/requirements.txt\n"),
		lines("requirement-option", "--no-such-option\nflask\n"),
		lines("requirement-outside", "../flask-2.0-py3-none-any.whl\n"),
		lines("requirement-place-missing", "./vendor/flask\n"),
		lines("requirement-bytes", "fl\xe4sk\n"),
		lines("requirement-nothing-there", "surely_not_there\n"),
	}
}

// projectCases are projects and lock files, where there is no requirements.txt.
func projectCases(*testing.T) []one {
	project := func(name, text string) one {
		return one{
			name: name, upload: harness.Tree{"pyproject.toml": harness.File(text)},
			fixed: harness.Tree{"pyproject.toml": harness.File("[project]\nname = \"" + name + "\"\nversion = \"1\"\n")},
		}
	}
	return []one{
		project("project-syntax", "[project\n"),
		project("project-python", "[project]\nname = \"x\"\nversion = \"1\"\nrequires-python = \">=3.99\"\n\ndependencies = [\"six\"]\n"),
		{
			name: "lock-version", upload: harness.Tree{"pylock.toml": harness.File("lock-version = \"2.0\"\n")},
			fixed: harness.Tree{"pylock.toml": harness.File("lock-version = \"1.0\"\npackages = []\n")},
		},
		{
			name: "lock-outside", upload: harness.Tree{"pylock.toml": harness.File(`lock-version = "1.0"
[[packages]]
name = "mine"
directory = { path = "../mine" }
`)},
			fixed: harness.Tree{"pylock.toml": harness.File("lock-version = \"1.0\"\npackages = []\n# fixed\n")},
		},
	}
}

// wheelCases are wheels that are not what is needed.
func wheelCases(t *testing.T) []one {
	good := wheel{name: "alpha"}
	sum := strings.Repeat("0", 64)
	local := func(name string, upload harness.Tree) one { return one{name: name, upload: upload} }
	return []one{
		local("wheel-version", packed(t, "alpha==2.0\n", good)),
		local("wheel-machine", packed(t, "beta\n", wheel{name: "beta", tags: "cp38-cp38-win_amd64"})),
		local("wheel-machine-by-path", packed(t, "./wheels/gamma-1.0-py3-none-win_amd64.whl\n", wheel{name: "gamma", tags: "py3-none-win_amd64"})),
		local("wheel-python", packed(t, "delta\n", wheel{name: "delta", tags: "cp27-none-any"})),
		local("wheel-requires-python", packed(t, "epsilon\n", wheel{name: "epsilon", meta: "Requires-Python: >=3.99\n"})),
		local("wheel-hash", packed(t, "zeta==1.0 --hash=sha256:"+sum+"\n", wheel{name: "zeta"})),
		local("wheel-conflict", packed(t, "eta\ntheta\n",
			wheel{name: "eta", meta: "Requires-Dist: alpha==1.0\n"}, wheel{name: "theta", meta: "Requires-Dist: alpha==3.0\n"},
			wheel{name: "alpha", version: "3.0"})),
		local("wheel-needs-another", packed(t, "iota\n", wheel{name: "iota", meta: "Requires-Dist: not_there_too\n"})),
		local("wheel-torn", harness.Tree{
			"requirements.txt": harness.File("kappa\n"), "wheels/kappa-1.0-py3-none-any.whl": harness.File("PK\x03\x04 torn\n"),
		}),
		local("wheel-lacks-module", packed(t, "lamda\n", wheel{name: "lamda", files: map[string]string{"other/__init__.py": ""}}).
			Over(harness.Tree{"main.py": program("import lamda\n")})),
		local("wheel-lacks-part", packed(t, "nu\n", wheel{name: "nu"}).Over(harness.Tree{"main.py": program("import nu.gone\n")})),
		local("source-build", harness.Tree{
			"requirements.txt": harness.File("./vendor/omicron\n"), "vendor/omicron/setup.cfg": harness.File("[metadata]\nname = omicron\n"),
			"vendor/omicron/pyproject.toml": harness.File("[build-system]\nrequires = [\"not-there-builder\"]\nbuild-backend = \"builder\"\n"),
		}),
		{name: "good-wheel", ends: taken, upload: packed(t, "mu\n", wheel{name: "mu"}).Over(harness.Tree{
			"main.py": program("import mu\n"),
		})},
	}
}

// indexCases are servers that do not do their part.
func indexCases(t *testing.T) []one {
	server := func(answer http.HandlerFunc) string {
		server := httptest.NewServer(answer)
		t.Cleanup(server.Close)
		return server.URL + "/simple"
	}
	status := func(code int) string {
		return server(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
	}
	at := func(name, address string) one {
		return one{name: name, upload: harness.Tree{
			"requirements.txt": harness.File("somewhere\n"),
			"ota.toml":         harness.File(fmt.Sprintf("[python]\nindex = %q\n", address)),
		}}
	}
	return []one{
		at("index-away", "http://127.0.0.1:1/simple"),
		at("index-500", status(http.StatusInternalServerError)),
		at("index-503", status(http.StatusServiceUnavailable)),
		at("index-404", status(http.StatusNotFound)),
		at("index-403", status(http.StatusForbidden)),
		at("index-garbage", server(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html><body>Welcome to the hotel's network</body>")
		})),
		at("index-breaks-off", server(func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) })),
		at("index-torn-wheel", server(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			if strings.HasSuffix(r.URL.Path, ".whl") {
				fmt.Fprint(w, "not a wheel")
				return
			}
			fmt.Fprint(w, `<a href="/somewhere-1.0-py3-none-any.whl">somewhere-1.0-py3-none-any.whl</a>`)
		})),
	}
}

// TestFullInPip: where there is no room for what pip unpacks, the old program
// goes on, and a smaller upload is taken.
func TestFullInPip(t *testing.T) {
	t.Parallel()
	needPip(t)
	harness.NeedRoot(t)
	dir := harness.FastDir(t)
	own := filepath.Join(dir, ".ota")
	if err := os.MkdirAll(own, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", own, "tmpfs", 0, "size=12m"); err != nil {
		harness.Lack(t, "nothing can be mounted here: "+err.Error())
	}
	t.Cleanup(func() { syscall.Unmount(own, syscall.MNT_DETACH) })
	d := layOut(t, dir, good, "[python]\noffline = true\n")
	d.Start()
	awaitNext(d, 0)
	large := wheel{name: "large", files: map[string]string{"large/data": strings.Repeat("x", 16<<20), "large/__init__.py": ""}}
	small := wheel{name: "large", version: "2.0"}
	one{
		name: "full", upload: packed(t, "large\n", large),
		fixed: packed(t, "large==2.0\n", small),
	}.run(t, d)
}
