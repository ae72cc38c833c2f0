package program

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startPython starts a program that can say things by say(), with a watchdog.
func (s *stage) startPython(interval time.Duration, script string) *Run {
	s.t.Helper()
	spec := s.spec("")
	spec.Stderr = s.out
	spec.Watchdog = interval
	spec.Argv = []string{python3(s.t), "-u", "-c", `
import faulthandler, os, signal, socket, sys, time
faulthandler.enable()
address = os.environ["NOTIFY_SOCKET"]
if address[0] == "@":
    address = "\0" + address[1:]
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def say(text):
    notify.sendto(text.encode(), address)
` + script}
	run, err := s.room.Start(spec)
	if err != nil {
		s.t.Fatal(err)
	}
	return run
}

func TestWatchdogEndsWhoGivesNoSign(t *testing.T) {
	for name, test := range map[string]struct {
		interval time.Duration
		script   string
		line     string // of the output
		signal   syscall.Signal
	}{
		"ready, then silent": {200 * time.Millisecond, `
assert os.environ["WATCHDOG_USEC"] == "200000" and "WATCHDOG_PID" not in os.environ
say("READY=1")
time.sleep(1000)`, "Fatal Python error: Aborted", syscall.SIGABRT},
		"alive once, never ready": {200 * time.Millisecond, `
say("WATCHDOG=1")
time.sleep(1000)`, "", syscall.SIGABRT},
		"stopped": {200 * time.Millisecond, `
say("READY=1")
os.kill(os.getpid(), signal.SIGSTOP)`, "", syscall.SIGABRT},
		"asks for it": {0, `
say("WATCHDOG=trigger")
time.sleep(1000)`, "", syscall.SIGABRT},
		"an interval of its own": {0, `
say("READY=1\nWATCHDOG_USEC=100000")
time.sleep(1000)`, "", syscall.SIGABRT},
		"a shorter interval": {time.Hour, `
say("READY=1")
say("WATCHDOG_USEC=100000")
time.sleep(1000)`, "", syscall.SIGABRT},
		"deaf": {200 * time.Millisecond, `
faulthandler.disable()
signal.signal(signal.SIGABRT, signal.SIG_IGN)
say("READY=1")
time.sleep(1000)`, "", syscall.SIGKILL},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && test.signal == syscall.SIGKILL {
				t.Skip("takes as long as the grace after SIGABRT")
			}
			s := newNotified(t)
			run := s.startPython(test.interval, test.script)
			await(t, "end", run.Done())
			exit := run.Exit()
			if exit.Cause != CauseWatchdog || exit.Signal != test.signal || exit.Success() || !strings.HasSuffix(exit.String(), ": watchdog") {
				t.Errorf("exit = %v, %+v", exit, exit)
			}
			if test.line != "" {
				s.out.await(t, test.line)
			}
			s.stop(t.Context())
			if !strings.Contains(s.log.String(), "the watchdog ends the program") {
				t.Error("the log does not tell")
			}
		})
	}
}

func TestWatchdogLeavesAlone(t *testing.T) {
	for name, script := range map[string]string{
		"who gives a sign in time": `
say("READY=1")
for _ in range(20):
    time.sleep(0.05)
    say("WATCHDOG=1")
sys.exit(3)`,
		"who is not ready yet": `
say("STATUS=loading")
time.sleep(1)
sys.exit(3)`,
		"who turns it off": `
say("READY=1\nWATCHDOG_USEC=0")
time.sleep(1)
sys.exit(3)`,
		"who is stopping": `
say("READY=1")
say("STOPPING=1")
time.sleep(1)
sys.exit(3)`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newNotified(t)
			interval := 600 * time.Millisecond
			run := s.startPython(interval, script)
			await(t, "end", run.Done())
			if exit := run.Exit(); exit.Code != 3 || exit.Cause != "" {
				t.Errorf("exit = %v", exit)
			}
			s.stop(t.Context())
		})
	}
}

// TestWatchdogReadsWhatWaits: when ota was held up, a sign may have come that
// is not read yet.
func TestWatchdogReadsWhatWaits(t *testing.T) {
	room := newRoom(t.TempDir(), nil, "bare")
	n := &room.notify
	if err := n.listen(filepath.Join(t.TempDir(), "notify.sock")); err != nil {
		t.Fatal(err)
	}
	defer n.shut()
	run := newRun(room, pipe{}, pipe{})
	n.expect(run)
	run.dog.begin(time.Minute)
	run.hear(message{phase: PhaseReady})
	run.dog.fed = time.Now().Add(-time.Hour)
	if err := notify(n.address(), "WATCHDOG=1"); err != nil {
		t.Fatal(err)
	}
	run.dog.check()
	if run.dog.leash != leashArmed {
		t.Errorf("the dog is %s", run.dog.leash)
	}
	run.dog.off()
}

func TestStopEndsTheWatch(t *testing.T) {
	s := newNotified(t)
	s.room.steps = unhurried
	run := s.startPython(200*time.Millisecond, `
def end(*_):
    time.sleep(0.5)
    sys.exit(0)
signal.signal(signal.SIGINT, end)
say("READY=1")
say("STATUS=up\nWATCHDOG=1")
print("up")
while True:
    time.sleep(0.05)
    say("WATCHDOG=1")`)
	await(t, "READY=1", run.Ready())
	s.out.await(t, "up")
	s.stop(t.Context())
	if exit := run.Exit(); !exit.Success() {
		t.Errorf("exit = %v", exit)
	}
	if said := run.Said(); said != (Said{PhaseReady, "up"}) {
		t.Errorf("said %+v", said)
	}
}
