//go:build linux

package device

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ota/test/harness"
)

// TestChangedSourceNeverRunsFromOldBytecode: Python takes a source of the same
// size and second for unchanged.
func TestChangedSourceNeverRunsFromOldBytecode(t *testing.T) {
	t.Parallel()
	harness.Need(t, "python3")
	main := harness.Tree{
		"main.py": harness.File("import os, time, helper, package.deep\n" +
			"with open(os.environ['OTA_DIR'] + '/starts', 'a') as f:\n" +
			"    print(os.environ['OTA_RELEASE'], helper.V, package.deep.V, file=f)\n" +
			"time.sleep(1000)\n"),
		"helper.py":       dated("V = 1\n", 0o644),
		"package/deep.py": dated("V = 1\n", 0o644),
	}
	d := newDevice(t, main, python)
	awaitStart(t, d, 1)
	for _, source := range []string{"helper", "package/deep"} {
		pattern := filepath.Join(d.Main(), filepath.Dir(source), "__pycache__", filepath.Base(source)+".*.pyc")
		if found, _ := filepath.Glob(pattern); len(found) == 0 {
			t.Fatalf("there is no bytecode that could be old: %s", pattern)
		}
	}
	upload(t, d, harness.Tree{"helper.py": dated("V = 2\n", 0o644)})
	awaitRunning(d, 2)
	awaitStart(t, d, 2)
	upload(t, d, harness.Tree{"package/deep.py": dated("V = 3\n", 0o644)})
	awaitRunning(d, 3)
	got := strings.Join(awaitStart(t, d, 3), ", ")
	if want := "1 1 1, 2 2 1, 3 2 3"; got != want {
		t.Errorf("releases ran with %q, want %q", got, want)
	}
}

// TestNothingChanged: the same bytes again are no release; another mode is one.
func TestNothingChanged(t *testing.T) {
	t.Parallel()
	main := harness.Tree{"sub/a.txt": dated("a\n", 0o644)}.Over(first)
	d := newDevice(t, main, noting)
	before := awaitRunning(d, 1)
	upload(t, d, harness.Tree{"sub/a.txt": harness.File("a\n"), "main.py": harness.File("first\n")}) // another time
	awaitConsole(t, d, "nothing changed")
	d.Await("an empty deposit/", func(s harness.Status) bool { return isIn(s, 1) })
	checkSame(t, d, before)
	checkTree(t, d.Main(), main)
	checkTree(t, d.Deposit(), harness.Tree{})
	upload(t, d, harness.Tree{"sub/a.txt": dated("a\n", 0o755)})
	if after := awaitRunning(d, 2); after.Program.PID == before.Program.PID {
		t.Error("the program was not restarted for another mode")
	}
	checkTree(t, d.Main(), harness.Tree{"sub/a.txt": dated("a\n", 0o755)}.Over(first))
}

// TestUploadWhileStopped: it is switched in and not started.
func TestUploadWhileStopped(t *testing.T) {
	t.Parallel()
	d := newDevice(t, first, noting)
	awaitStart(t, d, 1)
	d.Say("stop")
	upload(t, d, harness.Tree{"main.py": harness.File("second\n")})
	status := d.Await("release 2", func(s harness.Status) bool { return isIn(s, 2) })
	if status.Program.State != "stopped" || status.Program.PID != 0 || len(starts(d)) != 1 {
		t.Errorf("after an upload the stopped program is %+v; starts: %q", status.Program, starts(d))
	}
	d.Say("start")
	awaitRunning(d, 2)
	awaitStart(t, d, 2)
}

// TestFinishedProgram: a program that ends well is started by the next upload,
// and by nothing else.
func TestFinishedProgram(t *testing.T) {
	t.Parallel()
	d := harness.NewDevice(t, harness.FastDir(t), harness.Tree{"run.sh": harness.File("exit 0\n")}, `
		program.command = ["/bin/sh", "run.sh"]
		update.quiet = "20ms"`)
	d.Start()
	d.Await("the program's end", func(s harness.Status) bool { return s.Program.State == "finished" })
	upload(t, d, harness.Tree{"run.sh": harness.File("exec sleep 1000\n")})
	awaitRunning(d, 2)
}

// TestCrashingProgram: it is started again and again, counted, and the fix is
// taken at any time.
func TestCrashingProgram(t *testing.T) {
	t.Parallel()
	d := harness.NewDevice(t, harness.FastDir(t), harness.Tree{"run.sh": harness.File("echo crash >>../crashes; exit 5\n")}, `
		program.command = ["/bin/sh", "run.sh"]
		update.quiet = "20ms"`)
	d.Start()
	status := d.Await("the pause after the third crash", func(s harness.Status) bool {
		return s.Program.State == "backoff" && s.Program.Restarts == 2
	})
	if crashes := strings.Count(read(filepath.Join(d.Dir, "crashes")), "\n"); crashes != 3 {
		t.Errorf("%d restarts after %d crashes", status.Program.Restarts, crashes)
	}
	upload(t, d, harness.Tree{"run.sh": harness.File("exec sleep 1000\n")})
	if now := awaitRunning(d, 2); now.Program.Restarts != 0 {
		t.Errorf("the new release counts %d restarts", now.Program.Restarts)
	}
}

// TestOnce: `ota run --once` ends with the program, as the shell would say it.
func TestOnce(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]int{"exit 0": 0, "exit 3": 3, "kill -KILL $$": 137, "kill -USR1 $$": 138} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			d := harness.NewDevice(t, harness.FastDir(t), harness.Tree{"run.sh": harness.File(script + "\n")},
				`program.command = ["/bin/sh", "run.sh"]`)
			cmd := d.Command(t.Context(), "run", "--once")
			said, err := cmd.CombinedOutput()
			var failed *exec.ExitError
			if err != nil && !errors.As(err, &failed) || cmd.ProcessState.ExitCode() != want {
				t.Errorf("exit code %d, want %d: %v\n%s", cmd.ProcessState.ExitCode(), want, err, said)
			}
		})
	}
}

// stubborn ignores what asks it to end, and leaves a daemon behind that has
// nothing in common with it any more. At its start it notes who of an earlier
// start still lives, and that it was asked.
const stubborn = `
for pid in $(cat "$OTA_DIR/pids" 2>/dev/null); do
	grep -qs '^State:.[^ZX]' /proc/$pid/status && echo "$pid" >>"$OTA_DIR/twice"
done
trap 'echo INT >>"$OTA_DIR/asked"' INT
trap '' TERM HUP
(cd / && setsid sh -c 'trap "" INT TERM HUP; echo $$ >>"$OTA_DIR/pids"; while :; do sleep 1000; done' </dev/null >/dev/null 2>&1 &)
echo $$ >>"$OTA_DIR/pids"
echo "$OTA_RELEASE $$" >>"$OTA_DIR/starts"
while :; do sleep 1; done # a shell may begin to wait just when it is asked
`

// TestKilledOta: the next run ends what a killed one left before it starts
// anything.
func TestKilledOta(t *testing.T) {
	t.Parallel()
	d := harness.NewDevice(t, harness.FastDir(t), harness.Tree{"run.sh": harness.File(stubborn)}, `
		program.command = ["/bin/sh", "run.sh"]
		program.stop_signals = ["INT", "KILL"]
		update.quiet = "20ms"`)
	d.Start()
	awaitRunning(d, 1)
	pids := awaitPIDs(t, d, 2)
	d.Kill()
	for _, pid := range pids {
		if !isAlive(pid) {
			t.Fatalf("%s ended with ota, so that nothing is left to be ended", pid)
		}
	}
	d.Start()
	awaitRunning(d, 1)
	all := awaitPIDs(t, d, 4)
	for _, pid := range pids {
		if isAlive(pid) {
			t.Errorf("%s of the earlier run still lives", pid)
		}
	}
	if found := read(filepath.Join(d.Dir, "twice")); found != "" {
		t.Errorf("a program was started beside these: %q", found)
	}
	d.Stop()
	for _, pid := range all {
		if isAlive(pid) {
			t.Errorf("%s lives on after ota has ended", pid)
		}
	}
}

func awaitPIDs(t *testing.T, d *harness.Device, count int) []string {
	t.Helper()
	var pids []string
	t.Cleanup(func() { // where the test has failed
		for _, pid := range pids {
			if number, err := strconv.Atoi(pid); err == nil && isAlive(pid) {
				syscall.Kill(number, syscall.SIGKILL)
			}
		}
	})
	harness.Await(t, strconv.Itoa(count)+" processes", func() bool {
		pids = strings.Fields(read(filepath.Join(d.Dir, "pids")))
		return len(pids) == count
	}, d.Console)
	return pids
}

// TestForeignProcess: a process that has the number of the killed ota's program
// is none of its business.
func TestForeignProcess(t *testing.T) {
	t.Parallel()
	d := newDevice(t, first, noting)
	status := awaitRunning(d, 1)
	d.Kill()
	d.KillPrograms()
	bystander := exec.CommandContext(t.Context(), "sleep", "1000")
	bystander.Dir = d.Main()
	if err := bystander.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		bystander.Process.Kill()
		bystander.Wait()
	}()
	record := filepath.Join(d.Dir, ".ota", "child.json")
	if kept := read(record); kept != "" { // it names another number now
		put(t, record, strings.ReplaceAll(kept, strconv.Itoa(status.Program.PID), strconv.Itoa(bystander.Process.Pid)))
	} else {
		t.Errorf("no record of the program in %s", record)
	}
	d.Start()
	d.Await("the program", func(s harness.Status) bool { return s.Program.State == "running" && s.Program.PID != 0 })
	if !isAlive(strconv.Itoa(bystander.Process.Pid)) {
		t.Error("a process that ota did not start was ended")
	}
}

// TestDuringTheSwitch: what arrives while the old program is on its way out, or
// is changed there after it was sealed, is the next upload.
func TestDuringTheSwitch(t *testing.T) {
	t.Parallel()
	d := harness.NewDevice(t, harness.FastDir(t), harness.Tree{"run.sh": harness.File(`
echo "$OTA_RELEASE $$" >>"$OTA_DIR/starts"
trap 'until [ -e "$OTA_DIR/go" ]; do sleep 0.01; done; exit' INT
while :; do sleep 0.05; done
`)}, `
		program.command = ["/bin/sh", "run.sh"]
		update.quiet = "20ms"`)
	d.Start()
	awaitRunning(d, 1)
	awaitStart(t, d, 1)
	upload(t, d, harness.Tree{"a": harness.File("1\n"), "b": harness.File("1\n")})
	d.Await("the switch", func(s harness.Status) bool { return s.Deposit.State == "switching" })
	write(t, d.Deposit(), harness.Tree{"b": harness.File("2\n"), "c": harness.File("2\n")})
	put(t, filepath.Join(d.Dir, "go"), "")
	awaitRunning(d, 3)
	var got []string
	for _, release := range d.History() {
		for _, file := range release.Files {
			got = append(got, strconv.Itoa(release.Number)+" "+file.Change+" "+file.Path)
		}
	}
	if want := "3 replaced b, 3 added c, 2 added a, 2 added b, 1 added run.sh"; strings.Join(got, ", ") != want {
		t.Errorf("history: %q, want %q", got, want)
	}
}

// TestStoppedByASecondSignal: the first Ctrl-C asks the program, the second one
// waits for nobody.
func TestStoppedByASecondSignal(t *testing.T) {
	t.Parallel()
	dir := harness.FastDir(t)
	d := harness.NewDevice(t, dir, harness.Tree{"run.sh": harness.File(stubborn)}, `program.command = ["/bin/sh", "run.sh"]`)
	ctx, cancel := context.WithTimeout(t.Context(), harness.Deadline)
	defer cancel()
	ota := d.Command(ctx, "run")
	if err := ota.Start(); err != nil {
		t.Fatal(err)
	}
	pids := awaitPIDs(t, d, 2)
	began := time.Now()
	ota.Process.Signal(os.Interrupt)
	harness.Await(t, "the program to be asked", func() bool { return read(filepath.Join(dir, "asked")) != "" }, d.Console)
	ota.Process.Signal(os.Interrupt)
	if err := ota.Wait(); err != nil {
		t.Errorf("ota ended with %v", err)
	}
	t.Logf("after %v", time.Since(began))
	for _, pid := range pids {
		if isAlive(pid) {
			t.Errorf("%s lives on after ota has ended", pid)
		}
	}
}

// TestWhatLiesInDepositComesFirst: main/ is adopted and the upload taken before
// the program starts, which it does once.
func TestWhatLiesInDepositComesFirst(t *testing.T) {
	t.Parallel()
	d := harness.NewDevice(t, harness.FastDir(t), first, noting)
	harness.Tree{"main.py": harness.File("second\n")}.Write(t, d.Deposit())
	d.Start()
	awaitRunning(d, 2)
	if got := awaitStart(t, d, 2); len(got) != 1 || !strings.HasPrefix(got[0], "2 ") {
		t.Errorf("starts: %q", got)
	}
	history := d.History()
	if len(history) != 2 || history[1].State != "adopted" {
		t.Errorf("history: %+v", history)
	}
	d.Stop()
	// Nor does an upload that waits for something keep the program waiting.
	harness.Tree{"big.bin.part": harness.File("x")}.Write(t, d.Deposit())
	d.Start()
	d.Await("the program beside a waiting upload", func(s harness.Status) bool {
		return s.Program.State == "running" && s.Deposit.State == "receiving"
	})
}
