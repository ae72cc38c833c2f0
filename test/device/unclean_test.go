//go:build linux

package device

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ota/test/harness"
)

// cutOff ends ota and its program as a power cut does.
func cutOff(d *harness.Device) {
	d.Kill()
	d.KillPrograms()
}

// blocks are three blocks of a disk without a zero in them.
var blocks = strings.Repeat("one line of a block of a disk..\n", 3*4096/32)

// TestTornFiles: what a power cut has left of the files of a release is put right
// before the program starts. What a person has made of one is left alone, and
// named.
func TestTornFiles(t *testing.T) {
	t.Parallel()
	d := newProving(t, proving, nil)
	second := harness.Tree{
		"main.py": program(good, "second"), "empty.txt": harness.File("a\nb\n"), "cut.txt": harness.File("a\nb\n"),
		"zeros.txt": harness.File(blocks), "gone/gone.txt": harness.File("a\n"), "edited.txt": harness.File("a\nb\n"),
		"longer.txt": harness.File("a\n"), "whole.txt": harness.File("a\n"), "link": harness.Link("whole.txt"),
	}
	grow(t, d, 2, second)
	cutOff(d)
	main := func(name string) string { return filepath.Join(d.Main(), name) }
	put(t, main("main.py"), "")
	put(t, main("empty.txt"), "")
	put(t, main("cut.txt"), "a\n")
	put(t, main("edited.txt"), "a\nB\n")
	put(t, main("longer.txt"), "a\nb\n")
	remove(t, main("link"))
	err := errors.Join(os.RemoveAll(main("gone")), zero(main("zeros.txt"), 4096, 4096), os.Chtimes(main("zeros.txt"), time.Time{}, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	d.Start()
	awaitConfirmed(d, 2)
	awaitRunning(d, 2)
	second["edited.txt"], second["longer.txt"] = harness.File("a\nB\n"), harness.File("a\nb\n")
	checkTree(t, d.Main(), second.Over(nil))
	for _, torn := range []string{"main.py", "empty.txt", "cut.txt", "zeros.txt", "gone/gone.txt", "link"} {
		awaitConsole(t, d, "WARNING : a file in main/ was torn; it is repaired file="+torn)
	}
	for _, edited := range []string{"edited.txt", "longer.txt"} {
		awaitConsole(t, d, "WARNING : a file in main/ is not that of the release; it is left as it is file="+edited)
	}
	checkStates(t, d, "1 adopted, 2 confirmed")
}

// zero overwrites a part of a file with zeros.
func zero(path string, at, length int64) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(make([]byte, length), at)
	return errors.Join(err, file.Close())
}

// TestTornAndNotToBeRepaired: where the store is damaged too, the last confirmed
// release that needs nothing of what is lost is used.
func TestTornAndNotToBeRepaired(t *testing.T) {
	t.Parallel()
	d := newProving(t, proving, harness.Tree{"a.txt": harness.File("first\n")})
	for number := 2; number <= 4; number++ { // release 4 has the a.txt of release 3
		name := []string{"a.txt", "a.txt", "b.txt"}[number-2]
		grow(t, d, number, harness.Tree{name: harness.File(fmt.Sprintf("release %d\n", number))})
	}
	cutOff(d)
	put(t, filepath.Join(d.Main(), "a.txt"), "rel")
	damage(t, stored(d, "release 3\n"))
	d.Start()
	status := d.Await("release 2", func(s harness.Status) bool {
		return s.Program.State == "running" && s.Release.Number == 2 && s.Release.State == "confirmed"
	})
	if status.Release.Number == 2 {
		checkHolds(t, d.Main(), harness.Tree{"a.txt": harness.File("release 2\n")})
	}
	checkFailed(t, d, 4, "damaged, and in the store too: a.txt")
	awaitConsole(t, d, `ERROR : main/ can't be repaired release=4`)
}

// TestTornAndAdopted: what was in main/ before the first start is kept nowhere
// else, and somebody may have emptied it. That is said, and the rest is started.
func TestTornAndAdopted(t *testing.T) {
	t.Parallel()
	d := newProving(t, proving, harness.Tree{"a.txt": harness.File("adopted\n")})
	grow(t, d, 2, programs(good, "second"))
	cutOff(d)
	put(t, filepath.Join(d.Main(), "a.txt"), "")
	d.Start()
	awaitConsole(t, d, "WARNING : a file in main/ is not that of the release; it is left as it is file=a.txt")
	awaitRunning(d, 2)
	awaitStart(t, d, 2)
	grow(t, d, 3, harness.Tree{"a.txt": harness.File("3\n")})
}

// damage changes a bit of a content in the store, and neither its size nor its
// time.
func damage(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	content := []byte(read(path))
	content[len(content)/2] ^= 1
	if err := errors.Join(os.WriteFile(path, content, 0o600), os.Chtimes(path, time.Time{}, info.ModTime())); err != nil {
		t.Fatal(err)
	}
}

// TestStateDamaged: which release is current is found again, and no number is
// used twice.
func TestStateDamaged(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"empty":   func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"garbage": func(path string) error { return os.WriteFile(path, []byte("\x00\xff{"), 0o600) },
		"cut off": func(path string) error { return os.Truncate(path, 20) },
		"deleted": os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newProving(t, once, nil)
			grow(t, d, 2, programs(good, "second"))
			grow(t, d, 3, programs(good, "third"))
			d.Say("rollback")
			awaitConfirmed(d, 2)
			cutOff(d)
			if err := harm(filepath.Join(d.Dir, ".ota", "state.json")); err != nil {
				t.Fatal(err)
			}
			d.Start()
			awaitConsole(t, d, "found again that release 2 is current")
			awaitRunning(d, 2)
			awaitStart(t, d, 2)
			grow(t, d, 4, programs(good, "fourth"))
			checkStates(t, d, "1 adopted, 2 confirmed, 3 confirmed, 4 confirmed")
		})
	}
}

// verification is what these tests read of `ota verify --json`.
type verification struct {
	Healed, Damaged []struct {
		Release int    `json:"release"`
		Path    string `json:"path"`
		File    string `json:"file"`
	}
	Edited []struct{ Path string }
}

// TestVerify: a damaged content is named, and healed where main/ has it.
func TestVerify(t *testing.T) {
	t.Parallel()
	d := newProving(t, proving, nil)
	grow(t, d, 2, harness.Tree{"a.txt": harness.File("release 2\n"), "b.txt": harness.File("b\n")})
	grow(t, d, 3, harness.Tree{"a.txt": harness.File("release 3\n")})
	checkSaid(t, d.Say("verify"), "all is well")
	put(t, filepath.Join(d.Main(), "b.txt"), "edited\n")
	damage(t, stored(d, "release 3\n"))
	checkSaid(t, d.Say("verify"), "healed: release 3, a.txt: "+stored(d, "release 3\n"), "edited: main/b.txt", "all is well")
	if got := read(stored(d, "release 3\n")); got != "release 3\n" {
		t.Errorf("the content is %q", got)
	}
	damage(t, stored(d, "release 3\n"))
	damage(t, stored(d, "release 2\n"))
	answer := d.Ask("verify", "--json")
	var found verification
	if err := json.Unmarshal([]byte(answer.Said), &found); err != nil || answer.Code != 1 {
		t.Fatalf("%v: %+v", err, answer)
	}
	if len(found.Healed) != 1 || found.Healed[0].Path != "a.txt" || found.Healed[0].Release != 3 {
		t.Errorf("healed: %+v", found.Healed)
	}
	if len(found.Damaged) != 1 || found.Damaged[0].Path != "a.txt" || found.Damaged[0].Release != 2 || found.Damaged[0].File != stored(d, "release 2\n") {
		t.Errorf("damaged: %+v", found.Damaged)
	}
	if len(found.Edited) != 1 || found.Edited[0].Path != "b.txt" {
		t.Errorf("edited: %+v", found.Edited)
	}
	if answer := d.Ask("rollback", "2"); answer.Code != 1 || !strings.Contains(answer.Complained, "cannot roll back") {
		t.Errorf("a rollback to a damaged release: %+v", answer)
	}
	awaitRunning(d, 3)
}

// TestRebootLoop: a release whose trial takes the device down so many times is
// given up.
func TestRebootLoop(t *testing.T) {
	for attempts, why := range map[int]string{1: "the device went down once", 2: "the device went down twice"} {
		t.Run(fmt.Sprint(attempts), func(t *testing.T) {
			t.Parallel()
			d := newProving(t, proving+fmt.Sprintf("trial.attempts = %d\n", attempts), nil)
			second := harness.Tree{"main.py": program(lasting, "second"), "a.txt": harness.File("2\n")}
			upload(t, d, second)
			for down := range attempts {
				awaitTrial(t, d, 2)
				harness.Await(t, "the start", func() bool { return startsOf(d, 2) == down+1 }, d.Console)
				cutOff(d)
				d.Start()
			}
			awaitBack(d, 1)
			checkFailed(t, d, 2, why+" during its trial")
			checkTree(t, d.Deposit(), second)
			checkHolds(t, d.Main(), programs(good, "first"))
			if got := startsOf(d, 2); got != attempts {
				t.Errorf("release 2 was started %d times", got)
			}
		})
	}
}

// TestCleanEndsDuringATrial: who ends ota and starts it again says nothing about
// the release.
func TestCleanEndsDuringATrial(t *testing.T) {
	t.Parallel()
	d := newProving(t, once, nil)
	upload(t, d, programs("if os.path.exists(place('go')):\n    ready()\nrest()\n", "second"))
	for down := range 3 {
		awaitTrial(t, d, 2)
		harness.Await(t, "the start", func() bool { return startsOf(d, 2) == down+1 }, d.Console)
		d.Stop()
		d.Start()
	}
	awaitTrial(t, d, 2)
	signal(t, d, "go")
	d.Say("restart")
	awaitConfirmed(d, 2)
}
