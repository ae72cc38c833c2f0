//go:build linux

package device

import (
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ota/test/harness"
)

// TestConfirmedAfterThePeriod: who runs for the period has proved itself, and
// not before.
func TestConfirmedAfterThePeriod(t *testing.T) {
	t.Parallel()
	d := newProving(t, brief, nil)
	began := time.Now()
	grow(t, d, 2, programs(lasting, "second"))
	if after := time.Since(began); after < time.Second {
		t.Errorf("confirmed after %v", after)
	}
}

// probed are programs that say READY=1 before a probe agrees: release 2 is well
// as soon as there is a file "well".
var probed = map[string]struct{ setting, body string }{
	"http": {`trial.http = "http://127.0.0.1:PORT/"`, `
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        note("asked", os.environ["OTA_RELEASE"])
        well = os.environ["OTA_RELEASE"] == "1" or os.path.exists(place("well"))
        self.send_response(200 if well else 503)
        self.end_headers()
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
ready()
note("ready", os.environ["OTA_RELEASE"])
server.serve_forever()
`},
	"tcp": {`trial.tcp = "127.0.0.1:PORT"`, `
import socket
ready()
note("ready", os.environ["OTA_RELEASE"])
if os.environ["OTA_RELEASE"] != "1":
    wait_for("well")
server = socket.create_server(("127.0.0.1", PORT))
while True:
    server.accept()[0].close()
`},
	"command": {`trial.command = ["/bin/sh", "-c", "test ! -e strict -o -e ../well"]`, `
ready()
note("ready", os.environ["OTA_RELEASE"])
rest()
`},
}

// TestConfirmedEarlier: READY=1 confirms long before the period's end, but not
// against a probe.
func TestConfirmedEarlier(t *testing.T) {
	harness.Need(t, "python3")
	for name, probe := range probed {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := fmt.Sprint(harness.FreePort(t))
			body := strings.ReplaceAll(probe.body, "PORT", port)
			d := newDevice(t, programs(body, "first"), proving+strings.ReplaceAll(probe.setting, "PORT", port))
			awaitNote(t, d, "ready", 1)
			upload(t, d, harness.Tree{"main.py": program(body, "second"), "strict": harness.File("\n")})
			awaitNote(t, d, "ready", 2)
			if name == "http" {
				awaitNote(t, d, "asked", 1+2)
			}
			if status, err := d.Status(); err != nil || status.Release.State != "trial" {
				t.Errorf("release 2 is %s against its probe; %v", status.Release.State, err)
			}
			signal(t, d, "well")
			awaitConfirmed(d, 2)
			if strings.Contains(d.Console(), "does not count") {
				t.Error("the probe did not count")
			}
		})
	}
}

// TestReadyAlone: without a probe READY=1 is enough.
func TestReadyAlone(t *testing.T) {
	t.Parallel()
	d := newProving(t, proving, nil)
	grow(t, d, 2, programs(good, "second"))
}

// TestEndedWellDuringTheTrial: a program that has done its work has proved
// itself.
func TestEndedWellDuringTheTrial(t *testing.T) {
	t.Parallel()
	d := newProving(t, proving, nil)
	grow(t, d, 2, programs("sys.exit(0)\n", "second"))
	if status, err := d.Status(); err != nil || status.Program.State != "finished" {
		t.Errorf("the program is %s, %v", status.Program.State, err)
	}
}

// TestFailsTwice: a release that ends badly is started once more after a second,
// and is rolled back when that ends badly too.
func TestFailsTwice(t *testing.T) {
	for body, why := range map[string]string{
		failing:                    "exit code 3, failed twice",
		"os.kill(os.getpid(), 11)": "killed by SIGSEGV, failed twice",
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			d := newProving(t, proving, nil)
			upload(t, d, programs(body+"\n", "second"))
			awaitBack(d, 1)
			checkFailed(t, d, 2, why)
			if got := startsOf(d, 2); got != 2 {
				t.Errorf("release 2 was started %d times", got)
			}
			if got := strings.Count(d.Console(), "pause=1s"); got != 1 {
				t.Errorf("%d pauses of a second", got)
			}
		})
	}
}

// TestSecondStartSucceeds: the port is still taken at the first start.
func TestSecondStartSucceeds(t *testing.T) {
	t.Parallel()
	d := newProving(t, proving, nil)
	taken := listen(t, 0)
	defer taken.Close()
	upload(t, d, programs(fmt.Sprintf(`
import socket
server = socket.socket()
server.bind(("127.0.0.1", %d))
server.listen()
`, taken.Addr().(*net.TCPAddr).Port)+good, "second"))
	d.Await("the first failure", func(s harness.Status) bool { return s.Program.State == "backoff" })
	taken.Close()
	awaitConfirmed(d, 2)
	if got := startsOf(d, 2); got != 2 {
		t.Errorf("release 2 was started %d times", got)
	}
}

// TestAttempts: with so many failures a release has failed.
func TestAttempts(t *testing.T) {
	for attempts, why := range map[int]string{1: "exit code 3", 3: "exit code 3, failed 3 times"} {
		t.Run(fmt.Sprint(attempts), func(t *testing.T) {
			t.Parallel()
			d := newProving(t, proving+fmt.Sprintf("trial.attempts = %d\n", attempts), nil)
			upload(t, d, programs(failing, "second"))
			awaitBack(d, 1)
			checkFailed(t, d, 2, why)
			if got := startsOf(d, 2); got != attempts {
				t.Errorf("release 2 was started %d times", got)
			}
		})
	}
}

// asking is a probe that says what a file in main/ says.
const asking = `trial.command = ["grep", "-q", "well", "state"]` + "\n"

// TestProbeSaysBad: until the period is over.
func TestProbeSaysBad(t *testing.T) {
	t.Parallel()
	d := newProving(t, brief+asking, harness.Tree{"state": harness.File("well\n")})
	began := time.Now()
	upload(t, d, harness.Tree{"state": harness.File("ill\n"), "main.py": program(good, "second")})
	awaitBack(d, 1)
	if after := time.Since(began); after < time.Second {
		t.Errorf("failed after %v", after)
	}
	checkFailed(t, d, 2, "command grep -q well state: exit code 1")
	checkHolds(t, d.Main(), harness.Tree{"state": harness.File("well\n")})
}

// TestReadyPromised: READY=1 was promised and is not sent.
func TestReadyPromised(t *testing.T) {
	t.Parallel()
	d := newProving(t, brief+"trial.ready = true\n", nil)
	upload(t, d, programs(lasting, "second"))
	awaitBack(d, 1)
	checkFailed(t, d, 2, "READY=1 was promised and did not come within 1s")
}

// TestProbeThatCannotBeAsked: it fails nobody, and that is said.
func TestProbeThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	d := newProving(t, brief+`trial.command = ["no-such-command"]`, nil)
	grow(t, d, 2, programs(lasting, "second"))
	awaitConsole(t, d, "WARNING : probe could not be asked and does not count")
}

// TestProbeThatWasNotPassedBefore: it can't fail the next release, and that is
// said.
func TestProbeThatWasNotPassedBefore(t *testing.T) {
	t.Parallel()
	d := newProving(t, brief+asking, harness.Tree{"state": harness.File("ill\n")})
	grow(t, d, 2, programs(lasting, "second"))
	awaitConsole(t, d, "WARNING : the probe is not passed now, so that it can't fail the next release")
	awaitConsole(t, d, "WARNING : probe says BAD as it did of the release before, and does not count")
	upload(t, d, harness.Tree{"state": harness.File("well\n")}) // a release may be better than the one before it
	awaitConfirmed(d, 3)
	upload(t, d, harness.Tree{"state": harness.File("ill again\n")}) // and then not worse
	awaitBack(d, 3)
}

// TestPeriodStretches: to three times what the last confirmed release took to be
// ready.
func TestPeriodStretches(t *testing.T) {
	t.Parallel()
	d := newProving(t, proving, nil)
	grow(t, d, 2, programs("time.sleep(0.5)\n"+good, "second"))
	d.Stop()
	put(t, filepath.Join(d.Dir, "ota.toml"), brief)
	d.Start()
	awaitRunning(d, 2)
	began := time.Now()
	grow(t, d, 3, programs(lasting, "third"))
	if after := time.Since(began); after < 3*500*time.Millisecond {
		t.Errorf("confirmed after %v", after)
	}
}

// TestCrashesAfterConfirmation: they are answered by growing pauses and never by
// a rollback; five in a row are told.
func TestCrashesAfterConfirmation(t *testing.T) {
	t.Parallel()
	d := newProving(t, proving, nil)
	grow(t, d, 2, programs("ready()\nwait_for('go')\nsys.exit(3)\n", "second"))
	signal(t, d, "go")
	for i, pause := range []string{"1s", "2s", "4s", "8s", "16s"} {
		awaitConsole(t, d, "pause="+pause)
		status := d.Await("the pause", func(s harness.Status) bool { return s.Program.State == "backoff" })
		if isFifth := i == 4; status.Program.CrashLooping != isFifth {
			t.Errorf("crash_looping is %v after crash %d", status.Program.CrashLooping, i+1)
		}
		if i < 4 {
			d.Say("start") // so as not to wait for it
		}
	}
	var shown harness.Status
	if err := json.Unmarshal([]byte(d.Say("status", "--json")), &shown); err != nil || !shown.Program.CrashLooping {
		t.Errorf("ota status --json: %+v, %v", shown, err)
	}
	if said := d.Say("status"); !strings.Contains(said, "it crashes again and again") {
		t.Errorf("ota status: %s", said)
	}
	checkStates(t, d, "1 adopted, 2 confirmed")
}

// TestUploadDuringATrial: it is taken at once and laid over the release on
// trial, which is superseded then. If it fails, the last confirmed one is back,
// and the files of both are in deposit/.
func TestUploadDuringATrial(t *testing.T) {
	t.Parallel()
	d := newProving(t, proving+"trial.attempts = 1\n", nil)
	upload(t, d, harness.Tree{"main.py": program(lasting, "second"), "second.txt": harness.File("2\n")})
	awaitTrial(t, d, 2)
	upload(t, d, harness.Tree{"third.txt": harness.File("3\n")})
	awaitTrial(t, d, 3)
	checkStates(t, d, "1 adopted, 2 superseded, 3 trial")
	checkHolds(t, d.Main(), harness.Tree{"second.txt": harness.File("2\n"), "third.txt": harness.File("3\n")})
	upload(t, d, programs(failing, "fourth"))
	awaitBack(d, 1)
	checkStates(t, d, "1 confirmed, 2 superseded, 3 superseded, 4 rolled back")
	checkTree(t, d.Deposit(), harness.Tree{
		"main.py": program(failing, "fourth"), "second.txt": harness.File("2\n"), "third.txt": harness.File("3\n"),
	})
	checkHolds(t, d.Main(), programs(good, "first"))
	for _, name := range []string{"second.txt", "third.txt"} {
		if exists(filepath.Join(d.Main(), name)) {
			t.Errorf("%s is in main/", name)
		}
	}
}

// TestAdoptedCountsAsConfirmed: what was in main/ before the first start is gone
// back to like what has proved itself.
func TestAdoptedCountsAsConfirmed(t *testing.T) {
	t.Parallel()
	d := newProving(t, once, harness.Tree{"a.txt": harness.File("adopted\n")})
	checkStates(t, d, "1 adopted")
	upload(t, d, programs(failing, "second").Over(harness.Tree{"a.txt": harness.File("2\n")}))
	awaitBack(d, 1)
	checkTree(t, d.Main(), programs(good, "first").Over(harness.Tree{"a.txt": harness.File("adopted\n")}))
}

// TestStopDuringATrial: it is no failure, and the trial is begun again with the
// program.
func TestStopDuringATrial(t *testing.T) {
	t.Parallel()
	d := newProving(t, once, nil)
	upload(t, d, programs("if os.path.exists(place('go')):\n    ready()\nrest()\n", "second"))
	awaitTrial(t, d, 2)
	d.Say("stop")
	if status, err := d.Status(); err != nil || status.Release.State != "trial" || status.Program.State != "stopped" {
		t.Errorf("status: %+v, %v", status, err)
	}
	signal(t, d, "go")
	d.Say("start")
	awaitConfirmed(d, 2)
}

// TestUploadDuringThePauseOfATrial: it does not wait for the next start, and is
// counted anew.
func TestUploadDuringThePauseOfATrial(t *testing.T) {
	t.Parallel()
	d := newProving(t, proving, nil)
	upload(t, d, programs(failing, "second"))
	d.Await("the pause", func(s harness.Status) bool { return s.Release.Number == 2 && s.Program.State == "backoff" })
	upload(t, d, programs("if not os.path.exists(place('third')):\n    note('third', 'x')\n    sys.exit(3)\n"+good, "third"))
	awaitConfirmed(d, 3)
	if got := startsOf(d, 3); got != 2 {
		t.Errorf("release 3 was started %d times", got)
	}
	checkStates(t, d, "1 adopted, 2 superseded, 3 confirmed")
	d.Say("rollback", "2") // never judged
	awaitBack(d, 1)
	checkFailed(t, d, 2, "exit code 3")
}

// TestFirstUploadWithoutAProgram: it is a release, and the next one brings the
// program.
func TestFirstUploadWithoutAProgram(t *testing.T) {
	t.Parallel()
	harness.Need(t, "python3")
	d := harness.NewDevice(t, harness.FastDir(t), nil, proving)
	d.Start()
	d.Await("the first upload to be waited for", func(s harness.Status) bool { return s.Program.State == "waiting" })
	upload(t, d, harness.Tree{"helper.py": harness.File("V = 1\n")})
	d.Await("release 1", func(s harness.Status) bool { return s.Program.State == "waiting" && isIn(s, 1) })
	upload(t, d, programs("import helper\n"+good, "second"))
	awaitConfirmed(d, 2)
	checkStates(t, d, "1 superseded, 2 confirmed")
	upload(t, d, programs(failing, "third"))
	awaitBack(d, 2)
}
