package cli

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"ota/internal/api"
)

// TestCompletion asks as the scripts of the shells do.
func TestCompletion(t *testing.T) {
	h := &house{
		history: []api.HistoryEntry{
			{Number: 12, State: api.RolledBack, Created: noon},
			{Number: 2, State: api.Confirmed, Created: noon, Current: true, Pinned: true},
		},
		tokens: []api.Token{{Name: "ci", Allow: []api.Right{api.Read, api.Upload}}},
	}
	dir, nobody := serve(t, h), t.TempDir()
	t.Setenv("HOME", nobody)
	if err := os.Mkdir(filepath.Join(nobody, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(nobody, ".ssh", "config"), []byte("Host greenhouse kitchen\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const twelve, two = "12\trolled back, 2026-11-23 12:00\n", "2\tconfirmed, pinned, 2026-11-23 12:00, in main/\n"
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"-C", dir, "rollback", ""}, twelve + two + ":36\n"},
		{[]string{"-C", dir, "why", "1"}, twelve + ":36\n"},
		{[]string{"-C", dir, "diff", "2", ""}, twelve + two + ":36\n"},
		{[]string{"-C", dir, "pin", "2", ""}, ":4\n"},
		{[]string{"-C", dir, "web", "token", "revoke", ""}, "ci\tmay read, upload\n:4\n"},
		{[]string{"-C", nobody, "unpin", ""}, ":36\n"},
		{[]string{"-C", nobody, "web", "token", "revoke", ""}, ":4\n"},
		{[]string{"-C", ""}, ":16\n"},
		{[]string{"start", ""}, ":4\n"},
		{[]string{"install", ""}, ":16\n"},
		{[]string{"uninstall", ""}, ":16\n"},
		{[]string{"setup", "pi@gr"}, "pi@greenhouse\n:4\n"},
		{[]string{"setup", "greenhouse", ""}, ":4\n"},
		{[]string{"setup", "--binaries", ""}, ":16\n"},
		{[]string{"notify", "--event", ""}, "failed\nrolled-back\ncrash-looping\nrecovered\nheld\nconfirmed\n:4\n"},
		{[]string{"web", "token", "--allow", ""}, "read\nupload\ncontrol\n:4\n"},
	} {
		got := call(append([]string{"__complete"}, test.args...)...)
		if got.Code != 0 || got.Stdout != test.want {
			t.Errorf("%q: code %d, offered %q, want %q", test.args, got.Code, got.Stdout, test.want)
		}
	}
	h.err = errors.New("releases/3.json is damaged")
	if got := call("__complete", "-C", dir, "rollback", "12"); got.Stdout != twelve+":36\n" {
		t.Errorf("with some of the history: %q", got.Stdout)
	}
}

// TestCompletionWithoutOta: tokens are known from the disk, too.
func TestCompletionWithoutOta(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".ota"), 0o700); err != nil {
		t.Fatal(err)
	}
	const file = `{"tokens": [{"name": "laptop", "allow": ["upload"], "created": "2026-11-23T12:00:00Z",
		"sha256": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}]}`
	if err := os.WriteFile(filepath.Join(dir, ".ota", "access.json"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := call("__complete", "-C", dir, "web", "token", "revoke", "l").Stdout, "laptop\tmay upload\n:4\n"; got != want {
		t.Errorf("offered %q, want %q", got, want)
	}
}
