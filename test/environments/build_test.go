//go:build linux

package environments

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"ota/test/harness"
)

// backend builds a package of one module, once somebody has made the file go.
const backend = `import os, time, zipfile

INFO = "slow-1.0.dist-info/"
FILES = {
    "slow.py": "VERSION = 'slow'\n",
    INFO + "METADATA": "Metadata-Version: 2.1\nName: slow\nVersion: 1.0\n",
    INFO + "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}


def prepare_metadata_for_build_wheel(folder, config_settings=None):
    os.mkdir(os.path.join(folder, INFO))
    with open(os.path.join(folder, INFO + "METADATA"), "w") as f:
        f.write(FILES[INFO + "METADATA"])
    return INFO.rstrip("/")


def build_wheel(folder, config_settings=None, metadata_directory=None):
    device = os.environ["OTA_DIR"]
    with open(os.path.join(device, "builders"), "a") as f:
        print(os.getpid(), os.getppid(), file=f)
    while not os.path.exists(os.path.join(device, "go")):
        time.sleep(0.01)
    name = "slow-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        for path, text in FILES.items():
            wheel.writestr(path, text)
        wheel.writestr(INFO + "RECORD", "".join(path + ",,\n" for path in [*FILES, INFO + "RECORD"]))
    return name
`

// slowly is a program with a package of its own whose build waits.
func slowly() harness.Tree {
	return harness.Tree{
		"main.py":             harness.File(prelude + "import slow\nnote(slow.VERSION, os.path.basename(sys.prefix))\nrest()\n"),
		"requirements.txt":    harness.File("./slow\n"),
		"slow/pyproject.toml": harness.File("[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n"),
		"slow/backend.py":     harness.File(backend),
	}
}

// builders are the processes of all builds so far: of each its own, and its
// parent.
func builders(d *harness.Device) (pids []int) {
	found, _ := os.ReadFile(filepath.Join(d.Dir, "builders"))
	for word := range strings.FieldsSeq(string(found)) {
		if pid, err := strconv.Atoi(word); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// awaitBuild waits until that many builds have begun and the last of them waits.
func awaitBuild(t *testing.T, d *harness.Device, count int) {
	t.Helper()
	harness.Await(t, "the build", func() bool { return len(builders(d)) == 2*count }, d.Console)
}

// awaitNoBuilder waits until nothing of any build lives.
func awaitNoBuilder(t *testing.T, d *harness.Device) {
	t.Helper()
	harness.Await(t, "the end of the installer", func() bool {
		for _, pid := range builders(d) {
			if lives(pid) {
				return false
			}
		}
		return true
	}, d.Console)
}

// lives is false for a zombie: nobody may be there to bury it.
func lives(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	_, after, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(after, "Z")
}

// awaitNothingMade waits until builds have left nothing.
func awaitNothingMade(t *testing.T, d *harness.Device) {
	t.Helper()
	var made, left []string
	harness.Await(t, "a tidy .ota/venvs", func() bool {
		made, left = environments(t, d)
		return len(made)+len(left) == 0
	}, func() string { return strings.Join(append(made, left...), " ") + "\n" + d.Console() })
}

// inTheMiddle is a device in the middle of a build, with the old program running.
func inTheMiddle(t *testing.T) (d *harness.Device, before harness.Status) {
	t.Helper()
	d = newDevice(t, offline)
	before = awaitConfirmed(d, 1)
	upload(t, d, slowly())
	awaitBuild(t, d, 1)
	d.Await("the package that is built", func(s harness.Status) bool {
		return s.Deposit.State == "checking" && strings.Contains(s.Deposit.Doing, "slow")
	})
	checkUntouched(t, d, before)
	return d, before
}

// TestWhileItIsBuilt: the old program runs, the status tells of what, and whoever
// changes their mind is not kept waiting.
func TestWhileItIsBuilt(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(*testing.T, *harness.Device, harness.Status){
		"to its end": func(t *testing.T, d *harness.Device, _ harness.Status) {
			signal(t, d, "go")
			checkEnvironments(t, d, awaitStart(t, d, "2 slow"))
		},
		"a check beside it": func(t *testing.T, d *harness.Device, _ harness.Status) {
			check := d.Command(t.Context(), "check")
			if err := check.Start(); err != nil {
				t.Fatal(err)
			}
			// It has its copy of the program, and waits for its turn.
			harness.Await(t, "the check", func() bool {
				copies, _ := filepath.Glob(filepath.Join(d.Dir, ".ota", "check", "copy-*", "slow", "backend.py"))
				return len(copies) == 2
			}, d.Console)
			signal(t, d, "go")
			if err := check.Wait(); err != nil {
				t.Errorf("ota check: %v", err)
			}
			checkEnvironments(t, d, awaitStart(t, d, "2 slow"))
			awaitBuild(t, d, 1)
		},
		"discard": func(t *testing.T, d *harness.Device, before harness.Status) {
			d.Say("discard")
			awaitNoBuilder(t, d)
			awaitNothingMade(t, d)
			d.Await("an empty deposit/", func(s harness.Status) bool { return s.Deposit.State == "empty" && s.Deposit.Doing == "" })
			checkUntouched(t, d, before)
		},
		"stop": func(t *testing.T, d *harness.Device, _ harness.Status) {
			d.Say("stop") // the program; what is uploaded is made ready all the same
			signal(t, d, "go")
			d.Await("the release", func(s harness.Status) bool { return s.Release.Number == 2 && s.Program.State == "stopped" })
			d.Say("start")
			awaitStart(t, d, "2 slow")
		},
		"the end of ota": func(t *testing.T, d *harness.Device, _ harness.Status) {
			if code := d.Stop(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			awaitNoBuilder(t, d)
			awaitNothingMade(t, d)
			d.Start()
			awaitBuild(t, d, 2)
			signal(t, d, "go")
			awaitStart(t, d, "2 slow")
		},
		"a kill of ota": func(t *testing.T, d *harness.Device, _ harness.Status) {
			d.Kill()
			if pids := builders(d); !lives(pids[0]) {
				t.Log("the installer has ended with ota")
			}
			d.Start()
			awaitBuild(t, d, 2)
			signal(t, d, "go")
			checkEnvironments(t, d, awaitStart(t, d, "2 slow"))
			awaitNoBuilder(t, d)
		},
		"a power cut": func(t *testing.T, d *harness.Device, _ harness.Status) {
			d.Kill()
			for _, pid := range builders(d) {
				syscall.Kill(pid, syscall.SIGKILL)
			}
			d.KillPrograms()
			d.Start()
			awaitBuild(t, d, 2)
			signal(t, d, "go")
			checkEnvironments(t, d, awaitStart(t, d, "2 slow"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, before := inTheMiddle(t)
			act(t, d, before)
		})
	}
}

// TestAdopted: a program that was there before ota gets its environment in place
// of a pause before its first start, and whoever stops it meanwhile stops that.
func TestAdopted(t *testing.T) {
	t.Parallel()
	needPip(t)
	d := harness.NewDevice(t, harness.FastDir(t), slowly(), offline)
	d.Start()
	awaitBuild(t, d, 1)
	d.Await("the package that is built", func(s harness.Status) bool {
		return s.Program.PID == 0 && strings.Contains(s.Program.Doing+s.Deposit.Doing, "slow")
	})
	d.Say("stop")
	awaitNoBuilder(t, d)
	awaitNothingMade(t, d)
	d.Await("the stop", func(s harness.Status) bool {
		return s.Program.State == "stopped" && s.Program.Doing+s.Deposit.Doing == ""
	})
	start := d.Command(t.Context(), "start") // it is answered when the program runs
	if err := start.Start(); err != nil {
		t.Fatal(err)
	}
	awaitBuild(t, d, 2)
	signal(t, d, "go")
	if err := start.Wait(); err != nil {
		t.Errorf("ota start: %v", err)
	}
	checkEnvironments(t, d, awaitStart(t, d, "1 slow"))
	awaitConsole(t, d, "the environment of the program is made before it is started")
}

// TestAdoptedWithoutNetwork: what can't be had does not keep a program from
// being started.
func TestAdoptedWithoutNetwork(t *testing.T) {
	t.Parallel()
	needPip(t)
	main := harness.Tree{"requirements.txt": harness.File("thing==1.0\n")}.Over(program(plain, "first"))
	d := harness.NewDevice(t, harness.FastDir(t), main, "update.quiet = \"20ms\"\npython.index = \"http://127.0.0.1:1/simple\"\n")
	d.Start()
	awaitStart(t, d, "1 none")
	awaitConsole(t, d, "WARNING : the program is started without its environment error=")
	awaitConsole(t, d, "cannot reach http://127.0.0.1:1/simple")
	awaitNothingMade(t, d)
	upload(t, d, wheels(t, thing("1.0")), harness.Tree{"ota.toml": harness.File("update.quiet = \"20ms\"\n")})
	awaitStart(t, d, "2 1.0")
}

// TestKilledAtEachStep kills all at once when a build has come to a step, and
// starts again: nothing that an earlier build has left is taken for whole.
func TestKilledAtEachStep(t *testing.T) {
	t.Parallel()
	for name, seen := range map[string]string{
		"work":      ".work-*",
		"layout":    "*/pyvenv.cfg",
		"installer": "building.json",
		"package":   "*/lib/python*/site-packages/thing/__init__.py",
		"bytecode":  "*/lib/python*/site-packages/thing/__pycache__/*",
		"list":      "*/ota-files.json",
		"marker":    "*/ota-environment.json",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDevice(t, offline)
			upload(t, d, program(plain, "second"), requiring(t, thing("1.0")))
			harness.Await(t, name, func() bool {
				found, _ := filepath.Glob(filepath.Join(venvs(d), seen))
				return len(found) > 0
			}, d.Console)
			killAll(t, d)
			d.Start()
			environment := awaitStart(t, d, "2 1.0")
			awaitConfirmed(d, 2)
			checkEnvironments(t, d, environment)
		})
	}
}

// killAll ends ota, the program and every process that has the device in its
// environment, as an installer has.
func killAll(t *testing.T, d *harness.Device) {
	t.Helper()
	d.Kill()
	mark := "OTA_DIR=" + d.Dir + "\x00"
	harness.Await(t, "the end of all", func() bool {
		left := false
		paths, _ := filepath.Glob("/proc/[0-9]*/environ")
		for _, path := range paths {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if variables, err := os.ReadFile(path); err == nil && strings.Contains(string(variables), mark) && lives(pid) {
				syscall.Kill(pid, syscall.SIGKILL)
				left = true
			}
		}
		return !left
	}, d.Console)
}
