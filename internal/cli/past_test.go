package cli

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"ota/internal/api"
	"ota/internal/reason"
)

func TestRollback(t *testing.T) {
	tests := []struct {
		args  []string
		went  api.WentBack
		asked string
		want  called
	}{
		{nil, api.WentBack{Release: 6, State: api.Trial}, "{Release:0 NoTrial:false}", called{0, "release 6 is in main/ again, on trial\n", ""}},
		{[]string{"3", "--no-trial"}, api.WentBack{Release: 3, State: api.Confirmed}, "{Release:3 NoTrial:true}", called{0, "release 3 is in main/ again, confirmed\n", ""}},
	}
	for _, test := range tests {
		h := &house{went: test.went}
		check(t, call(append([]string{"rollback", "-C", serve(t, h)}, test.args...)...), test.want)
		if h.asked != test.asked {
			t.Errorf("asked for %s", h.asked)
		}
	}
	dir := serve(t, &house{err: &api.NoRelease{Number: 7}})
	check(t, call("rollback", "7", "-C", dir), called{1, "",
		"ota: cannot roll back: there is no release 7\nhint: \"ota history\" lists the releases\n"})
}

func TestPin(t *testing.T) {
	h := &house{}
	dir := serve(t, h)
	check(t, call("pin", "3", "-C", dir), called{0, "release 3 is pinned\n", ""})
	if h.asked != "3=true" {
		t.Errorf("asked for %s", h.asked)
	}
	check(t, call("unpin", "3", "-C", dir), called{0, "release 3 is not pinned any more\n", ""})
	if h.asked != "3=false" {
		t.Errorf("asked for %s", h.asked)
	}
}

func TestDiscard(t *testing.T) {
	moved := api.Discarded{Files: 1, Folder: new(api.Path(".ota/discarded/1"))}
	check(t, call("discard", "-C", serve(t, &house{discard: moved})), called{0, "moved 1 file to .ota/discarded/1\n", ""})
	check(t, call("discard", "-C", serve(t, &house{})), called{0, "deposit/ is empty\n", ""})
	check(t, call("discard", "-C", serve(t, &house{err: errors.New("an upload is being switched in")})), called{1, "",
		"ota: cannot discard the upload: an upload is being switched in\n"})
}

func TestDiff(t *testing.T) {
	h := &house{diff: api.Diff{From: 2, To: 3, Files: api.List[api.FileDiff]{
		{Path: "a\x1b[2J", Change: api.Added, Note: new("it is not a text")},
		{Path: "main.py", Change: api.Replaced, Patch: new("--- a/main.py\n+++ b/main.py\n@@ -1,1 +1,1 @@\n-old\r\n+new \x1b[31m\n")},
	}}}
	dir := serve(t, h)
	check(t, call("diff", "2", "3", "-p", "-C", dir), called{0, `release 3 differs from release 2:
  added     a\x1b[2J (it is not a text)
  replaced  main.py
--- a/main.py
+++ b/main.py
@@ -1,1 +1,1 @@
-old\r
+new \x1b[31m
`, ""})
	if h.asked != "{From:2 To:3 Patch:true Hide:false}" {
		t.Errorf("asked for %s", h.asked)
	}
	same := serve(t, &house{diff: api.Diff{To: 1}})
	check(t, call("diff", "-C", same), called{0, "release 1 is the same as nothing\n", ""})
}

const whatToDo = "hint: put a corrected file into deposit/; or \"ota retry\", \"ota discard\"\n"

func TestWhy(t *testing.T) {
	var output []string
	for i := range 30 {
		output = append(output, fmt.Sprint("line ", i))
	}
	output = append(slices.Clip(output[:len(output)-1]), "\x1b[2J")
	failure := api.Why{
		Release: new(7), State: new(api.RolledBack), Reason: new("exit code 1"),
		Evidence: &api.Evidence{
			Why: "exit code 1, twice within 10s", Exit: &api.Ending{Code: new(1)},
			Traceback: &api.Traceback{Error: "ValueError: boom", File: "main.py", Line: 12, Function: new("read_sensor"), Source: new("return float(text)")},
			Probes: api.List[api.ProbeAnswer]{{
				Probe: "http http://127.0.0.1:8000/healthz", Answer: "BAD", Detail: new("connection refused"), Before: new("OK"),
			}},
			BackTo: new(6),
			Files:  api.List[api.FileChange]{{Path: "main.py", Change: api.Replaced}, {Path: "lib/\nnew.py", Change: api.Added}},
			Output: output,
		},
	}
	const report = `release 7 was rolled back to release 6: exit code 1, twice within 10s
  ValueError: boom
    main.py:12 in read_sensor:  return float(text)
  probe http http://127.0.0.1:8000/healthz: BAD (connection refused); release 6 said OK
  differs from release 6: main.py replaced, lib/\nnew.py added
  the last lines of its output:
`
	lines := ""
	for i := 10; i < 29; i++ {
		lines += fmt.Sprintf("    line %d\n", i)
	}
	held := api.Why{Held: api.Reasons([]reason.Reason{{Path: "main.py", Line: 3, Message: "invalid syntax"}})}
	tests := []struct {
		name string
		why  api.Why
		args []string
		want called
	}{
		{"failed", failure, []string{"7"}, called{0, report + lines + "    \\x1b[2J\n", whatToDo}},
		{"held", held, nil, called{0, "the upload in deposit/ is held:\n  main.py:3: invalid syntax\n", whatToDo}},
		{"nothing", api.Why{}, nil, called{0, "nothing has failed and nothing is held\n", ""}},
		{"a good one", api.Why{Release: new(3), State: new(api.Confirmed)}, []string{"3"}, called{0, "release 3 has not failed: it is confirmed\n", ""}},
		{"taken back", api.Why{Release: new(3), State: new(api.RolledBack), Reason: new("on request")}, []string{"3"},
			called{0, "release 3 was rolled back: on request\n", whatToDo}},
		{"nothing to go back to", api.Why{Release: new(1), State: new(api.Trial), Evidence: &api.Evidence{Why: "it never got ready", Exit: &api.Ending{Signal: new("SIGKILL")}}}, nil,
			called{0, "release 1 failed its trial: it never got ready\n  killed by SIGKILL\n", ""}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			check(t, call(append([]string{"why", "-C", serve(t, &house{why: test.why})}, test.args...)...), test.want)
		})
	}
}

func TestOfflineThereIsNoRelease(t *testing.T) {
	dir := t.TempDir()
	onDisk := "ota: not running in " + dir + ": this is what is on the disk\n"
	check(t, call("why", "-C", dir), called{0, "nothing has failed and nothing is held\n", onDisk})
	check(t, call("diff", "-C", dir), called{1, "", onDisk + "ota: cannot compare releases: there is no release yet\n"})
	check(t, call("verify", "-C", dir), called{0, "looked at 0 contents: all is well\n", ""})
	check(t, call("pin", "3", "-C", dir), called{1, "", "ota: cannot pin the release: there is no release 3\nhint: \"ota history\" lists the releases\n"})
}
