//go:build linux

// Package device looks at what ota promises its users, with the real binary on
// real folders: mounts and links, names of every kind, full disks, programs that
// misbehave.
//
// In: a folder as a user may have it. Out: whether ota does there what it says.
// Never: anything inside ota; a file system or process of the machine that the
// test did not make.
package device

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ota/test/harness"
)

func TestMain(m *testing.M) {
	os.Unsetenv("PYTHONDONTWRITEBYTECODE") // as on a device
	harness.Main(m)
}

// noting is a program that notes its release and pid at every start and lives
// until it is ended.
const noting = `[program]
command = ["/bin/sh", "-c", 'echo "$OTA_RELEASE $$" >>"$OTA_DIR/starts"; exec sleep 1000']

[update]
quiet = "20ms"
`

// python runs main.py.
const python = "[update]\nquiet = \"20ms\"\n"

// first is what main/ holds where nothing else is said.
var first = harness.Tree{"main.py": harness.File("first\n")}

// newDevice is a device with a program running in it.
func newDevice(t *testing.T, main harness.Tree, settings string) *harness.Device {
	t.Helper()
	d := harness.NewDevice(t, harness.FastDir(t), main, settings)
	d.Start()
	awaitRunning(d, 1)
	return d
}

// upload puts a tree into deposit/ as one upload.
func upload(t *testing.T, d *harness.Device, tree harness.Tree) {
	t.Helper()
	hold := filepath.Join(d.Deposit(), ".hold")
	put(t, hold, "")
	tree.Write(t, d.Deposit())
	remove(t, hold)
}

// awaitRunning waits until a release is in main/, runs, and is all there is.
func awaitRunning(d *harness.Device, release int) harness.Status {
	return d.Await(fmt.Sprintf("release %d running", release), func(s harness.Status) bool {
		return s.Program.State == "running" && s.Program.PID != 0 && isIn(s, release)
	})
}

// isIn reports whether a release is in main/ and nothing is in deposit/.
func isIn(s harness.Status, release int) bool {
	return s.Release.Number == release && s.Deposit.State == "empty"
}

// awaitHeld waits until the upload is held, and returns why.
func awaitHeld(d *harness.Device) []harness.Reason {
	return d.Await("a held upload", func(s harness.Status) bool { return s.Deposit.State == "held" }).Deposit.Reasons
}

// awaitConsole waits until ota has printed a text.
func awaitConsole(t *testing.T, d *harness.Device, text string) {
	t.Helper()
	harness.Await(t, fmt.Sprintf("%q on the console", text),
		func() bool { return strings.Contains(d.Console(), text) }, d.Console)
}

// checkSame fails the test if the program is not the one that it was.
func checkSame(t *testing.T, d *harness.Device, before harness.Status) {
	t.Helper()
	now, err := d.Status()
	if err != nil || now.Program.PID != before.Program.PID || now.Release.Number != before.Release.Number {
		t.Errorf("the program was touched: %+v, %v; before: %+v", now, err, before)
	}
}

// checkTree fails the test if a folder holds anything else than it should.
func checkTree(t *testing.T, dir string, want harness.Tree) {
	t.Helper()
	got, err := harness.Read(dir)
	if err != nil {
		t.Error(err)
	}
	if diff := harness.Diff(want, got); diff != "" {
		t.Errorf("%s:\n%s", filepath.Base(dir), diff)
	}
}

// clear empties deposit/ and waits until ota has seen it.
func clear(t *testing.T, d *harness.Device) {
	t.Helper()
	entries, err := os.ReadDir(d.Deposit())
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if err := os.RemoveAll(filepath.Join(d.Deposit(), entry.Name())); err != nil {
			t.Fatal(err)
		}
	}
	d.Await("an empty deposit/", func(s harness.Status) bool { return s.Deposit.State == "empty" })
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func makeFolder(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// read is the content of a file, "" if there is none.
func read(path string) string {
	content, _ := os.ReadFile(path)
	return string(content)
}

// starts are the lines that the program has noted at its starts.
func starts(d *harness.Device) []string {
	return strings.FieldsFunc(read(filepath.Join(d.Dir, "starts")), func(r rune) bool { return r == '\n' })
}

// awaitStart waits until the program of a release has noted its start, and
// returns all lines. A program that was ended at once may have noted nothing.
func awaitStart(t *testing.T, d *harness.Device, release int) []string {
	t.Helper()
	isNoted := func(line string) bool { return strings.HasPrefix(line, fmt.Sprint(release, " ")) }
	harness.Await(t, fmt.Sprintf("the start of release %d", release),
		func() bool { return slices.ContainsFunc(starts(d), isNoted) },
		func() string { return fmt.Sprintf("starts: %q\n%s", starts(d), d.Console()) })
	return starts(d)
}

// isAlive reports whether a process is there and no zombie.
func isAlive(pid string) bool {
	stat := read(filepath.Join("/proc", strings.TrimSpace(pid), "stat"))
	_, after, found := strings.Cut(stat, ") ")
	return found && !strings.HasPrefix(after, "Z")
}
