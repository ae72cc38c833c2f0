//go:build linux

package device

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ota/test/harness"
)

// broken is a release of three files that fails.
var broken = harness.Tree{
	"main.py": program(failing, "broken"), "a.txt": harness.File("2\n"), "sub/b.txt": dated("b\n", 0o755),
}

// newBroken is a device with a broken release 2 in deposit/ again.
func newBroken(t *testing.T) *harness.Device {
	t.Helper()
	d := newProving(t, once, nil)
	upload(t, d, broken)
	checkReturned(t, awaitBack(d, 1))
	checkTree(t, d.Deposit(), broken.Over(nil))
	return d
}

// checkReturned fails the test if this is not why what has failed is held.
func checkReturned(t *testing.T, reasons []harness.Reason) {
	t.Helper()
	const want = `this failed its trial as release 2: exit code 3 (see "ota why 2")`
	if len(reasons) != 1 || !strings.HasPrefix(reasons[0].Message, want) {
		t.Errorf("held for %+v", reasons)
	}
}

func discarded(d *harness.Device, number string) string {
	return filepath.Join(d.Dir, ".ota", "discarded", number)
}

// TestNewerFileWins: what was uploaded during the trial stays where it is when
// the older file of that name comes back.
func TestNewerFileWins(t *testing.T) {
	t.Parallel()
	d := newProving(t, once, nil)
	upload(t, d, harness.Tree{"main.py": program("wait_for('go')\n"+failing, "second"), "a.txt": harness.File("2\n")})
	awaitTrial(t, d, 2)
	put(t, filepath.Join(d.Deposit(), ".hold"), "")
	programs(good, "newer").Write(t, d.Deposit())
	signal(t, d, "go")
	harness.Await(t, "the files of release 2", func() bool { return exists(filepath.Join(d.Deposit(), "a.txt")) }, d.Console)
	awaitRunningAnyway(d, 1)
	checkTree(t, d.Deposit(), harness.Tree{
		".hold": harness.File(""), "main.py": program(good, "newer"), "a.txt": harness.File("2\n"),
	})
	remove(t, filepath.Join(d.Deposit(), ".hold"))
	awaitConfirmed(d, 3)
	checkHolds(t, d.Main(), harness.Tree{"main.py": program(good, "newer"), "a.txt": harness.File("2\n")})
}

// TestOneFileMendsARelease: it is laid over the others, and all together are
// tried as a new release.
func TestOneFileMendsARelease(t *testing.T) {
	t.Parallel()
	d := newBroken(t)
	put(t, filepath.Join(d.Deposit(), "main.py"), program(good, "mended").Content)
	awaitConfirmed(d, 3)
	checkHolds(t, d.Main(), programs(good, "mended").Over(broken))
	checkTree(t, d.Deposit(), harness.Tree{})
	if got := entry(t, d, 3); len(got.Files) != len(broken) || got.From != 1 {
		t.Errorf("release 3: %+v", got)
	}
	checkStates(t, d, "1 confirmed, 2 rolled back, 3 confirmed")
}

// TestMendedInVain: the second attempt fails too, and its files come back over
// those of the first.
func TestMendedInVain(t *testing.T) {
	t.Parallel()
	d := newBroken(t)
	harness.Tree{"a.txt": harness.File("3\n")}.Write(t, d.Deposit())
	awaitConsole(t, d, "the release failed its trial release=3")
	awaitBack(d, 1)
	checkTree(t, d.Deposit(), harness.Tree{"a.txt": harness.File("3\n")}.Over(broken))
	checkStates(t, d, "1 confirmed, 2 rolled back, 3 rolled back")
}

// TestDiscardWhatFailed: `ota discard` moves it out of the way.
func TestDiscardWhatFailed(t *testing.T) {
	t.Parallel()
	d := newBroken(t)
	checkSaid(t, d.Say("discard"), "moved 3 files to "+discarded(d, "1"))
	awaitRunning(d, 1)
	checkTree(t, d.Deposit(), harness.Tree{})
	checkTree(t, discarded(d, "1"), broken.Over(nil))
	grow(t, d, 3, programs(good, "third"))
	if exists(filepath.Join(d.Main(), "a.txt")) {
		t.Error("what was discarded is in main/")
	}
}

// TestDeleteWhatFailed: files that somebody deletes from deposit/ are kept.
func TestDeleteWhatFailed(t *testing.T) {
	t.Parallel()
	d := newBroken(t)
	clear(t, d)
	harness.Await(t, "what was deleted", func() bool {
		return harness.Diff(broken.Over(nil), readTree(t, discarded(d, "1"))) == ""
	}, d.Console)
	checkTree(t, d.Deposit(), harness.Tree{})
	grow(t, d, 3, programs(good, "third"))
}

// TestDeleteSomeOfWhatFailed: the rest is a new upload, and what was deleted is
// kept.
func TestDeleteSomeOfWhatFailed(t *testing.T) {
	t.Parallel()
	d := newBroken(t)
	put(t, filepath.Join(d.Deposit(), ".hold"), "")
	remove(t, filepath.Join(d.Deposit(), "main.py"))
	remove(t, filepath.Join(d.Deposit(), ".hold"))
	awaitConfirmed(d, 3)
	checkHolds(t, d.Main(), programs(good, "first").Over(harness.Tree{"a.txt": harness.File("2\n"), "sub/b.txt": dated("b\n", 0o755)}))
	checkTree(t, discarded(d, "1"), programs(failing, "broken"))
}

func readTree(t *testing.T, dir string) harness.Tree {
	t.Helper()
	tree, err := harness.Read(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return tree
}

// TestNotTriedAgain: neither a clean restart of ota nor a killed one makes it
// try the same content again.
func TestNotTriedAgain(t *testing.T) {
	t.Parallel()
	d := newBroken(t)
	for _, end := range []func(){
		func() { d.Stop() },
		func() { d.Kill() },
		func() { d.Kill(); d.KillPrograms() },
	} {
		end()
		d.Start()
		checkReturned(t, awaitBack(d, 1))
	}
	if answer := d.Ask("apply"); answer.Code != 3 || !strings.Contains(answer.Complained, "this failed its trial as release 2") {
		t.Errorf("ota apply: %+v", answer)
	}
	checkTree(t, d.Deposit(), broken.Over(nil))
	checkNoTry(t, d, 3)
}

// TestRetryWhatFailed: `ota retry` tries it again, as often as it is told to.
func TestRetryWhatFailed(t *testing.T) {
	t.Parallel()
	d := newProving(t, once, nil)
	upload(t, d, programs(mendable, "second"))
	awaitBack(d, 1)
	checkSaid(t, d.Say("retry"), "release 3 is in main/")
	awaitConsole(t, d, "the release failed its trial release=3")
	awaitBack(d, 1)
	signal(t, d, "fixed")
	checkSaid(t, d.Say("retry"), "release 4 is in main/")
	awaitConfirmed(d, 4)
	checkStates(t, d, "1 confirmed, 2 rolled back, 3 rolled back, 4 confirmed")
}

// TestSameBytesAfresh: who uploads them once more wants them tried, whether the
// client writes into the file or puts another one in its place.
func TestSameBytesAfresh(t *testing.T) {
	t.Parallel()
	d := newProving(t, once, nil)
	upload(t, d, programs(mendable, "second").Over(harness.Tree{"a.txt": harness.File("2\n")}))
	awaitBack(d, 1)
	put(t, filepath.Join(d.Deposit(), "a.txt"), "2\n")
	awaitConsole(t, d, "the release failed its trial release=3")
	awaitBack(d, 1)
	signal(t, d, "fixed")
	other := filepath.Join(d.Dir, "other")
	put(t, other, program(mendable, "second").Content)
	if err := os.Rename(other, filepath.Join(d.Deposit(), "main.py")); err != nil {
		t.Fatal(err)
	}
	awaitConfirmed(d, 4)
	checkHolds(t, d.Main(), programs(mendable, "second").Over(harness.Tree{"a.txt": harness.File("2\n")}))
}

// TestMendedWhileOtaIsDown: what is put over the files meanwhile is tried with
// them.
func TestMendedWhileOtaIsDown(t *testing.T) {
	t.Parallel()
	d := newBroken(t)
	d.Stop()
	programs(good, "mended").Write(t, d.Deposit())
	d.Start()
	awaitConfirmed(d, 3)
	checkHolds(t, d.Main(), programs(good, "mended").Over(broken))
}

// TestHeldDuringATrial: an upload that is held when the trial fails stays, and
// the files that come back are held with it.
func TestHeldDuringATrial(t *testing.T) {
	t.Parallel()
	d := newProving(t, once, nil)
	upload(t, d, harness.Tree{"main.py": program("wait_for('go')\n"+failing, "second"), "a.txt": harness.File("2\n")})
	awaitTrial(t, d, 2)
	upload(t, d, harness.Tree{"main.py": harness.File("")}) // cut off
	awaitHeld(d)
	signal(t, d, "go")
	if reasons := awaitBack(d, 1); len(reasons) != 1 || reasons[0].Path != "main.py" {
		t.Errorf("held for %+v", reasons)
	}
	checkTree(t, d.Deposit(), harness.Tree{"main.py": harness.File(""), "a.txt": harness.File("2\n")})
	put(t, filepath.Join(d.Deposit(), "main.py"), program(good, "mended").Content)
	awaitConfirmed(d, 3)
	checkHolds(t, d.Main(), programs(good, "mended").Over(harness.Tree{"a.txt": harness.File("2\n")}))
}

// TestTrialFailsWhileAnUploadIsDeferred: the upload is laid over what comes back
// and tried with it.
func TestTrialFailsWhileAnUploadIsDeferred(t *testing.T) {
	t.Parallel()
	d := newProving(t, once, nil)
	second := harness.Tree{"main.py": program("wait_for('go')\n"+failing, "second"), "a.txt": harness.File("2\n")}
	upload(t, d, second)
	awaitTrial(t, d, 2)
	end := hold(t, d)
	upload(t, d, harness.Tree{"b.txt": harness.File("3\n")})
	awaitDeferred(t, d)
	signal(t, d, "go")
	awaitConsole(t, d, "in deposit/ again release=2")
	end()
	awaitConsole(t, d, "the release failed its trial release=3")
	awaitBack(d, 1)
	checkStates(t, d, "1 confirmed, 2 rolled back, 3 rolled back")
	checkTree(t, d.Deposit(), second.Over(harness.Tree{"b.txt": harness.File("3\n")}))
}

// TestKilledOnTheWayBack: whenever ota is killed after a trial has failed, the
// last confirmed release runs in the end, the files of the other are in deposit/,
// and nothing is tried again.
func TestKilledOnTheWayBack(t *testing.T) {
	for name, line := range map[string]string{
		"failed": "the release failed its trial release=3", "switched": "an earlier release is back",
		"recorded": "the release is recorded release=2 state=trial", "given back": "in deposit/ again release=3",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newProving(t, proving, nil)
			grow(t, d, 2, programs(good, "second"))
			first := strings.Count(d.Console(), line)
			upload(t, d, broken)
			harness.Await(t, line, func() bool { return strings.Count(d.Console(), line) > first }, d.Console)
			cutOff(d)
			d.Start()
			reasons := awaitBack(d, 2)
			if len(reasons) != 1 || !strings.HasPrefix(reasons[0].Message, "this failed its trial as release 3") {
				t.Errorf("held for %+v", reasons)
			}
			checkStates(t, d, "1 adopted, 2 confirmed, 3 rolled back")
			checkTree(t, d.Deposit(), broken.Over(nil))
			checkTree(t, d.Main(), programs(good, "second"))
		})
	}
}
