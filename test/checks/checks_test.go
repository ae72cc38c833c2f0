//go:build linux

// Package checks shows what an upload is judged by before the old program is
// stopped, with the real ota and a real Python: uploads that are bad in every
// way that we know, and those that only look bad.
//
// In: a device with a program that runs well, and an upload. Out: whether the
// program goes on undisturbed, and the reason word for word (testdata/golden;
// rewritten with -update). Never: anything inside ota; the network.
package checks

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"ota/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// settings are those of every device here. A program is confirmed as soon as it
// says READY=1: whether a crash comes before that is no question of time.
const settings = `[update]
quiet = "50ms"

[trial]
ready = true
period = "60s"
attempts = 1
`

// beat is what every good program here does.
const beat = `"""Notes the start, says READY=1 and waits for its end."""
import os
import signal
import socket

signal.signal(signal.SIGINT, signal.SIG_DFL)  # without a traceback


def go():
    with open(os.path.join(os.environ["OTA_DIR"], "starts"), "a") as starts:
        starts.write("%s %d\n" % (os.environ["OTA_RELEASE"], os.getpid()))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
    while True:
        signal.pause()
`

const going = "import beat\n\nbeat.go()\n"

// program is main.py with these lines in front of what it does.
func program(lines string) harness.Entry { return harness.File(lines + going) }

// good is the program that runs before something is uploaded.
var good = harness.Tree{"main.py": harness.File(going), "beat.py": harness.File(beat)}

// python is the interpreter of the devices: the one of the system, or the one
// in the folder that OTA_TEST_PYTHON names.
type python struct {
	path    string // PATH of the devices
	minor   string // "3.11"
	version string // "3.11.2"
	machine string // "x86_64"
	pip     string // "23.0.1"; empty: there is none
	uv      string // its path; empty: there is none
}

var thePython = sync.OnceValue(func() (found python) {
	found.path = os.Getenv("PATH")
	if named := os.Getenv("OTA_TEST_PYTHON"); named != "" {
		found.path = named + ":/usr/bin:/bin"
	} else if _, err := os.Stat("/usr/bin/python3"); err == nil {
		found.path = "/usr/bin:/bin" // what stands before it may be a shim
	}
	ask := func(args ...string) []string {
		cmd := exec.Command("env", append([]string{"-i", "PATH=" + found.path}, args...)...)
		said, err := cmd.Output()
		if err != nil {
			return nil
		}
		return strings.Fields(string(said))
	}
	question := "import sys, platform; print('%d.%d' % sys.version_info[:2], platform.python_version(), platform.machine())"
	if said := ask("python3", "-c", question); len(said) == 3 {
		found.minor, found.version, found.machine = said[0], said[1], said[2]
	}
	if said := ask("python3", "-m", "pip", "--version"); len(said) > 1 {
		found.pip = said[1]
	}
	if said := ask("sh", "-c", "command -v uv"); len(said) > 0 {
		found.uv = said[0]
	}
	return found
})

func needPython(t *testing.T) {
	t.Helper()
	if thePython().version == "" {
		harness.Lack(t, "python3 is not installed")
	}
}

// needPip is for what makes an environment; the words are those for pip.
func needPip(t *testing.T) {
	t.Helper()
	needPython(t)
	if thePython().pip == "" {
		harness.Lack(t, "there is no pip for "+thePython().version)
	}
	if thePython().uv != "" {
		t.Skip("uv is there and makes the environments")
	}
}

// layOut is a device that is not started yet.
func layOut(t *testing.T, dir string, main harness.Tree, more string) *harness.Device {
	t.Helper()
	needPython(t)
	d := harness.NewDevice(t, dir, main, settings+more)
	d.Under = []string{"env", "-i", "PATH=" + thePython().path, "LANG=C.UTF-8", "HOME=" + filepath.Join(d.Dir, "home"),
		"PIP_CONFIG_FILE=/dev/null", "PIP_RETRIES=0"}
	return d
}

// newDevice is a device on which the good program runs.
func newDevice(t *testing.T, more string) *harness.Device {
	t.Helper()
	d := layOut(t, harness.FastDir(t), good, more)
	d.Start()
	awaitNext(d, 0)
	return d
}

// awaitNext waits until a newer release runs and has proved itself, and nothing
// is in deposit/.
func awaitNext(d *harness.Device, than int) harness.Status {
	return d.Await(fmt.Sprintf("a release after %d that has proved itself", than), func(s harness.Status) bool {
		return s.Program.State == "running" && s.Release.Number > than && s.Release.State != "trial" &&
			s.Deposit.State == "empty" && len(starts(d)) > 0
	})
}

// awaitHeld waits until the upload is held, over the release that is there.
func awaitHeld(d *harness.Device, release int) harness.Status {
	return d.Await("a held upload", func(s harness.Status) bool {
		return s.Deposit.State == "held" && s.Release.Number == release && s.Program.State == "running" && s.Program.PID != 0
	})
}

// upload puts a tree into deposit/ as one upload.
func upload(t *testing.T, d *harness.Device, tree harness.Tree) {
	t.Helper()
	d.HoldBack()
	tree.Write(t, d.Deposit())
	d.LetGo()
}

// now is the status.
func now(t *testing.T, d *harness.Device) harness.Status {
	t.Helper()
	status, err := d.Status()
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// starts are the lines that programs have noted at their starts.
func starts(d *harness.Device) []string {
	return strings.Fields(strings.ReplaceAll(d.Starts(), " ", ":"))
}

// checkSame fails the test if the program is not the very process that it was.
func checkSame(t *testing.T, d *harness.Device, before harness.Status) {
	t.Helper()
	after := now(t, d)
	if after.Program.PID != before.Program.PID || !after.Program.Started.Equal(before.Program.Started) ||
		after.Program.Restarts != before.Program.Restarts || after.Release.Number != before.Release.Number {
		t.Errorf("the program was touched: %+v; before: %+v", after, before)
	}
}

// checkStarts fails the test if there were not as many starts of good programs.
func checkStarts(t *testing.T, d *harness.Device, before []string, more int) {
	t.Helper()
	if after := starts(d); len(after) != len(before)+more {
		t.Errorf("%d starts more, want %d: %v", len(after)-len(before), more, after)
	}
}
