//go:build linux

package device

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ota/test/harness"
)

// once are the settings where one failure is enough.
const once = proving + "trial.attempts = 1\n"

// mendable fails until there is a file "fixed".
const mendable = "if not os.path.exists(place('fixed')):\n    sys.exit(3)\n" + good

// TestLastConfirmedIsBack: with its own files and nothing of what the release
// that failed had added, and the history says why.
func TestLastConfirmedIsBack(t *testing.T) {
	t.Parallel()
	d := newProving(t, once, harness.Tree{"a.txt": harness.File("1\n"), "sub/b.txt": harness.File("1\n")})
	second := harness.Tree{"a.txt": harness.File("2\n"), "c": harness.Link("a.txt")}
	grow(t, d, 2, second.Over(programs(good, "second")))
	third := harness.Tree{
		"main.py": program(failing, "third"), "a.txt": {Mode: 0o755, Content: "3\n"},
		"sub/b.txt": harness.File("3\n"), "new/deep/d.txt": harness.File("3\n"), "c": harness.Link("sub/b.txt"),
	}
	upload(t, d, third)
	awaitBack(d, 2)
	checkFailed(t, d, 3, "exit code 3")
	checkStates(t, d, "1 adopted, 2 confirmed, 3 rolled back")
	checkTree(t, d.Main(), second.Over(programs(good, "second")).Over(harness.Tree{"sub/b.txt": harness.File("1\n")}).Over(nil))
	checkTree(t, d.Deposit(), third.Over(nil))
	awaitConsole(t, d, "ERROR : the release failed its trial release=3")
	if got := entry(t, d, 2); !got.Current {
		t.Errorf("the history says %+v", got)
	}
	before := awaitRunningAnyway(d, 2)
	d.Stop()
	d.Start()
	if after := awaitRunningAnyway(d, 2); after.Program.PID == before.Program.PID {
		t.Error("the program was not started again")
	}
	checkStates(t, d, "1 adopted, 2 confirmed, 3 rolled back")
}

// awaitRunningAnyway waits until a release runs, whatever is in deposit/.
func awaitRunningAnyway(d *harness.Device, release int) harness.Status {
	return d.Await(fmt.Sprintf("release %d running", release), func(s harness.Status) bool {
		return s.Program.State == "running" && s.Program.PID != 0 && s.Release.Number == release
	})
}

// TestFirstReleaseOfAll: there is nothing to go back to, so that it stays, is
// started again and again, and is confirmed once it runs.
func TestFirstReleaseOfAll(t *testing.T) {
	t.Parallel()
	harness.Need(t, "python3")
	d := harness.NewDevice(t, harness.FastDir(t), nil, proving)
	d.Start()
	d.Await("the first upload to be waited for", func(s harness.Status) bool { return s.Program.State == "waiting" })
	upload(t, d, programs(mendable, "first"))
	awaitConsole(t, d, "there is no release to go back to")
	awaitConsole(t, d, "pause=2s")
	if status, err := d.Status(); err != nil || !isIn(status, 1) {
		t.Errorf("status: %+v, %v", status, err)
	}
	if why := d.Why(1); why.Evidence == nil || why.Evidence.BackTo != 0 || !strings.Contains(why.Evidence.Why, "exit code 3") {
		t.Errorf("why: %+v", why)
	}
	signal(t, d, "fixed")
	awaitConfirmed(d, 1)
	upload(t, d, programs(failing, "second"))
	awaitBack(d, 1)
}

// TestFirstReleaseOfAllIsLate: nor is it too late for the first release to say
// that it is ready.
func TestFirstReleaseOfAllIsLate(t *testing.T) {
	t.Parallel()
	harness.Need(t, "python3")
	d := harness.NewDevice(t, harness.FastDir(t), nil, brief+"trial.ready = true\n")
	d.Start()
	d.Await("the first upload to be waited for", func(s harness.Status) bool { return s.Program.State == "waiting" })
	upload(t, d, programs("wait_for('go')\n"+good, "first"))
	awaitConsole(t, d, "there is no release to go back to")
	before := awaitRunning(d, 1)
	signal(t, d, "go")
	awaitConfirmed(d, 1)
	checkSame(t, d, before)
}

// lateOutput is 250 lines that a program prints after its traceback.
const lateOutput = `
import atexit, time

def late():
    time.sleep(0.05)  # pipes have no order among them
    for i in range(250):
        print('line', i)

atexit.register(late)
`

// TestWhy: exit code, traceback, output and the files that differ. The reason is
// kept although much comes after it, as from a buffer that is written at the end.
func TestWhy(t *testing.T) {
	t.Parallel()
	d := newProving(t, once, harness.Tree{"data.txt": harness.File("1\n"), "same.txt": harness.File("1\n")})
	upload(t, d, harness.Tree{
		"main.py":       program(lateOutput+"import sub.sensor\nsub.sensor.read('x')\n", "second"),
		"sub/sensor.py": harness.File("def read(text):\n    return float(text)\n"),
		"data.txt":      harness.File("2\n"), "same.txt": harness.File("1\n"),
	})
	awaitBack(d, 1)
	why := d.Why(2)
	evidence := why.Evidence
	if why.Release != 2 || why.State != "rolled back" || why.Reason != "exit code 1" || evidence == nil {
		t.Fatalf("why: %+v", why)
	}
	if evidence.Exit == nil || evidence.Exit.Code == nil || *evidence.Exit.Code != 1 || evidence.Exit.Signal != nil || evidence.BackTo != 1 {
		t.Errorf("evidence: %+v", evidence)
	}
	const message = "ValueError: could not convert string to float: 'x'"
	if found := evidence.Traceback; found == nil || found.Error != message || found.File != "sub/sensor.py" || found.Line != 2 ||
		found.Function != "read" || found.Source != "return float(text)" {
		t.Errorf("traceback: %+v", found)
	}
	for _, line := range []string{"line 249", "line 100", message} {
		if len(evidence.Output) != 200 || !slices.Contains(evidence.Output, line) {
			t.Errorf("%q is not in these %d lines: %q", line, len(evidence.Output), evidence.Output)
		}
	}
	want := []harness.FileChange{
		{Path: "data.txt", Change: "replaced"}, {Path: "main.py", Change: "replaced"}, {Path: "sub/sensor.py", Change: "added"},
	}
	if !slices.Equal(evidence.Files, want) {
		t.Errorf("files: %+v", evidence.Files)
	}
	whys := []string{
		"release 2 was rolled back to release 1: exit code 1", message, "sub/sensor.py:2 in read:  return float(text)",
		"differs from release 1: data.txt replaced, main.py replaced, sub/sensor.py added", "line 249",
	}
	checkSaid(t, d.Say("why"), append(whys, "the upload in deposit/ is held:")...)
	checkSaid(t, d.Say("why", "2"), whys...)
	d.Stop()
	checkSaid(t, d.Say("why"), whys...)
}

// checkSaid fails the test if something was not said.
func checkSaid(t *testing.T, said string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(said, want) {
			t.Errorf("%q was not said:\n%s", want, said)
		}
	}
}

// TestWhySignal: what the program died of.
func TestWhySignal(t *testing.T) {
	t.Parallel()
	d := newProving(t, once, nil)
	upload(t, d, programs("os.kill(os.getpid(), 11)\n", "second"))
	awaitBack(d, 1)
	why := d.Why(0)
	if why.Release != 2 || len(why.Held) != 1 || why.Evidence == nil || why.Evidence.Exit == nil ||
		why.Evidence.Exit.Code != nil || why.Evidence.Exit.Signal == nil || *why.Evidence.Exit.Signal != "SIGSEGV" {
		t.Errorf("why: %+v, %+v", why, why.Evidence)
	}
	checkSaid(t, d.Say("why"), "killed by SIGSEGV")
}

// TestWhyWithoutNewline: the last words count although no newline ends them.
func TestWhyWithoutNewline(t *testing.T) {
	t.Parallel()
	d := newProving(t, once, nil)
	upload(t, d, programs("sys.stderr.write('there is no sensor')\nsys.stderr.flush()\nos._exit(3)\n", "second"))
	awaitBack(d, 1)
	if evidence := d.Why(2).Evidence; evidence == nil || !slices.Contains(evidence.Output, "there is no sensor") {
		t.Errorf("evidence: %+v", evidence)
	}
}

// TestWhyProbe: what was asked, and what the release before had answered.
func TestWhyProbe(t *testing.T) {
	t.Parallel()
	d := newProving(t, brief+asking, harness.Tree{"state": harness.File("well\n")})
	upload(t, d, harness.Tree{"state": harness.File("ill\n")})
	awaitBack(d, 1)
	why := d.Why(2)
	if why.Evidence == nil || why.Evidence.Exit != nil || len(why.Evidence.Probes) != 1 {
		t.Fatalf("why: %+v, %+v", why, why.Evidence)
	}
	if got := why.Evidence.Probes[0]; got.Probe != "command grep -q well state" || got.Answer != "BAD" ||
		got.Detail != "exit code 1" || got.Before != "OK" {
		t.Errorf("probe: %+v", got)
	}
	checkSaid(t, d.Say("why", "2"), "probe command grep -q well state: BAD (exit code 1); release 1 said OK")
}

// sensitive is a program that does not run where there is a file "poison".
const sensitive = "if os.path.exists(place('poison')):\n    sys.exit(4)\n" + good

// TestTwoInARowFail: where the release gone back to does not run any more either,
// the one before it is used, and the files of both are in deposit/, the newer
// ones first.
func TestTwoInARowFail(t *testing.T) {
	t.Parallel()
	d := newProving(t, once, nil)
	grow(t, d, 2, programs(sensitive, "second").Over(harness.Tree{"two.txt": harness.File("2\n"), "both.txt": harness.File("2\n")}))
	third := harness.Tree{
		"main.py":  program("note('poison', 'x')\n"+failing, "third"),
		"both.txt": harness.File("3\n"), "three.txt": harness.File("3\n"),
	}
	upload(t, d, third)
	awaitBack(d, 1)
	checkStates(t, d, "1 confirmed, 2 rolled back, 3 rolled back")
	checkFailed(t, d, 2, "exit code 4")
	checkTree(t, d.Main(), programs(good, "first"))
	checkTree(t, d.Deposit(), third.Over(harness.Tree{"two.txt": harness.File("2\n")}))
	put(t, filepath.Join(d.Deposit(), "main.py"), program(good, "mended").Content)
	awaitConfirmed(d, 4)
	checkTree(t, d.Main(), programs(good, "mended").Over(harness.Tree{
		"two.txt": harness.File("2\n"), "both.txt": harness.File("3\n"), "three.txt": harness.File("3\n"),
	}))
}

// TestNothingRunsAnyMore: the first release is not given up, and runs when it
// can again; what failed before it stays in deposit/.
func TestNothingRunsAnyMore(t *testing.T) {
	t.Parallel()
	harness.Need(t, "python3")
	d := newDevice(t, programs(sensitive, "first"), once)
	awaitStart(t, d, 1)
	second := programs("note('poison', 'x')\n"+failing, "second")
	upload(t, d, second)
	awaitConsole(t, d, "there is no release to go back to")
	d.Await("the pause", func(s harness.Status) bool {
		return s.Program.State == "backoff" && s.Release.Number == 1 && s.Deposit.State == "held"
	})
	remove(t, filepath.Join(d.Dir, "poison"))
	awaitBack(d, 1)
	checkTree(t, d.Deposit(), second)
	checkStates(t, d, "1 confirmed, 2 rolled back")
}

// TestCannotBeStarted: a release whose program can't even be started has failed
// like one that crashes.
func TestCannotBeStarted(t *testing.T) {
	t.Parallel()
	run := harness.Entry{Mode: 0o755, Content: "#!/bin/sh\nexec sleep 1000\n"}
	d := newDevice(t, harness.Tree{"run": run}, brief+`program.command = ["./run"]`)
	upload(t, d, harness.Tree{"run": harness.File("#!/bin/sh\n")})
	awaitBack(d, 1)
	checkFailed(t, d, 2, "it can't be started: ")
	checkTree(t, d.Main(), harness.Tree{"run": run})
	if why := d.Why(2); why.Evidence == nil || why.Evidence.Exit != nil || len(why.Evidence.Files) != 1 {
		t.Errorf("why: %+v, %+v", why, why.Evidence)
	}
}
