//go:build linux

package serving

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ota/test/harness"
)

// spared are settings with which data may change under the program.
const spared = `
[trial]
period = "300ms"

[update]
quiet = "20ms"
no_restart = ["data/**"]
reload_signal = "HUP"
`

// reading reads its data again when it is told to. With "die" in it, it ends.
const reading = `
def reload(*_):
    text = open("data/table.txt").read().strip()
    note("read " + text)
    if text == "die":
        os._exit(3)

signal.signal(signal.SIGHUP, reload)
reload()
say("READY=1")
while True:
    time.sleep(0.02)
`

func table(text string) harness.Tree {
	return harness.Tree{"data/table.txt": harness.File(text + "\n")}
}

func newReading(t *testing.T, replace ...string) (*harness.Device, harness.Status) {
	t.Helper()
	harness.Need(t, "python3")
	d := harness.NewDevice(t, harness.FastDir(t), table("1").Over(harness.Tree{"main.py": program(reading)}), strings.NewReplacer(replace...).Replace(spared))
	d.Start()
	return d, awaitSaidReady(d, 0)
}

// TestDataChangesUnderTheProgram: it is a release like any other, with a trial,
// and the program is told once.
func TestDataChangesUnderTheProgram(t *testing.T) {
	t.Parallel()
	d, before := newReading(t)
	for n := 2; n <= 4; n++ {
		upload(t, d, table(fmt.Sprint(n)).Over(harness.Tree{fmt.Sprintf("data/new/%d.txt", n): harness.File("new\n")}))
		awaitNote(t, d, fmt.Sprint("read ", n))
		after := awaitConfirmed(d, n)
		if after.Program.PID != before.Program.PID || after.Program.Restarts != 0 {
			t.Errorf("release %d: the program was restarted: %+v", n, after.Program)
		}
	}
	if got, want := strings.Join(notes(d), ", "), "read 1, read 2, read 3, read 4"; got != want {
		t.Errorf("the program was told %q, want %q", got, want)
	}
	history := d.History()
	if len(history) != 4 || len(history[0].Files) != 2 {
		t.Errorf("history: %+v", history)
	}
	d.Say("rollback", "2") // starts the program again, as all do
	after := d.Await("release 2", func(s harness.Status) bool { return s.Release.Number == 2 && s.Release.State == "confirmed" })
	if after.Program.PID == before.Program.PID {
		t.Errorf("after the rollback: %+v", after.Program)
	}
	harness.Await(t, "the old data read again", func() bool { return count(d, "read 2") == 2 }, d.Console)
}

// TestWhatWasSaidBeforeTheData: READY=1 of the time before neither confirms a
// release of data nor is it asked for again.
func TestWhatWasSaidBeforeTheData(t *testing.T) {
	t.Parallel()
	d, before := newReading(t, `period = "300ms"`, "period = \"3s\"\nready = true")
	upload(t, d, table("2"))
	awaitNote(t, d, "read 2")
	d.Await("release 2 on trial", func(s harness.Status) bool { return s.Release.Number == 2 && s.Release.State == "trial" })
	if after := awaitConfirmed(d, 2); after.Program.PID != before.Program.PID {
		t.Errorf("the program was restarted: %+v", after.Program)
	}
}

// TestMoreThanDataRestarts: one other file is enough.
func TestMoreThanDataRestarts(t *testing.T) {
	t.Parallel()
	d, before := newReading(t)
	upload(t, d, table("2").Over(harness.Tree{"helper.py": harness.File("V = 2\n")}))
	after := awaitConfirmed(d, 2)
	if after.Program.PID == before.Program.PID {
		t.Error("the program was not restarted for a new source")
	}
	awaitNote(t, d, "read 2")
	if got := strings.Join(notes(d), ", "); got != "read 1, read 2" {
		t.Errorf("notes: %q", got)
	}
}

// TestDiesOfNewData: the old data are back, and the bad ones in deposit/.
func TestDiesOfNewData(t *testing.T) {
	t.Parallel()
	d, _ := newReading(t)
	upload(t, d, table("die"))
	d.Await("release 1 again", func(s harness.Status) bool {
		return s.Release.Number == 1 && s.Program.State == "running" && s.Deposit.State == "held"
	})
	contains(t, d.Say("why"), "release 2 was rolled back to release 1", "exit code 3")
	if got := read(filepath.Join(d.Main(), "data", "table.txt")); got != "1\n" {
		t.Errorf("the data are %q", got)
	}
	if got := read(filepath.Join(d.Deposit(), "data", "table.txt")); got != "die\n" {
		t.Errorf("the bad data in deposit/ are %q", got)
	}
}

// TestKilledWhileDataChange: whatever ota is at, each file is the old or the new
// one, and after the next start all are of one release.
func TestKilledWhileDataChange(t *testing.T) {
	t.Parallel()
	d, _ := newReading(t)
	const files, rounds = 500, 8
	tree := func(n int) harness.Tree {
		tree := harness.Tree{}
		for i := range files {
			tree[fmt.Sprintf("data/%03d.txt", i)] = harness.File(fmt.Sprintf("%d\n", n))
		}
		return tree
	}
	upload(t, d, tree(0))
	awaitConfirmed(d, 2)
	var ends []string
	for n := 1; n <= rounds; n++ {
		upload(t, d, tree(n))
		// In every round a little further: when the n-th part of the files is there.
		last := filepath.Join(d.Main(), "data", fmt.Sprintf("%03d.txt", (n-1)*files/rounds))
		for end := time.Now().Add(harness.Deadline); read(last) != fmt.Sprintln(n); {
			if time.Now().After(end) {
				t.Fatalf("round %d: there was no switch\n%s", n, d.Console())
			}
		}
		d.Kill()
		ends = append(ends, mixture(d))
		d.Start()
		d.Await("the release", func(s harness.Status) bool {
			return s.Program.State == "running" && s.Deposit.State == "empty" && s.Release.Number == n+2
		})
		if found := mixture(d); found != fmt.Sprintf("%d of %d", files, n) {
			t.Errorf("round %d: main/ holds %s", n, found)
		}
	}
	t.Logf("when ota was killed: %s", strings.Join(ends, "; "))
}

// mixture says how many files of data are of which release.
func mixture(d *harness.Device) string {
	found := map[string]int{}
	names, _ := filepath.Glob(filepath.Join(d.Main(), "data", "???.txt"))
	for _, name := range names {
		found[strings.TrimSpace(read(name))]++
	}
	var parts []string
	for n, count := range found {
		parts = append(parts, fmt.Sprintf("%d of %s", count, n))
	}
	return strings.Join(parts, ", ")
}
