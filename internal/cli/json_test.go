package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"ota/internal/api"
	"ota/internal/logs"
)

// silent are the commands that print no facts: what they do is done, or has
// failed, and the exit code tells. So they have no --json.
var silent = map[string]string{
	"ota": "a help", "ota help": "a help", "ota completion": "a script", "ota busy": "what its command prints", "ota run": "a log",
	"ota init": "done", "ota install": "done", "ota uninstall": "done",
	"ota reload": "done", "ota self-update": "done", "ota takeover": "a word for another ota",
	"ota start": "done", "ota stop": "done", "ota restart": "done", "ota pin": "done", "ota unpin": "done", "ota sign": "done", "ota receive": "a protocol",
	"ota web password": "done", "ota web logout": "done", "ota web token revoke": "done",
}

// TestFactsAreJSON: whatever prints facts prints them for programs, too.
func TestFactsAreJSON(t *testing.T) {
	var look func(*cobra.Command)
	look = func(cmd *cobra.Command) {
		_, isSilent := silent[cmd.CommandPath()]
		if has := cmd.Flags().Lookup("json") != nil; has == isSilent {
			t.Errorf("%q has --json: %v", cmd.CommandPath(), has)
		}
		for _, below := range cmd.Commands() {
			look(below)
		}
	}
	look(Commands())
}

// TestJSONOfWhatWasAsked: with the exit code that it has without.
func TestJSONOfWhatWasAsked(t *testing.T) {
	h := &house{}
	dir := serve(t, h)
	for _, test := range []struct {
		args   string
		set    func()
		code   int
		stdout string
	}{
		{"apply", func() { h.apply = api.ApplyResult{Outcome: api.Applied, Release: new(7)} }, 0, `{"outcome": "applied", "release": 7, "reasons": []}`},
		{"apply", func() { h.apply = api.ApplyResult{Outcome: api.NothingThere} }, 0, `{"outcome": "empty", "release": null, "reasons": []}`},
		{"retry", func() {
			h.apply = api.ApplyResult{Outcome: api.NotTaken, Reasons: []api.Reason{{Message: "cut off"}}}
		}, 3,
			`{"outcome": "held", "release": null, "reasons": [{"path": null, "line": null, "column": null, "source": null, "message": "cut off", "hint": null}]}`},
		{"retry", func() { h.apply = api.ApplyResult{Outcome: api.Postponed} }, 3, `{"outcome": "deferred", "release": null, "reasons": []}`},
		{"apply", func() { h.apply = api.ApplyResult{Outcome: api.Busy} }, 1, `{"outcome": "busy", "release": null, "reasons": []}`},
		{"rollback", func() { h.went = api.WentBack{Release: 3, State: api.Trial} }, 0, `{"release": 3, "state": "trial"}`},
		{"fetch", func() { h.polled = api.Polled{Outcome: api.PollBrought, Release: new("v2")} }, 0, `{"outcome": "brought", "release": "v2", "reason": null}`},
		{"fetch", func() { h.polled = api.Polled{Outcome: api.PollWaits} }, 3, `{"outcome": "waits", "release": null, "reason": null}`},
		{"discard", func() { h.discard = api.Discarded{Files: 2, Folder: new(api.Path(".ota/discarded/3"))} }, 0, `{"files": 2, "folder": ".ota/discarded/3"}`},
	} {
		test.set()
		got := call(test.args, "--json", "-C", dir)
		if got.Code != test.code || got.Stderr != "" {
			t.Errorf("%s: %+v", test.args, got)
		}
		checkJSON(t, test.stdout, got.Stdout)
	}
}

func checkJSON(t *testing.T, want, got string) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal([]byte(want), &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(got), &b); err != nil {
		t.Errorf("%v: %s", err, got)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestVersionJSON(t *testing.T) {
	var got map[string]any
	if err := json.Unmarshal([]byte(call("version", "--json").Stdout), &got); err != nil || got["version"] != version() || got["go"] == "" {
		t.Errorf("%v, %v", got, err)
	}
}

// TestLogsJSON: from an ota that runs, and from a file of one that ran, in which
// somebody has written too.
func TestLogsJSON(t *testing.T) {
	dir := serve(t, &house{lines: []logs.Line{{Seq: 1, Time: noon, Source: logs.MainErr, Text: "a : b <c>"}}})
	const want = "{\"time\":\"2026-11-23T12:00:00Z\",\"source\":\"MAIN!\",\"text\":\"a : b <c>\"}\n"
	check(t, call("logs", "--json", "-C", dir), called{0, want, ""})
	dir = t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "logs"), 0o700); err != nil {
		t.Fatal(err)
	}
	text := "[23/11/26 12:00:00] MAIN! : a : b <c>\nwhat is this\n"
	if err := os.WriteFile(filepath.Join(dir, "logs", "logfile_23-11-26_12.00.00.log"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := call("logs", "--json", "-C", dir)
	if got.Code != 0 || got.Stdout != want+"{\"time\":null,\"source\":null,\"text\":\"what is this\"}\n" || !strings.Contains(got.Stderr, "not running") {
		t.Errorf("%+v", got)
	}
	check(t, called{Stdout: call("logs", "-C", dir).Stdout}, called{Stdout: text})
}
