//go:build linux

package qemu

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"ota/test/harness"
)

// program notes version and release once it stands: after it has printed, as
// printing ends a program whose ota was killed, and with a child in a session of
// its own, for which nothing but the mark in its environment shows whose it is.
const program = `import os, subprocess, time

child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
print("standing", flush=True)
with open(os.path.join(os.environ["OTA_DIR"], "starts"), "a") as file:
    file.write("%%s of release %%s\n" %% (%q, os.environ["OTA_RELEASE"]))
while True:
    time.sleep(1000)
`

// processes is how many there are of the program while it stands.
const processes = 2

func version(name string, size int) harness.Tree {
	every := make([]byte, size)
	for i := range every {
		every[i] = byte(i ^ i>>8 ^ i>>16 ^ len(name))
	}
	return harness.Tree{
		"main.py":             harness.File(fmt.Sprintf(program, name)),
		"run.sh":              {Mode: 0o755, Content: "#!/bin/sh\n# " + name + "\n"},
		"parts/v1.0/\xff é\n": harness.File(name + "\n"),
		"parts/every byte":    harness.File(string(every)),
	}
}

// life is a device whose ota is emulated; Python is this machine's own.
type life struct {
	*testing.T
	*harness.Device
	before harness.Tree
}

// live takes a device from its first start to its last stop.
func live(t *testing.T, binary string, emulator []string) {
	harness.Need(t, "python3", emulator[0])
	old := version("old", 100)
	old["data.db"] = harness.File("the program's own\n")
	device := harness.NewDevice(t, t.TempDir(), old, "")
	device.Binary, device.Under = binary, emulator
	t.Cleanup(device.KillPrograms) // after ota has ended
	l := life{t, device, old}
	l.Start()
	l.awaitStarts("old of release 1")
	l.update()
	l.look()
	l.crash()
	l.recover()
	l.rest()
}

// update: every byte of an upload comes to run.
func (l life) update() {
	l.Helper()
	upload := version("newer", 1<<20+1)
	upload["added/empty"] = harness.Folder()
	upload["added/link"] = harness.Link("../parts/every byte")
	upload.Write(l.T, l.Deposit())
	l.awaitRelease(2)
	l.awaitStarts("old of release 1", "newer of release 2")
	for folder, want := range map[string]harness.Tree{
		l.Main():    upload.Over(l.before.Over(harness.Tree{})),
		l.Deposit(): {},
	} {
		found, err := harness.Read(folder)
		if diff := harness.Diff(want, found); diff != "" || err != nil {
			l.Errorf("%s: %v\n%s", filepath.Base(folder), err, diff)
		}
	}
}

// look: the emulated commands get their answers from the emulated ota.
func (l life) look() {
	l.Helper()
	var status harness.Status
	if err := json.Unmarshal([]byte(l.Say("status", "--json")), &status); err != nil {
		l.Fatal(err)
	}
	if status.Release.Number != 2 || status.Program.State != "running" || !slices.Contains(l.Programs(), status.Program.PID) {
		l.Errorf("status: %+v; processes %v", status, l.Programs())
	}
	history := l.History()
	if len(history) != 2 || history[0].Number != 2 || !history[0].Current || len(history[0].Files) == 0 {
		l.Errorf("history: %+v", history)
	}
	var logs string
	harness.Await(l.T, "what both programs have printed, in the log",
		func() bool { logs = l.Say("logs"); return strings.Count(logs, "MAIN : standing") == 2 },
		func() string { return logs })
}

// crash: the program comes back by itself, its child from before is gone.
func (l life) crash() {
	l.Helper()
	before := l.awaitRelease(2).Program.PID
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		l.Fatal(err)
	}
	l.Await("the restart", func(s harness.Status) bool {
		return s.Program.State == "running" && s.Program.Restarts == 1 && s.Program.PID != before
	})
	l.awaitStarts("old of release 1", "newer of release 2", "newer of release 2")
}

// recover: ota is killed; the next one ends what it left and starts one anew.
func (l life) recover() {
	l.Helper()
	left := l.Programs()
	l.Kill()
	if now := l.Programs(); len(left) != processes || !slices.Equal(left, now) {
		l.Errorf("processes %v became %v when ota was killed: there is nothing to recover from", left, now)
	}
	l.Start()
	l.awaitRelease(2)
	l.awaitStarts("old of release 1", "newer of release 2", "newer of release 2", "newer of release 2")
	for _, pid := range left {
		if slices.Contains(l.Programs(), pid) {
			l.Errorf("process %d has outlived the ota that started it and the next one's start", pid)
		}
	}
}

// rest: stopped on request, then started, then all of it ended.
func (l life) rest() {
	l.Helper()
	l.Say("stop")
	status := l.Await("the stop", func(s harness.Status) bool { return s.Program.State == "stopped" })
	if left := l.Programs(); len(left) != 0 {
		l.Errorf("processes %v are left of a stopped program: %+v", left, status)
	}
	l.Say("start")
	l.awaitRelease(2)
	if code := l.Stop(); code != 0 || len(l.Programs()) != 0 {
		l.Errorf("stopped with exit code %d; processes %v are left", code, l.Programs())
	}
	if said := l.Say("status"); !strings.Contains(said, "not running") {
		l.Errorf("status: %s", said)
	}
}

func (l life) awaitRelease(number int) harness.Status {
	l.Helper()
	return l.Await(fmt.Sprintf("release %d running", number), func(s harness.Status) bool {
		return s.Release.Number == number && s.Program.State == "running" && s.Deposit.State == "empty"
	})
}

// awaitStarts waits until the program stands for the last time of these, with
// nothing beside it.
func (l life) awaitStarts(want ...string) {
	l.Helper()
	starts := func() []string {
		found, _ := os.ReadFile(filepath.Join(l.Dir, "starts"))
		return strings.Split(strings.TrimSuffix(string(found), "\n"), "\n")
	}
	harness.Await(l.T, fmt.Sprintf("the starts %q", want),
		func() bool { return slices.Equal(starts(), want) && len(l.Programs()) == processes },
		func() string { return fmt.Sprintf("starts: %q, processes %v\n%s", starts(), l.Programs(), l.Console()) })
}
