//go:build linux

package device

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"ota/test/harness"
)

// numbered is the content of a release with a number: a good program, a file of
// all releases and one of its own.
func numbered(number int) harness.Tree {
	return harness.Tree{
		"main.py":                         program(good, fmt.Sprint(number)),
		"version.txt":                     harness.File(fmt.Sprintf("version %d\n", number)),
		fmt.Sprintf("only%d.txt", number): harness.File(fmt.Sprintf("only in %d\n", number)),
	}
}

// newNumbered is a device with that many numbered releases, all confirmed.
func newNumbered(t *testing.T, settings string, releases int) *harness.Device {
	t.Helper()
	harness.Need(t, "python3")
	d := newDevice(t, numbered(1), settings)
	awaitStart(t, d, 1)
	for number := 2; number <= releases; number++ {
		grow(t, d, number, numbered(number))
	}
	return d
}

// upTo is what main/ holds of the numbered releases up to one.
func upTo(number int) harness.Tree {
	tree := harness.Tree{}
	for one := 1; one <= number; one++ {
		tree = numbered(one).Over(tree)
	}
	return tree
}

// TestRollback: without a number to the last good release before, with one to
// any, forward too. It makes no new number.
func TestRollback(t *testing.T) {
	t.Parallel()
	d := newNumbered(t, proving, 3)
	for _, step := range []struct {
		args []string
		to   int
	}{{nil, 2}, {nil, 1}, {[]string{"3"}, 3}, {[]string{"1"}, 1}, {[]string{"2"}, 2}} {
		said := d.Say(append([]string{"rollback"}, step.args...)...)
		checkSaid(t, said, fmt.Sprintf("release %d is in main/ again", step.to))
		awaitConfirmed(d, step.to)
		checkTree(t, d.Main(), upTo(step.to))
		checkTree(t, d.Deposit(), harness.Tree{})
		if got := entry(t, d, step.to); !got.Current {
			t.Errorf("release %d is not the current one: %+v", step.to, got)
		}
		checkNoTry(t, d, 4)
	}
	grow(t, d, 4, numbered(4))
	if got := entry(t, d, 4); got.From != 2 {
		t.Errorf("release 4 was laid over %d", got.From)
	}
	checkStates(t, d, "1 confirmed, 2 confirmed, 3 confirmed, 4 confirmed")
}

// TestNoWayBack: what can't be gone to is said, and nothing happens.
func TestNoWayBack(t *testing.T) {
	t.Parallel()
	d := newProving(t, proving, nil)
	before := awaitRunning(d, 1)
	for _, one := range []struct{ number, why string }{
		{"", "there is no confirmed release before the current one"},
		{"1", "release 1 is in main/ already"},
		{"7", "there is no release 7"},
	} {
		answer := d.Ask(strings.Fields("rollback " + one.number)...)
		if answer.Code != 1 || !strings.Contains(answer.Complained, one.why+"\nhint: \"ota history\" lists the releases") {
			t.Errorf("ota rollback %s: %+v", one.number, answer)
		}
	}
	checkSame(t, d, before)
}

// TestNoTrial: a rollback is on trial again, unless somebody is sure.
func TestNoTrial(t *testing.T) {
	t.Parallel()
	harness.Need(t, "python3")
	d := newDevice(t, programs(lasting, "first"), proving)
	awaitStart(t, d, 1)
	grow(t, d, 2, programs(good, "second"))
	checkSaid(t, d.Say("rollback"), "release 1 is in main/ again, on trial")
	if status := awaitRunning(d, 1); status.Release.State != "trial" {
		t.Errorf("release 1 is %s", status.Release.State)
	}
	d.Say("rollback", "2")
	awaitConfirmed(d, 2)
	checkSaid(t, d.Say("rollback", "--no-trial"), "release 1 is in main/ again, adopted")
	checkStates(t, d, "1 adopted, 2 confirmed")
}

// TestRollbackDuringATrial: who takes a release back while it is on trial has
// judged it.
func TestRollbackDuringATrial(t *testing.T) {
	t.Parallel()
	d := newProving(t, proving, nil)
	upload(t, d, programs(lasting, "second"))
	awaitTrial(t, d, 2)
	d.Say("rollback")
	awaitConfirmed(d, 1)
	checkFailed(t, d, 2, "rolled back on request during its trial")
}

// TestRollbackToWhatFailed: on request that is tried, too.
func TestRollbackToWhatFailed(t *testing.T) {
	t.Parallel()
	d := newProving(t, once, nil)
	upload(t, d, programs(mendable, "second"))
	awaitBack(d, 1)
	d.Say("discard")
	signal(t, d, "fixed")
	d.Say("rollback", "2")
	awaitConfirmed(d, 2)
	checkStates(t, d, "1 confirmed, 2 confirmed")
	checkHolds(t, d.Main(), programs(mendable, "second"))
}

// TestRollbackThatFails: it goes to the release before the one gone to, whose
// files are in deposit/ then.
func TestRollbackThatFails(t *testing.T) {
	t.Parallel()
	d := newProving(t, once, nil)
	second := programs("if os.path.exists(place('outdated')):\n    sys.exit(3)\n"+good, "second")
	grow(t, d, 2, second)
	grow(t, d, 3, programs(good, "third"))
	signal(t, d, "outdated")
	d.Say("rollback", "2")
	awaitBack(d, 1)
	checkTree(t, d.Deposit(), second)
	checkHolds(t, d.Main(), programs(good, "first"))
	checkStates(t, d, "1 confirmed, 2 rolled back, 3 confirmed")
}

// TestRollbackBesideWhatFailed: what is held in deposit/ stays there, and is not
// tried over the older release either.
func TestRollbackBesideWhatFailed(t *testing.T) {
	t.Parallel()
	d := newProving(t, once, nil)
	grow(t, d, 2, programs(good, "second"))
	third := harness.Tree{"main.py": program(failing, "third"), "a.txt": harness.File("3\n")}
	upload(t, d, third)
	awaitBack(d, 2)
	d.Say("rollback")
	awaitBack(d, 1)
	checkTree(t, d.Deposit(), third)
	checkTree(t, d.Main(), programs(good, "first"))
	checkNoTry(t, d, 4)
	put(t, filepath.Join(d.Deposit(), "main.py"), program(good, "mended").Content)
	awaitConfirmed(d, 4)
	if got := entry(t, d, 4); got.From != 1 || len(got.Files) != 2 {
		t.Errorf("release 4: %+v", got)
	}
}

// ownFiles is what the program and its owner have made in main/, among it files
// and a folder of which the next release has other ones.
var ownFiles = harness.Tree{
	"data.json":   harness.File("the program's\n"),
	"config.txt":  harness.File("edited by hand\n"),
	"log/own.txt": harness.File("the program's\n"),
	"empty":       harness.Folder(),
	"alone.db":    harness.File("the program's\n"),
	"current":     harness.Link("data.json"),
}

// TestWhatWasReplacedIsBroughtBack: files that were in no release come back, and
// what the program has made stays, whether a person or a failed trial takes the
// release back.
func TestWhatWasReplacedIsBroughtBack(t *testing.T) {
	for name, body := range map[string]string{"by hand": good, "by itself": "wait_for('go')\n" + failing} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newProving(t, once, harness.Tree{"config.txt": harness.File("adopted\n")})
			ownFiles.Write(t, d.Main())
			upload(t, d, harness.Tree{
				"main.py": program(body, "second"), "data.json": harness.File("2\n"), "config.txt": harness.File("2\n"),
				"log/new.txt": harness.File("2\n"), "empty": harness.Folder(), "current": harness.Link("config.txt"),
				"made/a.txt": harness.File("2\n"), "gone/a.txt": harness.File("2\n"),
			})
			awaitStart(t, d, 2)
			awaitRunning(d, 2)
			put(t, filepath.Join(d.Main(), "made", "own.txt"), "the program's\n")
			if name == "by hand" {
				awaitConfirmed(d, 2)
				d.Say("rollback")
				awaitConfirmed(d, 1)
			} else {
				signal(t, d, "go")
				awaitBack(d, 1)
			}
			want := ownFiles.Over(programs(good, "first"))
			want["made"], want["made/own.txt"] = harness.Folder(), harness.File("the program's\n")
			checkTree(t, d.Main(), want)
		})
	}
}

// TestEditSurvivesTheWayThereAndBack: what somebody has made of a release's file
// is there again when the release is.
func TestEditSurvivesTheWayThereAndBack(t *testing.T) {
	t.Parallel()
	d := newNumbered(t, proving, 2)
	put(t, filepath.Join(d.Main(), "version.txt"), "mine\n")
	d.Say("rollback")
	awaitConfirmed(d, 1)
	checkTree(t, d.Main(), upTo(1))
	d.Say("rollback", "2")
	awaitConfirmed(d, 2)
	checkTree(t, d.Main(), harness.Tree{"version.txt": harness.File("mine\n")}.Over(upTo(2)))
}

// TestDiff: of the current release, of any two, and line by line.
func TestDiff(t *testing.T) {
	t.Parallel()
	d := newNumbered(t, proving, 3)
	checkSaid(t, d.Say("diff"), "release 3 differs from release 2:", "replaced  main.py", "added     only3.txt", "replaced  version.txt")
	checkSaid(t, d.Say("diff", "3", "1"), "release 1 differs from release 3:", "removed   only2.txt", "removed   only3.txt")
	patch := d.Say("diff", "1", "3", "-p")
	checkSaid(t, patch, "--- a/version.txt\n+++ b/version.txt\n@@ -1,1 +1,1 @@\n-version 1\n+version 3\n",
		"--- /dev/null\n+++ b/only3.txt\n@@ -0,0 +1,1 @@\n+only in 3\n")
	d.Stop()
	if said := d.Say("diff", "1", "3", "-p"); said != patch {
		t.Errorf("without ota running it said:\n%s", said)
	}
	if answer := d.Ask("diff", "9"); answer.Code != 1 || !strings.Contains(answer.Complained, "there is no release 9") {
		t.Errorf("ota diff 9: %+v", answer)
	}
}

// TestPin: a pinned release stays while others are dropped, with their contents.
func TestPin(t *testing.T) {
	t.Parallel()
	d := newNumbered(t, proving+"store.keep = 2\n", 2)
	checkSaid(t, d.Say("pin", "2"), "release 2 is pinned")
	for number := 3; number <= 5; number++ {
		grow(t, d, number, numbered(number))
	}
	checkStates(t, d, "2 confirmed, 4 confirmed, 5 confirmed")
	if got := entry(t, d, 2); !got.Pinned {
		t.Errorf("release 2: %+v", got)
	}
	d.Say("rollback", "2")
	awaitConfirmed(d, 2)
	checkTree(t, d.Main(), upTo(2))
	d.Say("rollback", "5")
	awaitConfirmed(d, 5)
	d.Stop()
	checkSaid(t, d.Say("unpin", "2"), "release 2 is not pinned any more") // it needs no ota running
	d.Start()
	awaitConfirmed(d, 5)
	awaitStart(t, d, 5)
	for number := 6; number <= 8; number++ {
		grow(t, d, number, numbered(number))
	}
	checkStates(t, d, "7 confirmed, 8 confirmed")
	checkTree(t, d.Main(), upTo(8))
	// The store is swept from time to time: the first releases are gone by now.
	for content, isKept := range map[string]bool{"version 2\n": false, "only in 2\n": true, "version 7\n": true, "version 8\n": true} {
		if got := exists(stored(d, content)); got != isKept {
			t.Errorf("%q in the store: %v", content, got)
		}
	}
}

// stored is where the store keeps a content.
func stored(d *harness.Device, content string) string {
	sum := sha256.Sum256([]byte(content))
	name := hex.EncodeToString(sum[:])
	return filepath.Join(d.Dir, ".ota", "store", name[:2], name)
}
