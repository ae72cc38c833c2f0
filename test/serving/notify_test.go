//go:build linux

package serving

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"ota/test/harness"
)

// TestWhatTheProgramSays: `ota status` shows how far the program says it has
// come, as text and as JSON.
func TestWhatTheProgramSays(t *testing.T) {
	t.Parallel()
	d := newDevice(t, `
def leave(*_):
    say("STOPPING=1\nSTATUS=closing the valves")
    wait_for("end")
    sys.exit(0)

signal.signal(signal.SIGTERM, leave)
say("STATUS=waking up")
wait_for("ready")
say("READY=1\nSTATUS=3 sensors, 21.5 °C")
wait_for("reload")
say("RELOADING=1\nSTATUS=reading the table")
wait_for("reloaded")
say("READY=1\nSTATUS=")
rest()
`, "[program]\nstop_signals = [\"TERM\"]\nstop_timeouts = [\"60s\"]\n")
	for _, step := range []struct{ after, phase, text, shown string }{
		{"", "", "waking up", "it says: waking up"},
		{"ready", "ready", "3 sensors, 21.5 °C", "it says: 3 sensors, 21.5 °C"},
		{"reload", "reloading", "reading the table", ", reloading"},
		{"reloaded", "ready", "", "running for"},
	} {
		if step.after != "" {
			give(t, d, step.after)
		}
		awaitSaid(d, step.phase, step.text)
		contains(t, d.Say("status"), step.shown)
		var shown harness.Status
		if err := json.Unmarshal([]byte(d.Say("status", "--json")), &shown); err != nil ||
			shown.Program.Phase != step.phase || shown.Program.StatusText != step.text {
			t.Errorf("ota status --json: %+v, %v", shown.Program, err)
		}
	}
	upload(t, d, harness.Tree{"main.py": program("rest()\n")})
	awaitSaid(d, "stopping", "closing the valves")
	give(t, d, "end")
	awaitRunning(d, 2)
	if status, err := d.Status(); err != nil || status.Program.Phase != "" || status.Program.StatusText != "" {
		t.Errorf("what the old program has said is shown of the new one: %+v, %v", status.Program, err)
	}
}

func awaitSaid(d *harness.Device, phase, text string) {
	d.Await("what the program says", func(s harness.Status) bool {
		return s.Program.Phase == phase && s.Program.StatusText == text
	})
}

// hanging gives signs of life until there is a file "hang"; at its first start
// only.
const hanging = `
import faulthandler
faulthandler.enable()
note("watchdog " + os.environ["WATCHDOG_USEC"])
first = not os.path.exists(place("hang"))
say("READY=1")
while True:
    if not (first and os.path.exists(place("hang"))):
        say("WATCHDOG=1")
    time.sleep(0.05)
`

// TestWatchdog: a program that gives no sign of life any more is ended and
// started again, and status and log say why.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	d := newDevice(t, hanging, "[program]\nwatchdog = \"1s\"\n")
	awaitNote(t, d, "watchdog 1000000")
	before := awaitSaidReady(d, 0)
	give(t, d, "hang")
	after := awaitSaidReady(d, before.Program.PID)
	exit := after.Program.LastExit
	if exit == nil || exit.Cause != "watchdog" || exit.Signal == nil || *exit.Signal != "SIGABRT" || after.Program.Restarts != 1 {
		t.Errorf("after the end: %+v, %+v", after.Program, exit)
	}
	contains(t, d.Say("status"), "killed by SIGABRT (watchdog)")
	contains(t, d.Console(), "the watchdog ends the program", "cause=watchdog",
		"Fatal Python error: Aborted", "in <module>") // where it hung
}

func awaitSaidReady(d *harness.Device, not int) harness.Status {
	return d.Await("a ready program", func(s harness.Status) bool {
		return s.Program.State == "running" && s.Program.PID != not && s.Program.Phase == "ready"
	})
}

// TestWatchdogInATrial: an end by the watchdog is a crash like any other.
func TestWatchdogInATrial(t *testing.T) {
	t.Parallel()
	d := newDevice(t, "rest()\n", "[trial]\nperiod = \"30s\"\nready = true\nattempts = 1\n")
	upload(t, d, harness.Tree{
		// The first word arms it; READY=1 does not come.
		"main.py":  program("say(\"WATCHDOG=1\")\nrest()\n"),
		"ota.toml": harness.File("[program]\nwatchdog = \"1s\"\n"),
	})
	d.Await("release 1 again", func(s harness.Status) bool {
		return s.Release.Number == 1 && s.Program.State == "running" && s.Deposit.State == "held"
	})
	contains(t, d.Say("why"), "release 2 was rolled back to release 1", "watchdog")
	if _, err := os.Stat(d.Main() + "/ota.toml"); err == nil {
		t.Error("the settings of the failed release are still there")
	}
}

// TestNoWatchdogForWhoSaysNothing: it is armed by the first word, not by the
// start, and a program that is not told of one has none.
func TestNoWatchdogForWhoSaysNothing(t *testing.T) {
	t.Parallel()
	d := newDevice(t, `
note("watchdog " + str(os.environ.get("WATCHDOG_USEC")))
wait_for("end")
`, "[trial]\nperiod = \"100ms\"\n")
	awaitNote(t, d, "watchdog None")
	upload(t, d, harness.Tree{
		"main.py":  program("time.sleep(2.5)\nsay(\"READY=1\")\nwhile True:\n    say(\"WATCHDOG=1\")\n    time.sleep(0.1)\n"),
		"ota.toml": harness.File("[program]\nwatchdog = \"1s\"\n"),
	})
	status := awaitSaidReady(d, 0)
	if status.Program.Restarts != 0 || status.Release.Number != 2 || strings.Contains(d.Console(), "the watchdog ends") {
		t.Errorf("a slow start was ended: %+v", status)
	}
}
