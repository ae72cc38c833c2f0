package cli

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("update", false, "rewrite the golden files")

// settle makes a folder with these two files; empty: none.
func settle(t *testing.T, device, travelling string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "main"), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{"ota.toml": device, "main/ota.toml": travelling} {
		if text == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestConfig compares with the files in testdata.
func TestConfig(t *testing.T) {
	const device = `
[program]
env = { LANG = "de", "a b" = "\u001b[2J" }
stop_timeouts = ["30s"]
user = 1000
[update]
ignore = ["*.bak", "drafts/", "a pattern that is longer than others are"]
`
	const travelling = `
[program]
command = ["python3", "app.py"]
env = { LANG = "C", API_TOKEN = "hunter2" }
user = "root"
[python]
index = "https://me:hunter2@example.com/simple"
preload = ["numpy"]
`
	dir := settle(t, device, travelling)
	warning := "ota: " + dir + "/main/ota.toml:5: user counts only in the device's ota.toml, beside deposit/\n"
	for _, test := range []struct {
		name, dir, stderr string
		args              []string
	}{
		{"config-default.toml", t.TempDir(), "", nil},
		{"config.toml", dir, warning, nil},
		{"config-secrets.toml", dir, warning, []string{"--show-secrets"}},
		{"config.json", dir, warning, []string{"--json"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := call(append([]string{"config", "-C", test.dir}, test.args...)...)
			file := filepath.Join("testdata", test.name)
			stdout := strings.ReplaceAll(got.Stdout, filepath.ToSlash(test.dir), "DIR")
			if *rewrite {
				if err := os.WriteFile(file, []byte(stdout), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			check(t, called{got.Code, stdout, filepath.ToSlash(got.Stderr)}, called{0, string(want), filepath.ToSlash(test.stderr)})
			if show := len(test.args) > 0 && test.args[0] == "--show-secrets"; strings.Contains(got.Stdout, "hunter2") != show {
				t.Errorf("secrets are shown: %v", !show)
			}
		})
	}
}

func TestConfigIsWrong(t *testing.T) {
	dir := settle(t, "[update]\nquite = 1\n", "")
	want := "ota: " + filepath.Join(dir, "ota.toml") + ":2: unknown key \"quite\" in [update] (did you mean \"quiet\"?)\n"
	check(t, call("config", "-C", dir), called{1, "", want})
	check(t, call("config", "-C", dir, "--json"), called{1, "", want})

	dir = settle(t, "[program]\nnice = 3\n", "[program]\nnice = 4\n[logs]\n")
	got := call("config", "-C", dir)
	want = "ota: " + filepath.Join(dir, "main", "ota.toml") + ":3: [logs] counts only in the device's ota.toml, beside deposit/\n" +
		"ota: main/ota.toml does not count as long as it is like that\n"
	if got.Code != 1 || got.Stderr != want || !strings.Contains(got.Stdout, "\nnice = 3  ") {
		t.Errorf("got %+v", got)
	}
	got = call("config", "-C", dir, "--json")
	if got.Code != 1 || got.Stderr != want || !strings.Contains(got.Stdout, `"line": 3`) {
		t.Errorf("got %+v", got)
	}
	check(t, call("config", "-C", filepath.Join(dir, "none")), called{1, "",
		"ota: cannot tell the settings: there is no folder " + filepath.Join(dir, "none") + "\nhint: make it first: mkdir \"" + filepath.Join(dir, "none") + "\"\n"})
}
