//go:build linux

package device

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ota/test/harness"
)

// proving are the settings of the tests of trials. The period is longer than any
// test: what ends a trial in them is what the program does.
const proving = `
update.quiet = "50ms"
trial.period = "10m"
trial.interval = "100ms"
`

// brief has a period that is worth waiting for.
const brief = `
update.quiet = "50ms"
trial.period = "1s"
trial.interval = "100ms"
`

// prelude is the beginning of the Python programs: they note their starts, and
// can say that they are ready. Python may lose a SIGINT that comes while it
// imports something or throws away a socket that nobody has closed, and one that
// comes when a sleep is about to begin ends nothing before that is over.
const prelude = `import os, socket, sys, time

def place(name):
    return os.path.join(os.environ["OTA_DIR"], name)

def note(name, text):
    with open(place(name), "a") as f:
        print(text, file=f)

def wait_for(name):
    while not os.path.exists(place(name)):
        time.sleep(0.01)

def rest():
    while True:
        time.sleep(0.1)

def ready():
    address = os.environ["NOTIFY_SOCKET"]
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.sendto(b"READY=1", address)

note("starts", os.environ["OTA_RELEASE"] + " " + str(os.getpid()))
`

// What programs do.
const (
	good    = "ready()\nrest()\n" // proves itself at once
	lasting = "rest()\n"          // runs, and does not say that it is ready
	failing = "sys.exit(3)\n"
)

// program is a main.py. Two that do the same differ by the remark.
func program(body, remark string) harness.Entry {
	return harness.File(prelude + body + "# " + remark + "\n")
}

// programs is a tree with nothing but a main.py.
func programs(body, remark string) harness.Tree {
	return harness.Tree{"main.py": program(body, remark)}
}

// newProving is a device whose first release is adopted and good.
func newProving(t *testing.T, settings string, files harness.Tree) *harness.Device {
	t.Helper()
	harness.Need(t, "python3")
	d := newDevice(t, files.Over(programs(good, "first")), settings)
	awaitStart(t, d, 1)
	return d
}

// grow makes a confirmed release of a tree.
func grow(t *testing.T, d *harness.Device, release int, tree harness.Tree) {
	t.Helper()
	upload(t, d, tree)
	awaitConfirmed(d, release)
}

// awaitConfirmed waits until a release is confirmed and nothing is in deposit/.
func awaitConfirmed(d *harness.Device, release int) harness.Status {
	return d.Await(fmt.Sprintf("release %d confirmed", release), func(s harness.Status) bool {
		return isIn(s, release) && s.Release.State == "confirmed"
	})
}

// awaitTrial waits until a release runs and is on trial.
func awaitTrial(t *testing.T, d *harness.Device, release int) harness.Status {
	t.Helper()
	awaitStart(t, d, release)
	return d.Await(fmt.Sprintf("release %d on trial", release), func(s harness.Status) bool {
		return isIn(s, release) && s.Release.State == "trial"
	})
}

// awaitBack waits until an earlier release runs and has proved itself again, and
// the files of the one that failed are held; it returns why.
func awaitBack(d *harness.Device, release int) []harness.Reason {
	return d.Await(fmt.Sprintf("release %d again", release), func(s harness.Status) bool {
		return s.Program.State == "running" && s.Program.PID != 0 && s.Release.Number == release &&
			s.Release.State == "confirmed" && s.Deposit.State == "held"
	}).Deposit.Reasons
}

// entry is what the history says of a release.
func entry(t *testing.T, d *harness.Device, release int) harness.Release {
	t.Helper()
	for _, one := range d.History() {
		if one.Number == release {
			return one
		}
	}
	t.Fatalf("there is no release %d in the history", release)
	return harness.Release{}
}

// checkFailed fails the test if the history does not say that a release was
// rolled back, and why.
func checkFailed(t *testing.T, d *harness.Device, release int, why string) {
	t.Helper()
	if got := entry(t, d, release); got.State != "rolled back" || !strings.Contains(got.Reason, why) {
		t.Errorf("release %d is %s (%s), want it rolled back: %s", release, got.State, got.Reason, why)
	}
}

// checkStates compares the states of all releases, the oldest first.
func checkStates(t *testing.T, d *harness.Device, want string) {
	t.Helper()
	var got string
	for _, one := range d.History() {
		got = fmt.Sprintf("%d %s, ", one.Number, one.State) + got
	}
	if got != want+", " {
		t.Errorf("history: %s want %s", got, want)
	}
}

// checkNoTry fails the test if a release with a number was made.
func checkNoTry(t *testing.T, d *harness.Device, release int) {
	t.Helper()
	for _, one := range d.History() {
		if one.Number >= release {
			t.Errorf("there is a release %d, %s", one.Number, one.State)
		}
	}
}

// checkHolds fails the test if main/ does not hold these files; what else it
// holds, such as bytecode, is not looked at.
func checkHolds(t *testing.T, dir string, want harness.Tree) {
	t.Helper()
	got, err := harness.Read(dir)
	if err != nil {
		t.Error(err)
	}
	for path := range got {
		if _, wanted := want[path]; !wanted {
			delete(got, path)
		}
	}
	if diff := harness.Diff(want, got); diff != "" {
		t.Errorf("%s:\n%s", filepath.Base(dir), diff)
	}
}

// startsOf counts the starts of a release.
func startsOf(d *harness.Device, release int) (count int) {
	for _, line := range starts(d) {
		if strings.HasPrefix(line, fmt.Sprint(release, " ")) {
			count++
		}
	}
	return count
}

// awaitNote waits until the program has noted so many lines in a file.
func awaitNote(t *testing.T, d *harness.Device, name string, lines int) {
	t.Helper()
	harness.Await(t, fmt.Sprintf("%d lines in %s", lines, name),
		func() bool { return strings.Count(read(filepath.Join(d.Dir, name)), "\n") >= lines }, d.Console)
}

// signal makes the file that a program waits for.
func signal(t *testing.T, d *harness.Device, name string) {
	t.Helper()
	put(t, filepath.Join(d.Dir, name), "")
}

func listen(t *testing.T, port int) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// exists reports whether there is anything at a path.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
