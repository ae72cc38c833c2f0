package cli

import (
	"os"
	"path/filepath"
	"testing"
)

func TestInit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "garden")
	next := "\nnext:\n  ota run " + dir + "\n  echo Good morning > " + dir + "/deposit/info.txt\n  ota -C " + dir + " status\n"
	check(t, call("init", "--example", dir), called{0,
		"made in " + dir + ": ./ deposit/ main/ logs/ ota.toml main/info.txt main/main.py\n" + next, ""})
	for _, name := range []string{"info.txt", "main.py"} {
		want, err := os.ReadFile(filepath.Join("..", "..", "examples", "hello", "main", name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, "main", name))
		if err != nil || string(got) != string(want) {
			t.Errorf("%s is %q, %v", name, got, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, ".ota")); err == nil {
		t.Error("there is an .ota")
	}
	check(t, call("-C", dir, "config"), call("-C", t.TempDir(), "config"))
	check(t, call("init", dir), called{0, "there already: deposit/ main/ logs/ ota.toml\n", ""})
}

// TestInitOverwritesNothing: what a person has made stays.
func TestInitOverwritesNothing(t *testing.T) {
	dir := settle(t, "[store]\nkeep = 3\n", "[trial]\nready = true\n")
	if err := os.WriteFile(filepath.Join(dir, "main", "main.py"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "main", "info.txt")); err != nil {
		t.Skip(err)
	}
	check(t, call("init", "--example", dir), called{0, "made in " + dir + ": deposit/ logs/\nthere already: main/ ota.toml\n" +
		"main/ is not empty: the example is left out\n\nnext:\n  ota run " + dir + "\n  cp main.py " + dir + "/deposit/main.py\n  ota -C " + dir + " status\n", ""})
	for name, want := range map[string]string{"ota.toml": "[store]\nkeep = 3\n", "main/main.py": "mine"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v", name, got, err)
		}
	}
	check(t, call("init", filepath.Join(dir, "ota.toml")), called{1, "",
		"ota: cannot make a folder to begin with: " + dir + "/ota.toml is not a folder\n"})
}

func TestShellWord(t *testing.T) {
	for word, want := range map[string]string{"/home/pi/garden": "/home/pi/garden", "my garden": "'my garden'", "a'$(b)": `'a'\''$(b)'`} {
		if got := shellWord(word); got != want {
			t.Errorf("%q becomes %s, want %s", word, got, want)
		}
	}
}
