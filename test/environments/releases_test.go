//go:build linux

package environments

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"ota/test/harness"
)

// TestReleases: an environment is a part of its release. One that is needed again
// is used again, a new one stands before the old program ends, and every way back
// leads to the one from before, with nothing to ask but the disk.
func TestReleases(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string]string{"cold": offline, "warm": offline + "python.warm = true\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkReleases(t, newDevice(t, settings))
		})
	}
}

func checkReleases(t *testing.T, d *harness.Device) {
	t.Helper()
	upload(t, d, program(plain, "second"), requiring(t, thing("1.0")))
	one := awaitStart(t, d, "2 1.0")
	awaitConfirmed(d, 2)
	checkEnvironments(t, d, one)
	made := markerOf(t, d, one)

	upload(t, d, program(plain, "third"))
	if again := awaitStart(t, d, "3 1.0"); again != one {
		t.Errorf("release 3 needs the same and got %s instead of %s", again, one)
	}
	awaitConfirmed(d, 3)
	checkEnvironments(t, d, one)
	if now := markerOf(t, d, one); !os.SameFile(now, made) || now.ModTime() != made.ModTime() {
		t.Error("the environment was made twice")
	}

	upload(t, d, requiring(t, thing("2.0")))
	two := awaitStart(t, d, "4 2.0")
	awaitConfirmed(d, 4)
	checkEnvironments(t, d, one, two)

	builds := strings.Count(d.Console(), "an environment is made")
	d.Say("rollback")
	if back := awaitStart(t, d, "3 1.0"); back != one {
		t.Errorf("back in %s instead of %s", back, one)
	}
	awaitConfirmed(d, 3)
	if now := strings.Count(d.Console(), "an environment is made"); now != builds {
		t.Error("the way back has built something")
	}

	upload(t, d, program(crashing, "fifth"), requiring(t, thing("3.0")))
	awaitStart(t, d, "5 3.0")
	d.Await("release 3 again", func(s harness.Status) bool {
		return s.Release.Number == 3 && s.Release.State == "confirmed" && s.Deposit.State == "held" && s.Program.PID != 0
	})
	if back := awaitStart(t, d, "3 1.0"); back != one {
		t.Errorf("after the crash in %s instead of %s", back, one)
	}
}

// commanding runs a command of the environment, and asks the Python of it in a
// check and in a probe.
const commanding = offline + `
program.command = ["tool", "now"]
check.command = ["python3", "-c", "import os, thing; open(os.path.join(os.environ['OTA_DIR'], 'checked'), 'w').write(thing.__file__)"]
trial.command = ["python3", "-c", "import os, thing; open(os.path.join(os.environ['OTA_DIR'], 'probed'), 'w').write(thing.__file__)"]
`

// TestCommands: the program, its check and its probe have the environment around
// them, from the first upload on.
func TestCommands(t *testing.T) {
	t.Parallel()
	needPip(t)
	d := harness.NewDevice(t, harness.FastDir(t), nil, commanding)
	d.Start()
	d.Await("a wait for the first upload", func(s harness.Status) bool { return s.Program.State == "waiting" })
	tool := thing("1.0")
	tool.Scripts = map[string]string{"tool": "thing:main"}
	tool.Files["thing/__init__.py"] += prelude + `
def main():
    import shutil
    note(" ".join(sys.argv[1:]), shutil.which("tool"), shutil.which("python3"), os.environ["VIRTUAL_ENV"], sys.prefix)
    rest()
`
	upload(t, d, requiring(t, tool))
	d.Await("a confirmed release", func(s harness.Status) bool { return s.Release.State == "confirmed" && s.Program.PID != 0 })
	made, _ := environments(t, d)
	if len(made) != 1 {
		t.Fatalf("environments: %q", made)
	}
	home := venvs(d) + "/" + made[0]
	want := strings.Join([]string{"now", home + "/bin/tool", home + "/bin/python3", home, home}, " ")
	if _, got, _ := strings.Cut(d.Starts(), " "); got != want {
		t.Errorf("the program found %q, want %q", got, want)
	}
	// The first probe did not count, as nothing ran that could have passed it.
	upload(t, d, harness.Tree{"more.txt": harness.File("more\n")})
	awaitConfirmed(d, 2)
	for _, name := range []string{"checked", "probed"} {
		found, err := os.ReadFile(d.Dir + "/" + name)
		if err != nil || !strings.HasPrefix(string(found), home+"/lib/") {
			t.Errorf("%s with %q, %v", name, found, err)
		}
	}
}

// TestPrune: the environments of dropped releases go.
func TestPrune(t *testing.T) {
	t.Parallel()
	d := newDevice(t, offline+"store.keep = 1\n")
	var last, previous string
	for i, version := range []string{"1.0", "2.0", "3.0", "4.0"} {
		release := i + 2
		upload(t, d, requiring(t, thing(version)))
		previous, last = last, awaitStart(t, d, string(rune('0'+release))+" "+version)
		awaitConfirmed(d, release)
	}
	harness.Await(t, "few environments", func() bool {
		made, _ := environments(t, d)
		return len(made) <= 2
	}, func() string { made, left := environments(t, d); return strings.Join(append(made, left...), " ") })
	checkEnvironments(t, d, previous, last)
	d.Say("rollback")
	awaitStart(t, d, "4 3.0")
}

// TestPruneOfHeld: uploads that are held one after the other leave one
// environment, the last.
func TestPruneOfHeld(t *testing.T) {
	t.Parallel()
	d := newDevice(t, offline+`check.command = ["python3", "-c", "import thing, sys; sys.exit('not '+thing.VERSION)"]`+"\n")
	before := awaitConfirmed(d, 1)
	for _, version := range []string{"1.0", "2.0", "3.0"} {
		upload(t, d, requiring(t, thing(version)))
		d.Await("held because of "+version, func(s harness.Status) bool {
			said := fmt.Sprint(s.Deposit.Reasons)
			return s.Deposit.State == "held" && strings.Contains(said, "not "+version)
		})
		if made, left := environments(t, d); len(made) != 1 || len(left) != 0 {
			t.Errorf("environments: %q, and %q", made, left)
		}
	}
	checkUntouched(t, d, before)
}
