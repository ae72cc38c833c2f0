//go:build linux

package serving

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ota/test/harness"
)

// telling notes what a start finds, and lives.
const telling = `
note(" ".join([os.environ["OTA_RELEASE"], sys.argv[1] if len(sys.argv) > 1 else "-", os.environ.get("COLOR", "-"), os.environ.get("SIZE", "-")]))
def leave(number, _):
    note("stopped by %d" % number)
    sys.exit(0)

for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, leave)
rest()
`

// TestSettingsTravel: command, variables and signals come with a release and go
// with it; what the device says wins.
func TestSettingsTravel(t *testing.T) {
	t.Parallel()
	d := newDevice(t, telling, "[program]\nenv = { SIZE = \"device\" }\n[trial]\nperiod = \"100ms\"\n")
	awaitNote(t, d, "1 - - device")
	upload(t, d, harness.Tree{"ota.toml": harness.File(`
		[program]
		command = ["python3", "-u", "main.py", "two"]
		env = { COLOR = "blue", SIZE = "travels" }
		stop_signals = ["USR1"]
		[trial]
		period = "150ms"
	`)})
	awaitConfirmed(d, 2)
	awaitNote(t, d, "stopped by 2") // by what its own release says
	awaitNote(t, d, "2 two blue device")
	contains(t, d.Say("config"), `period = "100ms"`) // the device's
	upload(t, d, harness.Tree{"ota.toml": harness.File("[program]\nenv = { COLOR = \"red\" }\n")})
	awaitConfirmed(d, 3)
	awaitNote(t, d, "stopped by 10")
	awaitNote(t, d, "3 - red device")
	d.Say("rollback", "2")
	d.Await("release 2", func(s harness.Status) bool { return s.Release.Number == 2 && s.Release.State == "confirmed" })
	harness.Await(t, "release 2 once more", func() bool { return count(d, "2 two blue device") == 2 }, d.Console)
}

// TestTrialSettingsTravel: a release is judged by the settings that it brings.
func TestTrialSettingsTravel(t *testing.T) {
	t.Parallel()
	d := newDevice(t, "rest()\n", "")
	upload(t, d, harness.Tree{
		"main.py":  program("rest()\n# never ready\n"),
		"ota.toml": harness.File("[trial]\nready = true\nperiod = \"200ms\"\n"),
	})
	d.Await("release 1 again", func(s harness.Status) bool {
		return s.Release.Number == 1 && s.Program.State == "running" && s.Deposit.State == "held"
	})
	contains(t, d.Say("why"), "READY=1 was promised and did not come")
	// Without them there is nothing to wait for.
	if err := os.Remove(filepath.Join(d.Deposit(), "ota.toml")); err != nil {
		t.Fatal(err)
	}
	upload(t, d, harness.Tree{"main.py": program("rest()\n# third\n"), "ota.toml": harness.File("[trial]\nperiod = \"200ms\"\n")})
	awaitConfirmed(d, 3)
}

// TestWhatTravelsMayNotSayAll: who the program is and where it listens is the
// device's to say; a mistake holds the upload with its line.
func TestWhatTravelsMayNotSayAll(t *testing.T) {
	t.Parallel()
	d := newDevice(t, telling+"note('as %d' % os.getuid())\n", "[trial]\nperiod = \"100ms\"\n")
	upload(t, d, harness.Tree{"ota.toml": harness.File("[program]\nuser = \"nobody\"\nlisten = [\"127.0.0.1:1\"]\n")})
	awaitConfirmed(d, 2)
	awaitNote(t, d, "2 - - -")
	contains(t, d.Console(), "user", "listen", "ota.toml")
	if os.Getuid() == 0 && count(d, "as 65534") > 0 {
		t.Error("an upload has made the program run as somebody else")
	}
	if strings.Contains(d.Console(), "cannot listen") {
		t.Error("an upload has opened a port")
	}
	upload(t, d, harness.Tree{"ota.toml": harness.File("[program]\nnice = 5\n\nnise = 5\n")})
	held := d.Await("a held upload", func(s harness.Status) bool { return s.Deposit.State == "held" }).Deposit.Reasons
	if len(held) != 1 || held[0].Path != "ota.toml" || held[0].Line != 4 || !strings.Contains(held[0].Message, "nise") {
		t.Errorf("held because of %+v", held)
	}
}

// TestEnvFile: the device's and the one that travels reach the program at each
// start.
func TestEnvFile(t *testing.T) {
	t.Parallel()
	harness.Need(t, "python3")
	d := harness.NewDevice(t, harness.FastDir(t), harness.Tree{
		"main.py":  program(telling),
		"ota.toml": harness.File("[program]\nenv_file = \"colors.env\"\n"),
		// What is between quotes stands for itself.
		"colors.env": harness.File("# colours\nexport COLOR='$HOME blue'\nSIZE=travels\n"),
	}, "[program]\nenv = { SIZE = \"device\" }\n[trial]\nperiod = \"100ms\"\n"+quick)
	d.Start()
	awaitNote(t, d, "1 - $HOME blue device")
	upload(t, d, harness.Tree{"colors.env": harness.File("COLOR=\"red\"\n")})
	awaitNote(t, d, "2 - red device")
	awaitConfirmed(d, 2)
	d.Stop()
	harness.Tree{
		"ota.toml":    harness.File("[program]\nenv_file = \"secrets.env\"\n" + quick),
		"secrets.env": harness.File("SIZE=secret\n"),
	}.Write(t, d.Dir)
	d.Start()
	awaitNote(t, d, "2 - - secret")
}

// TestRestartPolicies: when a program that ends by itself is started again.
func TestRestartPolicies(t *testing.T) {
	for _, test := range []struct {
		policy string
		code   int
		state  string
	}{
		{"always", 0, "running"}, {"never", 3, "finished"}, {"on-failure", 0, "finished"}, {"on-failure", 3, "running"},
	} {
		t.Run(fmt.Sprint(test.policy, " ", test.code), func(t *testing.T) {
			t.Parallel()
			body := fmt.Sprintf("note('start')\nif not os.path.exists('second'):\n    open('second', 'w').close()\n    sys.exit(%d)\nrest()\n", test.code)
			harness.Need(t, "python3")
			d := harness.NewDevice(t, harness.FastDir(t), harness.Tree{"main.py": program(body)},
				fmt.Sprintf("[program]\nrestart = %q\n", test.policy)+quick)
			d.Start()
			starts := 1
			if test.state == "running" {
				starts = 2
			}
			d.Await(test.state, func(s harness.Status) bool { return s.Program.State == test.state && count(d, "start") == starts })
		})
	}
}

// TestStopTimeouts: the pauses between the signals are those of the release that
// is stopped.
func TestStopTimeouts(t *testing.T) {
	t.Parallel()
	d := newDevice(t, `
for number in (signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(number, lambda number, _: note("got %d" % number))
note("deaf")
while True:
    time.sleep(0.01)
`, "[trial]\nperiod = \"100ms\"\n", harness.Tree{"ota.toml": harness.File(
		"[program]\nstop_signals = [\"USR1\", \"USR2\"]\nstop_timeouts = [\"50ms\", \"50ms\"]\n")})
	awaitNote(t, d, "deaf")
	upload(t, d, harness.Tree{"main.py": program("rest()\n")})
	awaitConfirmed(d, 2)
	if got := strings.Join(notes(d), ", "); got != "deaf, got 10, got 12" {
		t.Errorf("the stop: %q", got)
	}
}

// TestUnixSocket: one in main/ is opened and kept as a port is; who connects
// while nothing runs is answered by the next release.
func TestUnixSocket(t *testing.T) {
	t.Parallel()
	body := "listener = socket.socket(fileno=3)\nnote('names ' + os.environ['LISTEN_FDNAMES'])\nsay('READY=1')\n" +
		"while True:\n    client, _ = listener.accept()\n    client.sendall(b'VERSION')\n    client.close()\n"
	d := newDevice(t, strings.Replace(body, "VERSION", "1", 1), "[program]\nlisten = [\"unix:app.sock\"]\n")
	awaitNote(t, d, "names app.sock")
	connect := func() net.Conn {
		client, err := net.Dial("unix", filepath.Join(d.Main(), "app.sock"))
		if err != nil {
			t.Fatal(err)
		}
		return client
	}
	checkAnswer := func(client net.Conn, want string) {
		defer client.Close()
		client.SetReadDeadline(time.Now().Add(harness.Deadline))
		if got, err := io.ReadAll(client); string(got) != want || err != nil {
			t.Errorf("it answers %q, %v", got, err)
		}
	}
	checkAnswer(connect(), "1")
	d.Say("stop")
	waiting := connect()
	upload(t, d, harness.Tree{"main.py": program(strings.Replace(body, "VERSION", "2", 1))})
	d.Await("release 2", func(s harness.Status) bool { return s.Release.Number == 2 && s.Deposit.State == "empty" })
	d.Say("start")
	checkAnswer(waiting, "2")
}
