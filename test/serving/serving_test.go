//go:build linux

// Package serving looks at programs that others connect to, with the real ota
// and servers as Debian ships them: no connection is lost by an update, what a
// program says of itself is heard, and what travels with it counts.
//
// In: what is installed, and the programs of docs/serving.md. Out: whether a
// client or a user sees what that page says. Never: a port that is not of the
// loopback address; anything inside ota.
package serving

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ota/test/harness"
)

func TestMain(m *testing.M) {
	os.Unsetenv("PYTHONDONTWRITEBYTECODE") // as on a device
	// As on a device, the first python3 in PATH is that of the system.
	os.Setenv("PATH", "/usr/bin:"+os.Getenv("PATH"))
	// A server that stops mostly waits for its clients.
	if flag.Set("test.parallel", "3") != nil {
		os.Exit(2)
	}
	harness.Main(m)
}

// quick is what most devices here have for their own settings.
const quick = `
[update]
quiet = "20ms"
`

// upload puts a tree into deposit/ as one upload.
func upload(t testing.TB, d *harness.Device, tree harness.Tree) {
	t.Helper()
	d.HoldBack()
	tree.Write(t, d.Deposit())
	d.LetGo()
}

// awaitRunning waits until a release is in main/, runs, and is all there is.
func awaitRunning(d *harness.Device, release int) harness.Status {
	return d.Await(fmt.Sprintf("release %d running", release), func(s harness.Status) bool {
		return s.Program.State == "running" && s.Program.PID != 0 &&
			s.Release.Number == release && s.Deposit.State == "empty"
	})
}

// awaitConfirmed waits until a release has proved itself.
func awaitConfirmed(d *harness.Device, release int) harness.Status {
	return d.Await(fmt.Sprintf("release %d confirmed", release), func(s harness.Status) bool {
		return s.Release.Number == release && s.Release.State == "confirmed" && s.Deposit.State == "empty"
	})
}

// awaitConsole waits until ota has printed a text.
func awaitConsole(t testing.TB, d *harness.Device, text string) {
	t.Helper()
	harness.Await(t, fmt.Sprintf("%q on the console", text),
		func() bool { return strings.Contains(d.Console(), text) }, d.Console)
}

// read is the content of a file, "" if there is none.
func read(path string) string {
	content, _ := os.ReadFile(path)
	return string(content)
}

// readBelow is the content of a file of the device's folder.
func readBelow(d *harness.Device, path string) string { return read(filepath.Join(d.Dir, path)) }
