//go:build linux

package device

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ota/test/harness"
)

// TestStatusJSON: the shape that scripts rely on.
func TestStatusJSON(t *testing.T) {
	t.Parallel()
	d := harness.NewDevice(t, harness.FastDir(t), nil, "update.quiet = \"20ms\"\n[program]\ncommand = [\"/bin/sh\", \"run.sh\"]")
	d.Start()
	d.Await("the first upload to be waited for", func(s harness.Status) bool { return s.Program.State == "waiting" })
	checkShape(t, d.Say("status", "--json"), `{"running": true, "pid": 1, "version": "", "dir": "",
		"program": {"state": "waiting", "pid": null, "started": null, "restarts": 0, "last_exit": null, "crash_looping": false, "phase": null, "status_text": null, "doing": null, "notice": null},
		"release": null,
		"deposit": {"state": "empty", "files": 0, "bytes": 0, "reasons": [], "doing": null, "arriving": null},
		"web": {"address": null, "problem": null, "fingerprint": null, "announced": null}, "mqtt": null, "source": null, "history": 1}`)
	upload(t, d, harness.Tree{"run.sh": harness.File("kill -TERM $$\n")})
	d.Await("the crash", func(s harness.Status) bool { return s.Program.State == "backoff" })
	checkShape(t, d.Say("status", "--json"), `{"running": true, "pid": 1, "version": "", "dir": "",
		"program": {"state": "backoff", "pid": null, "started": null, "restarts": 0,
			"last_exit": {"code": null, "signal": "SIGTERM", "cause": null, "at": "time"}, "crash_looping": false, "phase": null, "status_text": null, "doing": null, "notice": null},
		"release": {"number": 1, "digest": "sha256:", "state": "trial", "pinned": false, "packed": null},
		"deposit": {"state": "empty", "files": 0, "bytes": 0, "reasons": [], "doing": null, "arriving": null},
		"web": {"address": null, "problem": null, "fingerprint": null, "announced": null}, "mqtt": null, "source": null, "history": 1}`)
	upload(t, d, harness.Tree{"run.sh": harness.File("exec sleep 1000\n")})
	awaitRunning(d, 2)
	harness.Tree{"run.sh": harness.File("")}.Write(t, d.Deposit())
	awaitHeld(d)
	checkShape(t, d.Say("status", "--json"), `{"running": true, "pid": 1, "version": "", "dir": "",
		"program": {"state": "running", "pid": 1, "started": "time", "restarts": 0,
			"last_exit": {"code": null, "signal": "SIGTERM", "cause": null, "at": "time"}, "crash_looping": false, "phase": null, "status_text": null, "doing": null, "notice": null},
		"release": {"number": 2, "digest": "sha256:", "state": "trial", "pinned": false, "packed": null},
		"deposit": {"state": "held", "files": 1, "bytes": 0, "reasons": [{"path": "run.sh", "line": null, "column": null, "source": null, "message": "", "hint": null}], "doing": null, "arriving": null},
		"web": {"address": null, "problem": null, "fingerprint": null, "announced": null}, "mqtt": null, "source": null, "history": 1}`)
	d.Stop()
	checkShape(t, d.Say("status", "--json"), `{"running": false, "pid": null, "version": "", "dir": "",
		"program": {"state": null, "pid": null, "started": null, "restarts": 0, "last_exit": null, "crash_looping": false, "phase": null, "status_text": null, "doing": null, "notice": null},
		"release": {"number": 2, "digest": "sha256:", "state": "trial", "pinned": false, "packed": null},
		"deposit": {"state": null, "files": 0, "bytes": 0, "reasons": [], "doing": null, "arriving": null},
		"web": {"address": null, "problem": null, "fingerprint": null, "announced": null}, "mqtt": null, "source": null, "history": 1}`)
}

// TestHistoryJSON: newest first, names that are not UTF-8 escaped.
func TestHistoryJSON(t *testing.T) {
	t.Parallel()
	d := newDevice(t, first, noting)
	upload(t, d, harness.Tree{"latin1-\xe9": harness.File("x\n"), "main.py": harness.File("second\n")})
	awaitRunning(d, 2)
	want := `[{"number": 2, "digest": "sha256:", "state": "trial", "current": true, "pinned": false, "from": 1, "created": "time",
			"files": [{"path": "latin1-\\xe9", "change": "added"}, {"path": "main.py", "change": "replaced"}], "bytes": 1, "reason": null, "environment": null, "packed": null},
		{"number": 1, "digest": "sha256:", "state": "adopted", "current": false, "pinned": false, "from": null, "created": "time",
			"files": [{"path": "main.py", "change": "added"}], "bytes": 1, "reason": null, "environment": null, "packed": null}]`
	checkShape(t, d.Say("history", "--json"), want)
	d.Stop()
	checkShape(t, d.Say("history", "--json"), want)
}

// checkShape compares JSON: names, types and the words for states; "time" stands
// for any time, "sha256:" for any digest, 1 for any pid, size or revision of the history, "" for any other text.
func checkShape(t *testing.T, got, want string) {
	t.Helper()
	var gotValue, wantValue any
	if err := json.Unmarshal([]byte(got), &gotValue); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if err := json.Unmarshal([]byte(want), &wantValue); err != nil {
		t.Fatalf("%v: %s", err, want)
	}
	for _, difference := range differences("", gotValue, wantValue) {
		t.Errorf("%s\nin %s", difference, got)
	}
}

func differences(at string, got, want any) (found []string) {
	switch want := want.(type) {
	case map[string]any:
		object, _ := got.(map[string]any)
		if len(object) != len(want) {
			return []string{fmt.Sprintf("%s is %v, want %v", at, got, want)}
		}
		for name, value := range want {
			member, there := object[name]
			if !there {
				found = append(found, at+"."+name+" is missing")
				continue
			}
			found = append(found, differences(at+"."+name, member, value)...)
		}
		return found
	case []any:
		list, _ := got.([]any)
		if len(list) != len(want) || list == nil {
			return []string{fmt.Sprintf("%s is %v, want %v", at, got, want)}
		}
		for i := range want {
			found = append(found, differences(fmt.Sprintf("%s[%d]", at, i), list[i], want[i])...)
		}
		return found
	}
	if !fits(at, got, want) {
		found = []string{fmt.Sprintf("%s is %v, want %v", at, got, want)}
	}
	return found
}

func fits(at string, got, want any) bool {
	text, isText := got.(string)
	switch want {
	case "time":
		_, err := time.Parse(time.RFC3339, text)
		return err == nil
	case "sha256:":
		return strings.HasPrefix(text, "sha256:") && len(text) == len("sha256:")+64
	case "":
		return isText && text != ""
	case 1.0:
		if strings.HasSuffix(at, "pid") {
			number, _ := got.(float64)
			return number > 1
		}
		if at == ".history" || strings.HasSuffix(at, "].bytes") { // as many as there are
			_, isNumber := got.(float64)
			return isNumber
		}
	}
	return reflect.DeepEqual(got, want)
}

// hostile prints what could touch a terminal, other lines or the file.
const hostile = `import sys, time
out = sys.stdout.buffer
out.write(b"\x1b[2J\x1b]0;owned\x07 cleared\n")
out.write(b"over\r[01/01/70 00:00:00] INFO : forged by CR\n")
out.write("next\u2028line \u202eright to left \x9b31m\n".encode())
out.write(bytes(range(256)).replace(b"\n", b"") + b"\n")
out.write(b"x" * (1 << 20) + b" end of a long line\n")
sys.stdout.flush()
print("to stderr", file=sys.stderr, flush=True)
out.write(b"no newline")
sys.stdout.flush()
time.sleep(1000)
`

// TestHostileOutput: it is shown, harmless, and the same on the console and in
// the file.
func TestHostileOutput(t *testing.T) {
	t.Parallel()
	harness.Need(t, "python3")
	d := newDevice(t, harness.Tree{"main.py": harness.File(hostile)}, python)
	awaitConsole(t, d, "MAIN! : to stderr")
	awaitConsole(t, d, "no newline")
	d.Stop()
	console := d.Console()
	if log := read(logFile(t, d)); log != console {
		t.Errorf("file and console differ:\n%.2000s\n---\n%.2000s", log, console)
	}
	for _, char := range console {
		if char != '\n' && char != '\t' && (char < ' ' || 0x7f <= char && char < 0xa0 || char == 0x2028 || char == 0x202e || char == 0xfffd) {
			t.Errorf("the log has the character %q", char)
		}
	}
	for line := range strings.Lines(console) {
		if len(line) < 20 || line[0] != '[' || !strings.Contains(line[20:min(len(line), 32)], " : ") {
			t.Errorf("no line of a log: %.80q", line)
		}
		if strings.HasPrefix(line, "[01/01/70") {
			t.Errorf("a forged line: %q", line)
		}
	}
	for _, want := range []string{"MAIN : ", "cleared", "forged by CR", "more of this line left out]"} {
		if !strings.Contains(console, want) {
			t.Errorf("%q is missing", want)
		}
	}
}

func logFile(t *testing.T, d *harness.Device) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(d.Dir, "logs", "logfile_*.log"))
	if err != nil || len(found) != 1 {
		t.Fatalf("log files: %q, %v", found, err)
	}
	return found[0]
}

// flood prints 300 MB as fast as it can, and notes how long it was kept.
const flood = `import os, time
chunk = (b"x" * 99 + b"\n") * 10000
began = time.monotonic()
for i in range(300):
    left = memoryview(chunk)
    while left:
        left = left[os.write(1, left):]
with open("../took", "w") as f:
    print(time.monotonic() - began, file=f)
time.sleep(1000)
`

// TestFlood: output at full speed neither blocks the program nor fills memory or
// disk, and an update comes through all the same.
func TestFlood(t *testing.T) {
	t.Parallel()
	harness.Need(t, "python3")
	d := newDevice(t, harness.Tree{"main.py": harness.File(flood)}, python)
	took := filepath.Join(d.Dir, "took")
	harness.Await(t, "300 MB of output", func() bool { return strings.HasSuffix(read(took), "\n") }, func() string { return "" })
	status, err := d.Status()
	if err != nil {
		t.Fatal(err)
	}
	resident := field(t, status.PID, "VmHWM:")
	t.Logf("300 MB in %s s; ota took %s at most", strings.TrimSpace(read(took)), resident)
	var kilobytes int
	if fmt.Sscan(resident, &kilobytes); kilobytes > 40<<10 {
		t.Errorf("ota grew to %s", resident)
	}
	var size int64
	logs, _ := filepath.Glob(filepath.Join(d.Dir, "logs", "*"))
	for _, path := range logs {
		if info, err := os.Stat(path); err == nil {
			size += info.Size()
		}
	}
	if size > 50<<20 {
		t.Errorf("the logs hold %d bytes", size)
	}
	upload(t, d, harness.Tree{"main.py": harness.File("import time; print('quiet now', flush=True); time.sleep(1000)\n")})
	awaitConsole(t, d, "MAIN : quiet now")
	if said := d.Say("logs", "-n", "5"); !strings.Contains(said, "quiet now") {
		t.Errorf("the last lines are %q", said)
	}
}

// TestConsoleThatNobodyReads: a full pipe blocks neither the program nor ota.
func TestConsoleThatNobodyReads(t *testing.T) {
	t.Parallel()
	harness.Need(t, "python3")
	d := harness.NewDevice(t, harness.FastDir(t), harness.Tree{"main.py": harness.File(strings.Replace(flood, "300", "3", 1))}, python)
	unread, console, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer unread.Close()
	ota := d.Command(t.Context(), "run")
	ota.Stdout, ota.Stderr = console, console
	if err := ota.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ota.Process.Kill() }) // where the test has failed
	console.Close()
	harness.Await(t, "the output", func() bool { return read(filepath.Join(d.Dir, "took")) != "" }, func() string { return "" })
	upload(t, d, harness.Tree{"main.py": harness.File("import time; time.sleep(1000)\n")})
	awaitRunning(d, 2)
	ota.Process.Signal(os.Interrupt)
	if err := ota.Wait(); err != nil {
		t.Errorf("ota ended with %v", err)
	}
}

// TestIdle: an empty deposit/ and a quiet program cost nothing. It runs alone, as
// every mount that another test makes wakes ota.
func TestIdle(t *testing.T) {
	d := newDevice(t, first, noting+"[trial]\nperiod = \"100ms\"\n")
	upload(t, d, harness.Tree{"main.py": harness.File("second\n")})
	status := awaitConfirmed(d, 2)
	window := func(length time.Duration) int {
		before := switches(t, status.PID)
		<-time.After(length)
		return switches(t, status.PID) - before
	}
	// What an update leaves to do (giving memory back) is done by then.
	window(2 * time.Second)
	woken := window(10 * time.Second)
	t.Logf("ota was woken %d times in 10 s; it holds %s (%s at most)", woken,
		field(t, status.PID, "VmRSS:"), field(t, status.PID, "VmHWM:"))
	if woken > 50 {
		t.Errorf("ota was woken %d times in 10 s", woken)
	}
}

// switches is how often the threads of a process have gone to sleep so far.
func switches(t *testing.T, pid int) (sum int) {
	t.Helper()
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, task := range tasks {
		var count int
		fmt.Sscan(lineOf(read(task), "voluntary_ctxt_switches:"), &count)
		sum += count
	}
	return sum
}

func field(t *testing.T, pid int, name string) string {
	t.Helper()
	return lineOf(read(fmt.Sprintf("/proc/%d/status", pid)), name)
}

// lineOf is the rest of the line that begins with a name.
func lineOf(text, name string) string {
	lines := strings.Split(text, "\n")
	at := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, name) })
	if at < 0 {
		return ""
	}
	return strings.TrimSpace(lines[at][len(name):])
}
