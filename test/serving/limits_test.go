//go:build linux

package serving

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"ota/test/harness"
)

// TestNice: the program, and what it starts, leave the processor to others.
func TestNice(t *testing.T) {
	t.Parallel()
	d := newDevice(t, "note('nice %d' % os.nice(0))\nos.system('nice >>../notes')\nnote('done')\nrest()\n", "[program]\nnice = 7\n")
	awaitNote(t, d, "done")
	if got := strings.Join(notes(d), ", "); got != "nice 7, 7, done" {
		t.Errorf("notes: %q", got)
	}
}

// TestMemoryMax: who wants more than it may have is ended and started again, and
// it is said why.
func TestMemoryMax(t *testing.T) {
	t.Parallel()
	d := newDevice(t, `
if not os.path.exists(place("greedy")):
    open(place("greedy"), "w").close()
    try:
        held = bytearray(400 * 1000 * 1000)
        for at in range(0, len(held), 4096):
            held[at] = 1
        note("got it all")
    except MemoryError:
        note("refused")
        sys.exit(3)
note("well")
rest()
`, "[program]\nmemory_max = \"100MB\"\n")
	awaitNote(t, d, "well")
	status := d.Await("the program", func(s harness.Status) bool { return s.Program.State == "running" })
	if count(d, "got it all") > 0 {
		harness.Lack(t, "this machine limits no memory")
	}
	if status.Program.Restarts != 1 {
		t.Errorf("%+v", status.Program)
	}
	exit := status.Program.LastExit
	switch {
	case exit == nil:
		t.Error("it is not told how the program ended")
	case count(d, "refused") == 0 && exit.Cause != "out of memory":
		t.Errorf("the program ended by %+v", exit)
	}
	t.Logf("ended by: %s", d.Say("status"))
}

// TestAnotherUser: the program runs as nobody, with its environment, its sockets,
// and what it says and locks.
func TestAnotherUser(t *testing.T) {
	t.Parallel()
	harness.NeedRoot(t)
	needModule(t, "venv, pip")
	dir := openDir(t)
	port := harness.FreePort(t)
	main := harness.Tree{
		"main.py": harness.File(strings.ReplaceAll(prelude, `place("notes")`, `"/proc/self/cwd/notes"`) + `
import fcntl, greeting
note("as %d %d, home %s, user %s" % (os.getuid(), os.getgid(), os.environ["HOME"], os.environ["USER"]))
note("environment %s" % (sys.prefix != sys.base_prefix))
note("greeting " + greeting.TEXT)
listener = socket.socket(fileno=3)
with open(os.environ["OTA_BUSY"], "a") as busy:
    fcntl.flock(busy, fcntl.LOCK_SH)
    note("busy")
    say("READY=1\nSTATUS=nobody speaks")
    while not os.path.exists("free"):
        time.sleep(0.01)
rest()
`),
		"requirements.txt":              harness.File("./greeting-1.0-py3-none-any.whl\n"),
		"greeting-1.0-py3-none-any.whl": harness.File(wheel(t)),
		"notes":                         {Mode: 0o666},
	}
	d := harness.NewDevice(t, dir, main, fmt.Sprintf("[program]\nuser = \"nobody\"\nlisten = [\"127.0.0.1:%d\"]\n[trial]\nperiod = \"100ms\"\n", port)+quick)
	if err := os.Chmod(filepath.Join(d.Main(), "notes"), 0o666); err != nil {
		t.Fatal(err)
	}
	d.Start()
	said := func() string { return read(filepath.Join(d.Main(), "notes")) }
	status := d.Await("a ready program", func(s harness.Status) bool { return s.Program.Phase == "ready" })
	if status.Program.StatusText != "nobody speaks" {
		t.Errorf("it says %q", status.Program.StatusText)
	}
	contains(t, said(), "as 65534 65534, home ", "user nobody", "environment True", "greeting hello", "busy")
	upload(t, d, harness.Tree{"new.txt": harness.File("new\n")})
	d.Await("an upload that waits", func(s harness.Status) bool { return s.Deposit.State == "waiting" || len(s.Deposit.Reasons) > 0 })
	if now, err := d.Status(); err != nil || now.Release.Number != 1 {
		t.Errorf("a program that is busy was stopped: %+v, %v", now, err)
	}
	if err := os.WriteFile(filepath.Join(d.Main(), "free"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	d.Await("release 2", func(s harness.Status) bool { return s.Release.Number == 2 && s.Program.State == "running" })
}

// openDir is a folder that other users reach.
func openDir(t *testing.T) string {
	t.Helper()
	dir := harness.FastDir(t)
	for at := dir; at != "/" && at != "/tmp" && at != "/dev/shm"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// wheel is a package of one module.
func wheel(t *testing.T) string {
	t.Helper()
	at := filepath.Join(t.TempDir(), "greeting-1.0-py3-none-any.whl")
	script := `
import sys, zipfile
info = "greeting-1.0.dist-info/"
files = {
    "greeting.py": "TEXT = 'hello'\n",
    info + "METADATA": "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n",
    info + "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}
files[info + "RECORD"] = "".join(name + ",,\n" for name in list(files) + [info + "RECORD"])
with zipfile.ZipFile(sys.argv[1], "w") as archive:
    for name, text in files.items():
        archive.writestr(name, text)
`
	if said, err := exec.CommandContext(t.Context(), "python3", "-c", script, at).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return read(at)
}

// spying is a package whose build notes that root has run it, and so does every
// start of a Python that has it installed.
func spying(mark string) harness.Tree {
	note := func(what string) string {
		return fmt.Sprintf("import os; os.getuid() == 0 and open(%q, 'a').write('%s ')", mark, what)
	}
	return harness.Tree{
		"spy/pyproject.toml": harness.File("[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n"),
		"spy/backend.py": harness.File(note("build") + `
import zipfile
def build_wheel(folder, settings=None, metadata=None):
    name = "spy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("spy.pth", ` + strconv.Quote(note("installed")+"\n") + `)
        wheel.writestr("spy-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: spy\nVersion: 1.0\n")
        wheel.writestr("spy-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: spy\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("spy-1.0.dist-info/RECORD", "spy.pth,,\nspy-1.0.dist-info/METADATA,,\nspy-1.0.dist-info/WHEEL,,\nspy-1.0.dist-info/RECORD,,\n")
    return name
`),
		"requirements.txt": harness.File("./spy\n"),
	}
}

func python3(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestNothingOfAnUploadRunsAsRoot: who may upload is no more than the program's
// user. Not the build of a package, not what it has Python do at each start, not
// a check, a probe, or an interpreter of one's own.
func TestNothingOfAnUploadRunsAsRoot(t *testing.T) {
	t.Parallel()
	harness.NeedRoot(t)
	needModule(t, "venv, pip")
	dir := openDir(t)
	mark := filepath.Join(dir, "root-has-run")
	spy := func(what string) string { return fmt.Sprintf("[ $(id -u) != 0 ] || echo %s >>%s\n", what, mark) }
	python := harness.Entry{Mode: 0o755, Content: "#!/bin/sh\n" + spy("interpreter") + "exec " + python3(t) + " \"$@\"\n"}
	d := harness.NewDevice(t, dir, harness.Tree{"main.py": harness.File(prelude + "rest()\n"), "bin/python3": python},
		"[program]\nuser = \"nobody\"\n[trial]\nperiod = \"100ms\"\n"+quick)
	if err := os.Chmod(filepath.Join(d.Main(), "bin/python3"), 0o755); err != nil {
		t.Fatal(err)
	}
	d.Start()
	d.Await("a program", func(s harness.Status) bool { return s.Program.PID != 0 })
	brought := harness.Tree{
		"main.py":  harness.File("import part\n" + prelude + "rest()\n"),
		"part.py":  harness.File("import json\n"),
		"ota.toml": harness.File("[python]\ninterpreter = \"bin/python3\"\noffline = true\n[check]\ncommand = [\"/bin/sh\", \"check.sh\"]\n[trial]\ncommand = [\"/bin/sh\", \"probe.sh\"]\n"),
		"check.sh": harness.File(spy("check") + "echo x >mine\n"),
		"probe.sh": harness.File(spy("probe")),
	}
	upload(t, d, spying(mark).Over(brought))
	d.Await("release 2 confirmed", func(s harness.Status) bool { return s.Release.Number == 2 && s.Release.State == "confirmed" })
	if found, err := os.ReadFile(mark); err == nil {
		t.Errorf("root has run: %s", found)
	}
	left, err := filepath.Glob(filepath.Join(d.Dir, ".ota", "check", "*-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
	err = filepath.WalkDir(filepath.Join(d.Dir, ".ota", "venvs"), func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Sys().(*syscall.Stat_t).Uid != 0 {
			t.Errorf("%s can be changed by the program", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
