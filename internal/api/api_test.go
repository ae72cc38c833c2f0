package api

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ota/internal/reason"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// TestJSON compares with what users were promised, key by key.
func TestJSON(t *testing.T) {
	tests := []struct {
		name string
		v    any
		want string
	}{
		{
			"status, everything there",
			Status{
				Running: true, PID: new(4711), Version: "0.1.0", Dir: "/home/pi/garden",
				Program: Program{
					State: Running, PID: new(4712), Started: &noon, Restarts: 1,
					LastExit: &Exit{Code: new(1), At: noon}, CrashLooping: true,
				},
				Release: &Release{Number: 3, Digest: "sha256:00", State: Confirmed, Pinned: true},
				Deposit: Deposit{
					State: Held, Files: 2, Bytes: 12345,
					Reasons: Reasons([]reason.Reason{{Path: "main.py", Line: 3, Message: "a < b & c"}}),
				},
			},
			`{"running": true, "pid": 4711, "version": "0.1.0", "dir": "/home/pi/garden",
			  "program": {"state": "running", "pid": 4712, "started": "2026-11-23T12:00:00Z", "restarts": 1,
			    "last_exit": {"code": 1, "signal": null, "cause": null, "at": "2026-11-23T12:00:00Z"},
			    "crash_looping": true,
			    "phase": null, "status_text": null, "doing": null, "notice": null},
			  "release": {"number": 3, "digest": "sha256:00", "state": "confirmed", "pinned": true, "packed": null},
			  "deposit": {"state": "held", "files": 2, "bytes": 12345,
			    "reasons": [{"path": "main.py", "line": 3, "column": null, "source": null, "message": "a < b & c", "hint": null}], "doing": null, "arriving": null},
			  "web": {"address": null, "problem": null, "fingerprint": null, "announced": null}, "mqtt": null, "source": null, "history": 0}`,
		},
		{
			"status, nothing there",
			Status{Version: "0.1.0", Dir: "/"},
			`{"running": false, "pid": null, "version": "0.1.0", "dir": "/",
			  "program": {"state": null, "pid": null, "started": null, "restarts": 0, "last_exit": null,
			    "crash_looping": false,
			    "phase": null, "status_text": null, "doing": null, "notice": null},
			  "release": null,
			  "deposit": {"state": null, "files": 0, "bytes": 0, "reasons": [], "doing": null, "arriving": null},
			  "web": {"address": null, "problem": null, "fingerprint": null, "announced": null}, "mqtt": null, "source": null, "history": 0}`,
		},
		{
			"killed by a signal",
			Exit{Signal: new("SIGSEGV"), At: noon},
			`{"code": null, "signal": "SIGSEGV", "cause": null, "at": "2026-11-23T12:00:00Z"}`,
		},
		{
			"a reason that concerns no file",
			Reasons([]reason.Reason{{Message: "no space"}}),
			`[{"path": null, "line": null, "column": null, "source": null, "message": "no space", "hint": null}]`,
		},
		{
			"history",
			List[HistoryEntry]{{
				Number: 2, Digest: "sha256:00", State: RolledBack, Current: false, From: new(1), Created: noon,
				Files:  List[FileChange]{{Path: "a\xff\"b", Change: Added}, {Path: "käse\n", Change: Removed}},
				Reason: new("exit code 1"),
			}, {Number: 1, Digest: "sha256:11", State: Adopted, Current: true, Pinned: true, Created: noon}},
			`[{"number": 2, "digest": "sha256:00", "state": "rolled back", "current": false, "pinned": false, "from": 1,
			   "created": "2026-11-23T12:00:00Z",
			   "files": [{"path": "a\\xff\"b", "change": "added"}, {"path": "käse\n", "change": "removed"}],
			   "bytes": null, "reason": "exit code 1", "environment": null, "packed": null},
			  {"number": 1, "digest": "sha256:11", "state": "adopted", "current": true, "pinned": true, "from": null,
			   "created": "2026-11-23T12:00:00Z", "files": [], "bytes": null, "reason": null, "environment": null, "packed": null}]`,
		},
		{
			"what apply did",
			ApplyResult{Outcome: NothingChanged},
			`{"outcome": "nothing changed", "release": null, "reasons": []}`,
		},
		{
			"nothing has failed",
			Why{},
			`{"release": null, "state": null, "reason": null, "held": [], "evidence": null}`,
		},
		{
			"why, everything there",
			Why{
				Release: new(7), State: new(RolledBack), Reason: new("exit code 1"),
				Held: Reasons([]reason.Reason{{Path: "main.py", Message: "it failed its trial"}}),
				Evidence: &Evidence{
					At: noon, Why: "exit code 1, twice within 10s", Exit: &Ending{Code: new(1)},
					Traceback: &Traceback{Error: "ValueError: boom", File: "a\xff.py", Line: 12, Function: new("read"), Source: new("return 1")},
					Probes:    List[ProbeAnswer]{{Probe: "http :80", Answer: "BAD", Detail: new("refused"), Before: new("OK")}},
					BackTo:    new(6), Files: List[FileChange]{{Path: "main.py", Change: Replaced}},
					Output: List[string]{"one", "<two>"},
				},
			},
			`{"release": 7, "state": "rolled back", "reason": "exit code 1",
			  "held": [{"path": "main.py", "line": null, "column": null, "source": null, "message": "it failed its trial", "hint": null}],
			  "evidence": {"at": "2026-11-23T12:00:00Z", "why": "exit code 1, twice within 10s",
			    "exit": {"code": 1, "signal": null},
			    "traceback": {"error": "ValueError: boom", "file": "a\\xff.py", "line": 12, "function": "read", "source": "return 1"},
			    "probes": [{"probe": "http :80", "answer": "BAD", "detail": "refused", "before": "OK"}],
			    "back_to": 6, "files": [{"path": "main.py", "change": "replaced"}], "output": ["one", "<two>"]}}`,
		},
		{
			"little evidence",
			Evidence{At: noon, Why: "it never got ready", Exit: &Ending{Signal: new("SIGKILL")}, Traceback: &Traceback{Error: "E", File: "f"}},
			`{"at": "2026-11-23T12:00:00Z", "why": "it never got ready", "exit": {"code": null, "signal": "SIGKILL"},
			  "traceback": {"error": "E", "file": "f", "line": 0, "function": null, "source": null},
			  "probes": [], "back_to": null, "files": [], "output": []}`,
		},
		{
			"diff",
			Diff{From: 0, To: 2, Files: List[FileDiff]{{Path: "a", Change: Added, Patch: new("+<1>\n")}, {Path: "b", Change: Removed, Note: new("it is not a text")}}},
			`{"from": 0, "to": 2, "files": [{"path": "a", "change": "added", "patch": "+<1>\n", "note": null},
			  {"path": "b", "change": "removed", "patch": null, "note": "it is not a text"}]}`,
		},
		{
			"verify",
			Verification{
				Contents: 3,
				Damaged:  List[Flaw]{{Release: 2, Path: new(Path("a")), File: "/.ota/x", Message: "it is missing"}, {Release: 1, File: "/.ota/1.json", Message: "m"}},
				Edited:   List[Difference]{{Path: "b", Message: "its content is another one"}},
			},
			`{"contents": 3, "healed": [],
			  "damaged": [{"release": 2, "path": "a", "file": "/.ota/x", "message": "it is missing"},
			    {"release": 1, "path": null, "file": "/.ota/1.json", "message": "m"}],
			  "gone": [], "edited": [{"path": "b", "message": "its content is another one"}], "missing": []}`,
		},
		{
			"what discard did",
			Discarded{},
			`{"files": 0, "folder": null}`,
		},
		{
			"what rollback did",
			WentBack{Release: 3, State: Trial},
			`{"release": 3, "state": "trial"}`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := encode(test.v)
			if err != nil {
				t.Fatal(err)
			}
			var want bytes.Buffer
			if err := json.Compact(&want, []byte(test.want)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.String()+"\n", string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestReasonForPeople(t *testing.T) {
	reasons := Reasons([]reason.Reason{
		{Message: "no space"},
		{Path: "a\x1b[2Jb", Message: "a \x1b[31mlink"},
		{Path: "main.py", Line: 3, Message: "invalid syntax"},
	})
	want := []string{"no space", `a\x1b[2Jb: a \x1b[31mlink`, "main.py:3: invalid syntax"}
	for i, one := range reasons {
		if got := one.String(); got != want[i] {
			t.Errorf("got %q, want %q", got, want[i])
		}
	}
}

// FuzzPath asks that no name can break the JSON it is put into.
func FuzzPath(f *testing.F) {
	f.Add("main.py")
	f.Add("\xff\"\\\n\x00")
	f.Fuzz(func(t *testing.T, name string) {
		text, err := encode(FileChange{Path: Path(name)})
		if err != nil {
			t.Fatal(err)
		}
		var back FileChange
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		again, err := encode(back)
		if err != nil || !bytes.Equal(text, again) {
			t.Errorf("%s became %s, %v", text, again, err)
		}
	})
}
