//go:build linux

// Package environments looks at the virtual environments that releases bring,
// with the real ota, the Python of this machine and wheels made here: offline.
//
// In: what a program says it requires. Out: which packages it finds at each
// start, and what stands in .ota/venvs/. Never: a network.
package environments

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ota/test/harness"
)

func TestMain(m *testing.M) {
	os.Unsetenv("PYTHONDONTWRITEBYTECODE") // as on a device
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "PIP_") || strings.HasPrefix(name, "UV_") {
			os.Unsetenv(name)
		}
	}
	os.Setenv("PIP_CONFIG_FILE", os.DevNull)
	os.Setenv("PIP_RETRIES", "0")
	preferSystem()
	flag.Set("test.parallel", "4") // they wait for programs half of the time
	harness.Main(m)
}

// preferSystem puts the system's own Python in front of others: what stands there
// on a developer's machine may be a script that looks for one.
func preferSystem() {
	if _, err := os.Stat("/usr/bin/python3"); err != nil {
		return
	}
	folders := []string{"/usr/bin", "/bin"}
	if path, err := exec.LookPath("go"); err == nil {
		folders = append(folders, filepath.Dir(path))
	}
	os.Setenv("PATH", strings.Join(folders, ":"))
}

// needPip ends the test where there is no Python that could make an environment.
func needPip(t *testing.T) {
	t.Helper()
	harness.Need(t, "python3")
	if err := exec.Command("python3", "-c", "import pip").Run(); err != nil {
		harness.Lack(t, "python3 has no pip here")
	}
}

// offline are the settings of most tests. A program proves itself by saying that
// it is ready.
const offline = `
update.quiet = "20ms"
trial.period = "10m"
trial.interval = "100ms"
python.offline = true
`

// prelude is the beginning of programs. Each notes at its start which version of
// the package thing it finds, and in which environment.
const prelude = `import os, socket, sys, time

def place(name):
    return os.path.join(os.environ["OTA_DIR"], name)

def note(*words):
    with open(place("starts"), "a") as f:
        print(os.environ["OTA_RELEASE"], *words, file=f)

def rest():
    address = os.environ["NOTIFY_SOCKET"]
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.sendto(b"READY=1", address)
    while True:
        time.sleep(0.1)

`

// plain is a program that does without what it does not find.
const plain = prelude + `try:
    from thing import VERSION
except ImportError:
    VERSION = "none"
note(VERSION, os.path.basename(sys.prefix))
rest()
`

// crashing finds the package, and crashes.
const crashing = prelude + `import thing
note(thing.VERSION, os.path.basename(sys.prefix))
sys.exit(3)
`

// program is a main/ with a program. Two that do the same differ by the remark.
func program(body, remark string) harness.Tree {
	return harness.Tree{"main.py": harness.File(body + "# " + remark + "\n")}
}

// thing is the package that the programs look for, in a version.
func thing(version string) harness.Wheel {
	return harness.Wheel{
		Name: "thing", Version: version,
		Files: map[string]string{"thing/__init__.py": fmt.Sprintf("VERSION = %q\n", version)},
	}
}

// wheels is main/wheels/.
func wheels(t *testing.T, all ...harness.Wheel) harness.Tree {
	t.Helper()
	tree := harness.Tree{}
	for _, one := range all {
		tree["wheels/"+one.File()] = one.Entry(t)
	}
	return tree
}

// requiring is a requirements.txt with the wheel that it asks for.
func requiring(t *testing.T, one harness.Wheel) harness.Tree {
	t.Helper()
	tree := wheels(t, one)
	tree["requirements.txt"] = harness.File(one.Name + "==" + one.Version + "\n")
	return tree
}

// newDevice is a device with a running program that requires nothing.
func newDevice(t *testing.T, settings string) *harness.Device {
	t.Helper()
	return newDeviceIn(t, harness.FastDir(t), settings)
}

func newDeviceIn(t *testing.T, dir, settings string) *harness.Device {
	t.Helper()
	needPip(t)
	d := harness.NewDevice(t, dir, program(plain, "first"), settings)
	d.Start()
	awaitStart(t, d, "1 none")
	return d
}

// upload puts trees into deposit/ as one upload.
func upload(t *testing.T, d *harness.Device, trees ...harness.Tree) {
	t.Helper()
	d.HoldBack()
	for _, tree := range trees {
		tree.Write(t, d.Deposit())
	}
	d.LetGo()
}

// awaitConfirmed waits until a release is confirmed and nothing is in deposit/.
func awaitConfirmed(d *harness.Device, release int) harness.Status {
	return d.Await(fmt.Sprintf("release %d confirmed", release), func(s harness.Status) bool {
		return s.Release.Number == release && s.Deposit.State == "empty" && s.Program.PID != 0 &&
			(s.Release.State == "confirmed" || s.Release.State == "adopted")
	})
}

// awaitHeld waits until the upload is held, and returns why.
func awaitHeld(d *harness.Device) []harness.Reason {
	return d.Await("a held upload", func(s harness.Status) bool { return s.Deposit.State == "held" }).Deposit.Reasons
}

// awaitStart waits until the last start is that of a release with a version of
// the package, and returns the environment that it was in.
func awaitStart(t *testing.T, d *harness.Device, want string) (environment string) {
	t.Helper()
	var last string
	harness.Await(t, "the start "+want, func() bool {
		last = d.Starts()
		last = last[strings.LastIndexByte(last, '\n')+1:]
		return strings.HasPrefix(last, want+" ")
	}, func() string { return d.Starts() + "\n" + d.Console() })
	return last[strings.LastIndexByte(last, ' ')+1:]
}

// awaitConsole waits until ota has printed a text.
func awaitConsole(t *testing.T, d *harness.Device, text string) {
	t.Helper()
	harness.Await(t, fmt.Sprintf("%q on the console", text),
		func() bool { return strings.Contains(d.Console(), text) }, d.Console)
}

func venvs(d *harness.Device) string { return filepath.Join(d.Dir, ".ota", "venvs") }

var environmentName = regexp.MustCompile(`^[0-9a-f]{16}$`)

// environments lists the folders of environments, and what builds have left.
func environments(t *testing.T, d *harness.Device) (made, left []string) {
	t.Helper()
	entries, err := os.ReadDir(venvs(d))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, entry := range entries {
		switch {
		case environmentName.MatchString(entry.Name()):
			made = append(made, entry.Name())
		case entry.Name() != "lock":
			left = append(left, entry.Name())
		}
	}
	return made, left
}

// checkEnvironments compares the environments that are there, and looks for what
// builds should not have left.
func checkEnvironments(t *testing.T, d *harness.Device, want ...string) {
	t.Helper()
	made, left := environments(t, d)
	slices.Sort(want)
	if !slices.Equal(made, slices.Compact(want)) || len(left) > 0 {
		t.Errorf("environments: %q, and %q; want %q", made, left, want)
	}
}

// markerOf is the file that makes a folder an environment.
func markerOf(t *testing.T, d *harness.Device, environment string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(filepath.Join(venvs(d), environment, "ota-environment.json"))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// checkUntouched fails the test if a program is not the one that it was.
func checkUntouched(t *testing.T, d *harness.Device, before harness.Status) {
	t.Helper()
	now, err := d.Status()
	if err != nil || now.Program.PID != before.Program.PID || now.Release.Number != before.Release.Number {
		t.Errorf("the program was touched: %+v, %v; before: %+v", now, err, before)
	}
}

// cutOff ends ota and its program as a power cut does.
func cutOff(d *harness.Device) {
	d.Kill()
	d.KillPrograms()
}

// signal makes the file that somebody waits for.
func signal(t *testing.T, d *harness.Device, name string) {
	t.Helper()
	harness.Tree{name: harness.File("")}.Write(t, d.Dir)
}
