//go:build linux

package serving

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ota/test/harness"
)

// prelude is what the programs of these tests begin with.
const prelude = `import os, signal, socket, sys, time

def place(name):
    return os.path.join(os.environ["OTA_DIR"], name)

def note(text):
    with open(place("notes"), "a") as notes:
        notes.write(text + "\n")

def say(text):
    address = os.environ["NOTIFY_SOCKET"]
    address = "\0" + address[1:] if address[0] == "@" else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.sendto(text.encode(), address)

def wait_for(name):
    while not os.path.exists(place(name)):
        time.sleep(0.01)

def rest():
    while True:
        time.sleep(1000)

`

// program is a main.py of these tests.
func program(body string) harness.Entry { return harness.File(prelude + body) }

// newDevice is a device with a program of these tests that runs.
func newDevice(t *testing.T, body, settings string, others ...harness.Tree) *harness.Device {
	t.Helper()
	harness.Need(t, "python3")
	main := harness.Tree{"main.py": program(body)}
	for _, tree := range others {
		main = tree.Over(main)
	}
	d := harness.NewDevice(t, harness.FastDir(t), main, settings+quick)
	d.Start()
	awaitRunning(d, 1)
	return d
}

// notes are the lines that the program has written.
func notes(d *harness.Device) []string {
	return strings.Split(strings.TrimSpace(readBelow(d, "notes")), "\n")
}

// awaitNote waits until the program has written a line, and returns all lines.
func awaitNote(t testing.TB, d *harness.Device, line string) []string {
	t.Helper()
	harness.Await(t, fmt.Sprintf("%q of the program", line),
		func() bool { return slices.Contains(notes(d), line) },
		func() string { return fmt.Sprintf("%q\n%s", notes(d), d.Console()) })
	return notes(d)
}

// count is how often the program has written a line.
func count(d *harness.Device, line string) int {
	return len(slices.DeleteFunc(notes(d), func(one string) bool { return one != line }))
}

// give makes a file that the program waits for.
func give(t testing.TB, d *harness.Device, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(d.Dir, name), nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

// contains fails the test if a text has not all of the parts.
func contains(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in:\n%s", part, text)
		}
	}
}
