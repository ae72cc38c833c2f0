//go:build linux

package device

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"ota/test/harness"
)

// busy is a program that must not be interrupted while it holds a lock: from its
// start until there is a file "free".
func busy(kind, then string) string {
	return fmt.Sprintf(`
import fcntl
lock = open(os.environ["OTA_BUSY"], "a")
fcntl.flock(lock, fcntl.%s)
note("busy", os.environ["OTA_RELEASE"])
wait_for("free")
`, kind) + then
}

// newBusy is a device whose program is busy.
func newBusy(t *testing.T, settings, kind, then string) *harness.Device {
	t.Helper()
	harness.Need(t, "python3")
	d := newDevice(t, programs(busy(kind, then), "first"), proving+settings)
	awaitNote(t, d, "busy", 1)
	return d
}

// awaitDeferred waits until the upload is deferred, and returns the reason.
func awaitDeferred(t *testing.T, d *harness.Device) string {
	t.Helper()
	status := d.Await("a deferred upload", func(s harness.Status) bool { return s.Deposit.State == "deferred" })
	if len(status.Deposit.Reasons) != 1 {
		t.Fatalf("deferred for %+v", status.Deposit.Reasons)
	}
	return status.Deposit.Reasons[0].Message
}

const isBusy = "the program is busy (it holds $OTA_BUSY); it is waited for 1h0m0s at most"

// TestBusy: no release is switched while the program holds the lock, shared or
// not, and one is as soon as it lets go of it.
func TestBusy(t *testing.T) {
	for _, kind := range []string{"LOCK_SH", "LOCK_EX"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d := newBusy(t, "", kind, "lock.close()\nrest()\n")
			before := awaitRunning(d, 1)
			upload(t, d, programs(good, "second"))
			if why := awaitDeferred(t, d); why != isBusy {
				t.Errorf("deferred: %s", why)
			}
			awaitConsole(t, d, "INFO : the switch is deferred")
			checkSame(t, d, before)
			signal(t, d, "free")
			awaitConfirmed(d, 2)
		})
	}
}

// TestApplyWhileBusy: `ota apply` says that it is deferred, `ota apply --now`
// goes ahead.
func TestApplyWhileBusy(t *testing.T) {
	t.Parallel()
	d := newBusy(t, "", "LOCK_SH", "rest()\n")
	upload(t, d, programs(good, "second"))
	awaitDeferred(t, d)
	answer := d.Ask("apply")
	if answer.Code != 3 || !strings.Contains(answer.Complained, "deferred") || !strings.Contains(answer.Complained, isBusy) {
		t.Errorf("ota apply: %+v", answer)
	}
	checkSaid(t, d.Say("status"), "deferred", isBusy)
	checkSaid(t, d.Say("apply", "--now"), "release 2 is in main/")
	awaitConfirmed(d, 2)
}

// TestMaxDefer: a program that is busy for too long is interrupted.
func TestMaxDefer(t *testing.T) {
	t.Parallel()
	d := newBusy(t, `update.max_defer = "300ms"`, "LOCK_EX", "rest()\n")
	began := time.Now()
	upload(t, d, programs(good, "second"))
	awaitConfirmed(d, 2)
	if after := time.Since(began); after < 300*time.Millisecond {
		t.Errorf("switched after %v", after)
	}
	awaitConsole(t, d, "WARNING : the program has been busy for too long; it is interrupted limit=300ms")
}

// TestBusyProgramCrashes: the kernel takes the lock back, and the fix is taken.
func TestBusyProgramCrashes(t *testing.T) {
	t.Parallel()
	d := newBusy(t, "", "LOCK_EX", "os.kill(os.getpid(), 9)\n")
	upload(t, d, programs(good, "second"))
	awaitDeferred(t, d)
	signal(t, d, "free")
	awaitConfirmed(d, 2)
}

// hold runs a command with `ota busy` and returns what ends it.
func hold(t *testing.T, d *harness.Device) (end func()) {
	t.Helper()
	command := d.Command(t.Context(), "busy", "--", "/bin/sh", "-c", "echo started >>held; read line; exit 7")
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	awaitNote(t, d, "held", 1)
	return func() {
		stdin.Close()
		if err, isExit := command.Wait().(*exec.ExitError); !isExit || err.ExitCode() != 7 {
			t.Errorf("ota busy ended with %v", err)
		}
	}
}

// TestBusyCommand: `ota busy` holds the lock for a command that somebody else
// runs, and ends like that.
func TestBusyCommand(t *testing.T) {
	t.Parallel()
	d := newProving(t, proving, nil)
	end := hold(t, d)
	upload(t, d, programs(good, "second"))
	awaitDeferred(t, d)
	end()
	awaitConfirmed(d, 2)
}

// TestWindow: outside it an upload waits, unless somebody says that it shall not.
func TestWindow(t *testing.T) {
	t.Parallel()
	clock := func(in time.Duration) string { return time.Now().Add(in).Format("15:04") }
	window := clock(2*time.Hour) + "-" + clock(3*time.Hour)
	d := newProving(t, proving+fmt.Sprintf("update.window = %q\n", window), nil)
	before := awaitRunning(d, 1)
	upload(t, d, programs(good, "second"))
	want := "it is not the time: the window is " + window
	if why := awaitDeferred(t, d); why != want {
		t.Errorf("deferred: %s", why)
	}
	if answer := d.Ask("apply"); answer.Code != 3 || !strings.Contains(answer.Complained, want) {
		t.Errorf("ota apply: %+v", answer)
	}
	checkSame(t, d, before)
	checkSaid(t, d.Say("apply", "--now"), "release 2 is in main/")
	awaitConfirmed(d, 2)
}

// TestDiscardWhileDeferred: who wants the upload away need not wait for it.
func TestDiscardWhileDeferred(t *testing.T) {
	t.Parallel()
	d := newBusy(t, "", "LOCK_EX", "rest()\n")
	before := awaitRunning(d, 1)
	second := programs(good, "second")
	upload(t, d, second)
	awaitDeferred(t, d)
	checkSaid(t, d.Say("discard"), "moved 1 file to "+discarded(d, "1"))
	awaitRunning(d, 1)
	checkSame(t, d, before)
	checkTree(t, discarded(d, "1"), second)
	checkNoTry(t, d, 2)
}

// TestRollbackWhileDeferred: nor who wants an earlier release; the upload is laid
// over that one then.
func TestRollbackWhileDeferred(t *testing.T) {
	t.Parallel()
	d := newProving(t, proving, nil)
	grow(t, d, 2, programs("ready()\n"+busy("LOCK_SH", "rest()\n"), "second"))
	awaitNote(t, d, "busy", 1)
	upload(t, d, harness.Tree{"a.txt": harness.File("3\n")})
	awaitDeferred(t, d)
	checkSaid(t, d.Say("rollback"), "release 1 is in main/ again")
	awaitConfirmed(d, 3)
	checkTree(t, d.Main(), programs(good, "first").Over(harness.Tree{"a.txt": harness.File("3\n")}))
	if got := entry(t, d, 3); got.From != 1 {
		t.Errorf("release 3: %+v", got)
	}
}

// TestUploadsWhileDeferred: they are one release.
func TestUploadsWhileDeferred(t *testing.T) {
	t.Parallel()
	d := newBusy(t, "", "LOCK_EX", "lock.close()\nrest()\n")
	upload(t, d, harness.Tree{"main.py": program(failing, "second"), "a.txt": harness.File("a\n")})
	awaitDeferred(t, d)
	upload(t, d, harness.Tree{"main.py": program(good, "third"), "b.txt": harness.File("b\n")})
	d.Await("both deferred", func(s harness.Status) bool { return s.Deposit.State == "deferred" && s.Deposit.Files == 3 })
	signal(t, d, "free")
	awaitConfirmed(d, 2)
	checkHolds(t, d.Main(), harness.Tree{
		"main.py": program(good, "third"), "a.txt": harness.File("a\n"), "b.txt": harness.File("b\n"),
	})
	checkStates(t, d, "1 adopted, 2 confirmed")
}

// TestFailedTrialWaitsForNobody: a release that fails while it says that it is
// busy is rolled back at once.
func TestFailedTrialWaitsForNobody(t *testing.T) {
	t.Parallel()
	d := newProving(t, brief+asking, harness.Tree{"state": harness.File("well\n")})
	upload(t, d, harness.Tree{"main.py": program(busy("LOCK_EX", "rest()\n"), "second"), "state": harness.File("ill\n")})
	awaitBack(d, 1)
	checkFailed(t, d, 2, "exit code 1")
}
