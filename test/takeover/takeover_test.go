//go:build linux

// Package takeover lets one ota take over from another in the same process, with
// the real binary and a real program.
//
// In: a program that never stops talking, and binaries good and bad. Out: whether
// the same process of the program runs on, each line of it is in the log once, no
// connection is refused, and a bad binary changes nothing. Never: anything inside
// ota.
package takeover

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ota/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// talker counts, a thousand lines a second and every tenth in two pieces, and
// answers on its socket. It ends with the code that stands in end.
const talker = `import os, socket, sys, threading, time
if os.environ.get("LISTEN_FDS"):
    listener = socket.socket(fileno=3)
    def serve():
        while True:
            connection, _ = listener.accept()
            connection.recv(1000)
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")
            connection.close()
    threading.Thread(target=serve, daemon=True).start()
def say(text):
    address = os.environ.get("NOTIFY_SOCKET")
    if address and not os.environ.get("QUIET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(text, "\0" + address[1:] if address[0] == "@" else address)
say(b"READY=1\nSTATUS=counting")
number = 0
while True:
    number += 1
    if number % 100 == 0:
        say(b"WATCHDOG=1")
    if number % 10 == 0:
        sys.stdout.write("num")
        sys.stdout.flush()
    sys.stdout.write(("ber %d\n" if number % 10 == 0 else "number %d\n") % number)
    sys.stdout.flush()
    time.sleep(0.001)
    if number % 50 == 0 and os.path.exists(os.environ["OTA_DIR"] + "/end"):
        print("the last", number, flush=True)
        code = int(open(os.environ["OTA_DIR"] + "/end").read())
        os.remove(os.environ["OTA_DIR"] + "/end")
        os._exit(code)
`

// device has a copy of ota of its own, which can be replaced.
func device(t *testing.T, binary, settings string) *harness.Device {
	t.Helper()
	harness.Need(t, "python3")
	d := harness.NewDevice(t, harness.FastDir(t), harness.Tree{"main.py": harness.File(talker)}, settings)
	d.Binary = filepath.Join(t.TempDir(), "ota")
	copyFile(t, d.Binary, binary)
	return d
}

func copyFile(t testing.TB, to, from string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func runs(s harness.Status) bool {
	return s.Program.PID != 0 && s.Release.Number != 0 && s.Release.State != "trial"
}

// poller asks an address all the time, each time over a new connection.
type poller struct {
	stop   context.CancelFunc
	done   sync.WaitGroup
	asked  int
	failed []string
}

func poll(t *testing.T, address string) *poller {
	ctx, stop := context.WithCancel(t.Context())
	p := &poller{stop: stop}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: harness.Deadline}
	p.done.Go(func() {
		for again := time.NewTicker(3 * time.Millisecond); ctx.Err() == nil; <-again.C {
			request, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, address, nil)
			answer, err := client.Do(request)
			if err == nil {
				_, err = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}
			p.asked++
			if err != nil {
				p.failed = append(p.failed, err.Error())
			}
		}
	})
	return p
}

func (p *poller) end(t *testing.T, what string) {
	t.Helper()
	p.stop()
	p.done.Wait()
	t.Logf("%s was asked %d times", what, p.asked)
	if len(p.failed) > 0 {
		t.Errorf("%s failed %d of %d times: %s", what, len(p.failed), p.asked, p.failed[0])
	}
}

// follower is an ota command that shows the log until its ota ends.
type follower struct {
	cmd  *exec.Cmd
	said bytes.Buffer
	done chan error
}

func follow(t *testing.T, d *harness.Device, args ...string) *follower {
	t.Helper()
	f := &follower{cmd: d.Command(context.Background(), args...), done: make(chan error, 1)}
	f.cmd.Stdout = &f.said
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { f.done <- f.cmd.Wait() }()
	return f
}

func (f *follower) end(t *testing.T) string {
	t.Helper()
	f.cmd.Process.Signal(os.Interrupt)
	select {
	case <-f.done:
	case <-time.After(harness.Deadline):
		f.cmd.Process.Kill()
		t.Error("a follower does not end")
	}
	return f.said.String()
}

var counted = regexp.MustCompile(`MAIN : number (\d+)$`)

// numbers are those that a program has counted, in the order of a log.
func numbers(t testing.TB, text io.Reader) (found []int) {
	t.Helper()
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		if match := counted.FindStringSubmatch(lines.Text()); match != nil {
			number, _ := strconv.Atoi(match[1])
			found = append(found, number)
		} else if strings.Contains(lines.Text(), "MAIN : ") && !strings.Contains(lines.Text(), "the last") {
			t.Errorf("a line is no number: %q", lines.Text())
		}
	}
	if lines.Err() != nil {
		t.Error(lines.Err())
	}
	return found
}

// checkCounting fails the test unless each number comes once, in order; a
// program that was started anew begins at 1.
func checkCounting(t *testing.T, where string, found []int, starts int) {
	t.Helper()
	if len(found) < 100 {
		t.Errorf("%s has %d numbers only", where, len(found))
	}
	begun := 1
	for i := range found[1:] {
		if found[i+1] == 1 {
			begun++
		} else if found[i+1] != found[i]+1 {
			t.Errorf("%s: after %d comes %d", where, found[i], found[i+1])
		}
	}
	if begun != starts {
		t.Errorf("%s: the program was started %d times, not %d", where, begun, starts)
	}
}

// logged are all lines in the log files.
func logged(t testing.TB, d *harness.Device) io.Reader {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(d.Dir, "logs", "*.log"))
	if err != nil || len(files) != 1 {
		t.Fatalf("there are %d log files, not one for all that is one start: %v", len(files), err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(text)
}

// usage is what a process has.
func usage(t testing.TB, pid int) (files, anonymous int) {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			anonymous, _ = strconv.Atoi(strings.Fields(value)[0])
		}
	}
	return len(entries), anonymous
}

const takeovers = 20

// TestTwentyInARow: the program runs on as if nothing had happened.
func TestTwentyInARow(t *testing.T) {
	t.Parallel()
	port, page := harness.FreePort(t), harness.FreePort(t)
	d := device(t, harness.Binary(), fmt.Sprintf("[program]\nwatchdog = \"3s\"\nlisten = [\"127.0.0.1:%d\"]\n[trial]\nready = true\n[web]\nlisten = \"127.0.0.1:%d\"\n", port, page))
	d.Start()
	before := d.Await("the program runs", runs)
	lines := follow(t, d, "logs", "-f", "-n", "10000")
	events := follow(t, d, "events", "--log", "--json")
	ofProgram := poll(t, fmt.Sprintf("http://127.0.0.1:%d/", port))
	ofPage := poll(t, fmt.Sprintf("http://127.0.0.1:%d/login", page))

	var files, anonymous [takeovers]int
	var longest time.Duration
	for i := range takeovers {
		begun := time.Now()
		if i%2 == 0 {
			d.Say("reload")
		} else {
			d.Say("-C", d.Dir, "self-update", harness.Binary())
		}
		longest = max(longest, time.Since(begun))
		files[i], anonymous[i] = usage(t, before.PID)
	}
	t.Logf("the longest took %v; descriptors %v, RssAnon %v kB", longest, files, anonymous)
	after := d.Await("the program runs", runs)
	if after.PID != before.PID || after.Program.PID != before.Program.PID || !after.Program.Started.Equal(before.Program.Started) || after.Program.Restarts != 0 {
		t.Errorf("before: %+v\nafter: %+v", before, after)
	}
	if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", before.PID)); err != nil || string(name) != "ota\n" {
		t.Errorf("the process is called %q, %v", name, err)
	}
	if after.Program.Phase != "ready" || after.Program.StatusText != "counting" {
		t.Errorf("what the program has said of itself is lost: %+v", after.Program)
	}
	if files[takeovers-1] > files[0]+3 {
		t.Errorf("descriptors become more: %v", files)
	}
	if anonymous[takeovers-1] > anonymous[1]+3000 {
		t.Errorf("memory becomes more: %v kB", anonymous)
	}
	ofProgram.end(t, "the program")
	ofPage.end(t, "the page")

	// What comes then works as ever.
	harness.Tree{"other.txt": harness.File("x\n")}.Write(t, d.Deposit())
	d.Await("an upload becomes a release", func(s harness.Status) bool { return s.Release.Number == 2 && s.Release.State == "confirmed" })
	d.Say("reload")
	// The watchdog watches on: one that says nothing is ended.
	syscall.Kill(d.Await("it runs", runs).Program.PID, syscall.SIGSTOP)
	bitten := d.Await("the watchdog has ended it", func(s harness.Status) bool { return s.Program.Restarts == 1 && s.Program.State == "running" })
	if exit := bitten.Program.LastExit; exit == nil || exit.Cause != "watchdog" {
		t.Errorf("it ended with %+v, not by the watchdog", exit)
	}
	d.Say("reload")
	if err := os.WriteFile(filepath.Join(d.Dir, "end"), []byte("7"), 0o644); err != nil {
		t.Fatal(err)
	}
	crashed := d.Await("it is started again after a crash", func(s harness.Status) bool { return s.Program.Restarts == 2 && s.Program.State == "running" })
	if exit := crashed.Program.LastExit; exit == nil || exit.Code == nil || *exit.Code != 7 {
		t.Errorf("it ended with %+v, not 7", exit)
	}
	const starts = 4 // the first, for the upload, after the watchdog and after the crash
	awaitStarts(t, d, starts)
	said, told := lines.end(t), events.end(t)
	d.Stop()
	checkCounting(t, "the log", numbers(t, logged(t, d)), starts)
	checkCounting(t, "ota logs -f", numbers(t, strings.NewReader(said)), starts)
	checkCounting(t, "ota events", eventNumbers(t, told), starts)
}

// awaitStarts waits until the program has begun to count so often, and has come
// some way since.
func awaitStarts(t *testing.T, d *harness.Device, starts int) {
	t.Helper()
	harness.Await(t, fmt.Sprintf("the program counts for the %dth time", starts), func() bool {
		parts := strings.Split(d.Console(), "MAIN : number 1\n")
		return len(parts) == starts+1 && strings.Contains(parts[starts], "MAIN : number 300\n")
	}, d.Console)
}

// eventNumbers are those in the output of `ota events --log --json`.
func eventNumbers(t *testing.T, told string) []int {
	t.Helper()
	var text strings.Builder
	for line := range strings.Lines(told) {
		var event struct {
			Event string
			Data  []struct{ Source, Text string }
		}
		if strings.Contains(line, `"event":"log"`) {
			if err := json.Unmarshal([]byte(line), &event); err != nil {
				t.Fatal(err)
			}
		}
		for _, one := range event.Data {
			fmt.Fprintf(&text, "%s : %s\n", one.Source, one.Text)
		}
	}
	return numbers(t, strings.NewReader(text.String()))
}

// TestItWaits: for a trial, and not for an upload that waits itself.
func TestItWaits(t *testing.T) {
	t.Parallel()
	// One that says that it is ready has proved itself.
	d := device(t, harness.Binary(), "[program]\nenv = { QUIET = \"1\" }\n[trial]\nperiod = \"3s\"\n")
	d.Start()
	before := d.Await("the program runs", runs)
	harness.Tree{"main.py": harness.File(talker + "# other\n")}.Write(t, d.Deposit())
	d.Await("the release is on trial", func(s harness.Status) bool { return s.Release.Number == 2 && s.Release.State == "trial" })
	answer := d.Ask("reload")
	if answer.Code != 0 || !strings.Contains(answer.Complained, "waiting: the release is on trial") {
		t.Errorf("%+v", answer)
	}
	if status, err := d.Status(); err != nil || status.Release.State != "confirmed" || status.PID != before.PID {
		t.Errorf("%+v %v", status, err)
	}

	busy := d.Command(t.Context(), "busy", "--", "cat")
	hold, err := busy.StdinPipe()
	if err == nil {
		err = busy.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	harness.Await(t, "the lock is taken", func() bool { return len(locks(t, d)) > 0 }, func() string { return "" })
	harness.Tree{"more.txt": harness.File("x\n")}.Write(t, d.Deposit())
	deferred := func(s harness.Status) bool { return s.Deposit.State == "deferred" }
	d.Await("the upload waits", deferred)
	d.Say("reload")
	d.Await("it waits again", deferred)
	hold.Close()
	busy.Wait()
	d.Await("it is taken", func(s harness.Status) bool { return s.Release.Number == 3 && s.Release.State == "confirmed" })
}

// locks are the lines of /proc/locks about the file of who is busy.
func locks(t *testing.T, d *harness.Device) (found []string) {
	t.Helper()
	info, err := os.Stat(filepath.Join(d.Dir, ".ota", "busy"))
	if err != nil {
		return nil
	}
	all, err := os.ReadFile("/proc/locks")
	if err != nil {
		t.Fatal(err)
	}
	inode := fmt.Sprintf(":%d ", inodeOf(info))
	for line := range strings.Lines(string(all)) {
		if strings.Contains(line, inode) {
			found = append(found, line)
		}
	}
	return found
}

// TestOnce: the exit code of the program is that of an ota that has taken over.
func TestOnce(t *testing.T) {
	t.Parallel()
	d := device(t, harness.Binary(), "")
	cmd := d.Command(context.Background(), "run", "--once")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); cmd.Wait() }()
	t.Cleanup(func() { cmd.Process.Kill(); <-ended })
	d.Await("the program runs", runs)
	d.Say("reload")
	if err := os.WriteFile(filepath.Join(d.Dir, "end"), []byte("7"), 0o644); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(harness.Deadline):
		t.Fatal("it does not end with its program")
	}
	if code := cmd.ProcessState.ExitCode(); code != 7 {
		t.Errorf("exit code %d", code)
	}
}

// TestStates: what has no process is handed over as well.
func TestStates(t *testing.T) {
	t.Parallel()
	d := device(t, harness.Binary(), "")
	d.Start()
	d.Await("the program runs", runs)
	stopped := func(s harness.Status) bool { return s.Program.State == "stopped" }
	d.Say("stop")
	d.Say("reload")
	d.Await("it is stopped", stopped)
	d.Say("start")
	running := d.Await("it runs", runs)
	held := func(s harness.Status) bool { return s.Deposit.State == "held" && len(s.Deposit.Reasons) == 1 }
	harness.Tree{"main.py": harness.File("print(\n")}.Write(t, d.Deposit())
	d.Await("the upload is held", held)
	d.Say("reload")
	d.Await("the upload is held", held)
	if after, err := d.Status(); err != nil || after.Program.PID != running.Program.PID {
		t.Errorf("%+v %v", after, err)
	}
	for _, code := range []string{"3", "4", "5"} { // so that the pause before the next start is long
		if err := os.WriteFile(filepath.Join(d.Dir, "end"), []byte(code), 0o644); err != nil {
			t.Fatal(err)
		}
		d.Await("it has failed", func(s harness.Status) bool {
			return s.Program.State == "backoff" && s.Program.LastExit != nil && *s.Program.LastExit.Code == int(code[0]-'0')
		})
		d.Say("reload")
		if after, err := d.Status(); err != nil || after.Program.LastExit == nil || *after.Program.LastExit.Code != int(code[0]-'0') {
			t.Errorf("%+v %v", after, err)
		}
		d.Await("it is started again after the pause", runs)
	}
	if after, err := d.Status(); err != nil || after.Program.Restarts != 3 {
		t.Errorf("%+v %v", after, err)
	}
	if slices.Contains(strings.Fields(d.Console()), "leftover") {
		t.Error(d.Console())
	}
}
