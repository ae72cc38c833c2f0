//go:build linux

package serving

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ota/test/harness"
)

// warm are settings for warm starts.
const warm = "[python]\nwarm = true\n[trial]\nperiod = \"100ms\"\n"

// warmStart is what the log says of a start by an interpreter that had waited.
const warmStart = "start=warm"

// view writes all that a program can see of how it was started.
const view = `
import json, sys as _sys, threading
main = _sys.modules["__main__"]
facts = {
    "argv": _sys.argv, "orig_argv": getattr(_sys, "orig_argv", None), "path": _sys.path, "executable": _sys.executable,
    "flags": str(_sys.flags), "prefix": _sys.prefix, "cwd": os.getcwd(),
    "environment": {k: v for k, v in os.environ.items() if k not in ("OTA_RELEASE", "LISTEN_PID", "WATCHDOG_PID")},
    "main": [main.__name__, main.__file__, str(main.__spec__), str(main.__loader__)[:40], sorted(vars(main))],
    "hooks": [_sys.excepthook is _sys.__excepthook__, _sys.displayhook is _sys.__displayhook__, [type(one).__name__ for one in _sys.meta_path], len(_sys.path_hooks)],
    "names": [name for name in ("sitecustomize", "usercustomize") if name in _sys.modules],
    "threads": threading.active_count(),
    "files": sorted(os.readlink("/proc/self/fd/" + fd).split(":")[0] for fd in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + fd) and int(fd) < 20 and "/proc/" not in os.readlink("/proc/self/fd/" + fd)),
    "signals": [str(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)],
    "own": [os.environ["LISTEN_PID"] == str(os.getpid()), os.environ["WATCHDOG_PID"] == str(os.getpid()), os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid()],
}
assert all(facts["own"]), facts["own"]
with open(place("facts." + os.environ["OTA_RELEASE"] + ".next"), "w") as out:
    json.dump(facts, out, indent=1, sort_keys=True)
os.replace(place("facts." + os.environ["OTA_RELEASE"] + ".next"), place("facts." + os.environ["OTA_RELEASE"]))
say("READY=1")
wait_for("crash")
os.remove(place("crash"))
def fail(text):
    raise ValueError("cannot read " + text)
fail("sensor 1")
`

// TestWarmStartLooksLikeAPlainOne: an update and the start after a crash are
// warm, and a program can't tell.
func TestWarmStartLooksLikeAPlainOne(t *testing.T) {
	t.Parallel()
	settings := fmt.Sprintf("[program]\nlisten = [\"127.0.0.1:%d\"]\nwatchdog = \"60s\"\nenv = { PYTHONPATH = \"/nowhere\", COLOR = \"blue\" }\n", harness.FreePort(t))
	d := newDevice(t, view, settings+"[trial]\nperiod = \"100ms\"\n")
	awaitSaidReady(d, 0)
	plain := readBelow(d, "facts.1")
	fall := crash(t, d, "1")
	d.Stop()
	harness.Tree{"ota.toml": harness.File(settings + warm + quick)}.Write(t, d.Dir)
	if err := os.Remove(filepath.Join(d.Dir, "facts.1")); err != nil {
		t.Fatal(err)
	}
	d.Start()
	before := awaitSaidReady(d, 0)
	sameFacts(t, "a start that learns", plain, readBelow(d, "facts.1"))
	if strings.Contains(d.Console(), warmStart) {
		t.Error("the first start was warm")
	}
	upload(t, d, harness.Tree{"main.py": program(view + "# second\n")})
	after := awaitSaidReady(d, before.Program.PID)
	awaitConfirmed(d, 2)
	if got := strings.Count(d.Console(), warmStart); got != 1 {
		t.Fatalf("%d warm starts after an update", got)
	}
	sameFacts(t, "an update", plain, readBelow(d, "facts.2"))
	if err := os.Remove(filepath.Join(d.Dir, "facts.2")); err != nil {
		t.Fatal(err)
	}
	if got := crash(t, d, "2"); got != fall {
		t.Errorf("a crash after a warm start says\n%s\nand after a plain one\n%s", got, fall)
	}
	awaitSaidReady(d, after.Program.PID)
	if got := strings.Count(d.Console(), warmStart); got != 2 {
		t.Errorf("%d warm starts after a crash", got-1)
	}
	sameFacts(t, "the start after a crash", plain, readBelow(d, "facts.2"))
}

// crash makes the program fail, waits until it runs again and returns what it
// said, and how it ended.
func crash(t *testing.T, d *harness.Device, release string) string {
	t.Helper()
	status, err := d.Status()
	if err != nil {
		t.Fatal(err)
	}
	already := len(d.Console())
	give(t, d, "crash")
	after := awaitSaidReady(d, status.Program.PID)
	if after.Program.LastExit == nil || after.Program.LastExit.Code == nil || *after.Program.LastExit.Code != 1 {
		t.Errorf("the program ended by %+v", after.Program.LastExit)
	}
	var said []string
	for line := range strings.Lines(d.Console()[already:]) {
		if _, text, isSaid := strings.Cut(line, "MAIN! : "); isSaid {
			said = append(said, text)
		}
	}
	return strings.Join(said, "")
}

func sameFacts(t *testing.T, what, want, got string) {
	t.Helper()
	if want == "" || got != want {
		t.Errorf("%s is not like a plain start:\n%s", what, lineDiff(want, got))
	}
}

// lineDiff are the lines by which two texts differ.
func lineDiff(want, got string) string {
	var lines []string
	wanted, found := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(wanted), len(found)) {
		var one, other string
		if i < len(wanted) {
			one = wanted[i]
		}
		if i < len(found) {
			other = found[i]
		}
		if one != other {
			lines = append(lines, fmt.Sprintf("want %s\n got %s", one, other))
		}
	}
	return strings.Join(lines, "\n")
}

// TestOwnModuleIsNeverPreloaded: one that is called like a module of Python is
// the program's, whether it was there before or comes with the update.
func TestOwnModuleIsNeverPreloaded(t *testing.T) {
	t.Parallel()
	body := "import colorsys\nnote('from ' + os.path.dirname(colorsys.__file__))\nsay('READY=1')\nrest()\n"
	own := harness.Tree{"colorsys.py": harness.File("import os\nwith open(os.environ['OTA_DIR'] + '/notes', 'a') as f:\n    f.write('imported\\n')\n")}
	d := newDevice(t, body, "[python]\npreload = [\"colorsys\"]\n[trial]\nperiod = \"100ms\"\n")
	before := awaitSaidReady(d, 0)
	upload(t, d, harness.Tree{"main.py": program(body + "# second\n")})
	before = awaitSaidReady(d, before.Program.PID)
	awaitConfirmed(d, 2)
	if !strings.Contains(d.Console(), warmStart) || count(d, "imported") != 0 {
		t.Errorf("release 2: %q\n%s", notes(d), d.Console())
	}
	for n := 3; n <= 4; n++ { // it comes; it is there
		upload(t, d, harness.Tree{"main.py": program(fmt.Sprintf("%s# %d\n", body, n))}.Over(own))
		before = awaitSaidReady(d, before.Program.PID)
		awaitConfirmed(d, n)
		if got := count(d, "from "+d.Main()); got != n-2 || count(d, "imported") != n-2 {
			t.Errorf("release %d: %q", n, notes(d))
		}
	}
}

// TestPreloadThatBreaks: whatever a module does when it is imported ahead, the
// program is started plainly.
func TestPreloadThatBreaks(t *testing.T) {
	for name, source := range map[string]string{
		"raises":           "raise RuntimeError('no hardware')\n",
		"ends the process": "import os\nos._exit(7)\n",
		"starts a thread":  "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n",
		"starts a process": "import subprocess\nsubprocess.Popen(['sleep', '1000'])\n",
		"crashes":          "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := harness.FastDir(t)
			harness.Tree{"breaks.py": harness.File(source)}.Write(t, folder)
			d := newDevice(t, "say('READY=1')\nrest()\n",
				fmt.Sprintf("[program]\nenv = { PYTHONPATH = %q }\n[python]\npreload = [\"breaks\"]\n[trial]\nperiod = \"100ms\"\n", folder))
			before := awaitSaidReady(d, 0)
			upload(t, d, harness.Tree{"main.py": program("say('READY=1')\nrest()\n# second\n")})
			awaitSaidReady(d, before.Program.PID)
			awaitConfirmed(d, 2)
			if strings.Contains(d.Console(), warmStart) || !strings.Contains(d.Console(), "can't be started warm") {
				t.Errorf("console:\n%s", d.Console())
			}
			if left := d.Programs(); len(left) != 1 {
				t.Errorf("these processes are there: %v", left)
			}
		})
	}
}

// TestWarmStartAsAnotherUser: what another user can't read makes no start warm,
// and shows in no environment.
func TestWarmStartAsAnotherUser(t *testing.T) {
	t.Parallel()
	harness.NeedRoot(t)
	harness.Need(t, "python3")
	body := "print('sees', os.environ.get('OTA_WARM'), os.environ.get('PYTHONPATH'), os.getuid())\nsay('READY=1')\nrest()\n"
	d := harness.NewDevice(t, openDir(t), harness.Tree{"main.py": program(body)}, "[program]\nuser = \"nobody\"\n"+warm+quick)
	d.Start()
	before := awaitSaidReady(d, 0)
	upload(t, d, harness.Tree{"main.py": program(body + "# second\n")})
	awaitSaidReady(d, before.Program.PID)
	awaitConfirmed(d, 2)
	if got := strings.Count(d.Console(), "sees None None 65534"); got != 2 {
		t.Errorf("%d of 2 programs saw what they should", got)
	}
	t.Logf("warm: %v", strings.Contains(d.Console(), warmStart))
}

// TestKilledOtaLeavesNoInterpreter: one that waits ends with ota.
func TestKilledOtaLeavesNoInterpreter(t *testing.T) {
	t.Parallel()
	harness.Need(t, "python3")
	d := harness.NewDevice(t, harness.FastDir(t), harness.Tree{"main.py": program("note('start')\nsys.exit(3)\n")}, warm+quick)
	d.Start()
	// In the pause after a crash nothing runs but the interpreter that waits.
	d.Await("an interpreter that waits", func(s harness.Status) bool {
		return s.Program.State == "backoff" && s.Program.Restarts >= 2 && len(d.Programs()) == 1
	})
	waiting := d.Programs()
	d.Kill()
	harness.Await(t, "the end of the interpreter", func() bool { return len(d.Programs()) == 0 },
		func() string { return fmt.Sprint(d.Programs()) })
	t.Logf("process %v ended with ota", waiting)
	d.Start()
	starts := count(d, "start")
	harness.Await(t, "the next start", func() bool { return count(d, "start") > starts }, d.Console)
}
