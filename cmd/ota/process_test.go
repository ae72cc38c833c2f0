package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"ota/internal/api"
)

const (
	// patience is how long a script waits for what surely happens.
	patience = 30 * time.Second
	// between is the pause between two looks: it decides how long a test takes,
	// never whether it passes.
	between = 10 * time.Millisecond
)

// processesKey is where a script keeps its processes.
type processesKey struct{}

// processes are the `ota run` that a script has started.
type processes struct {
	env    []string
	byName map[string]*process
}

type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed at its end
}

// deaf is the option for a console that goes away.
const deaf = "-deaf"

// up starts `ota run`. The script's end interrupts what still runs.
func up(ts *testscript.TestScript, neg bool, args []string) {
	isDeaf := len(args) > 0 && args[0] == deaf
	if isDeaf {
		args = args[1:]
	}
	if neg || len(args) == 0 {
		ts.Fatalf("usage: up [-deaf] NAME ARGS...")
	}
	all := ts.Value(processesKey{}).(*processes)
	cmd := exec.Command(lookPath(ts, "ota"), append([]string{"run"}, args[1:]...)...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), all.env
	stdout, err := console(ts.MkAbs(args[0]+".out"), isDeaf)
	ts.Check(err)
	defer stdout.Close()
	stderr, err := os.Create(ts.MkAbs(args[0] + ".err"))
	ts.Check(err)
	defer stderr.Close()
	cmd.Stdout, cmd.Stderr = stdout, stderr
	ts.Check(cmd.Start())

	started := &process{cmd, make(chan struct{})}
	all.byName[args[0]] = started
	go func() {
		defer close(started.ended)
		_ = cmd.Wait() // its ProcessState tells
	}()
	ts.Defer(func() { end(started) })
}

// console is a file, or a pipe that nobody reads any more.
func console(path string, isDeaf bool) (*os.File, error) {
	if !isDeaf {
		return os.Create(path)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return writer, reader.Close()
}

// lookPath finds the copy of this binary that testscript made.
func lookPath(ts *testscript.TestScript, name string) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	ts.Fatalf("cannot find %s", name)
	return ""
}

func end(p *process) {
	for _, signal := range []os.Signal{os.Interrupt, os.Interrupt, os.Kill} {
		_ = p.cmd.Process.Signal(signal) // it may have ended
		select {
		case <-p.ended:
			return
		case <-time.After(patience / 2):
		}
	}
}

var signals = map[string]os.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "KILL": syscall.SIGKILL}

func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || signals[args[1]] == nil {
		ts.Fatalf("usage: signal NAME SIGNAL")
	}
	ts.Check(named(ts, args[0]).cmd.Process.Signal(signals[args[1]]))
}

func ends(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: ends NAME CODE")
	}
	ended := named(ts, args[0])
	select {
	case <-ended.ended:
	case <-time.After(patience):
		ts.Fatalf("%s has not ended", args[0])
	}
	if code := ended.cmd.ProcessState.ExitCode(); strconv.Itoa(code) != args[1] {
		ts.Fatalf("exit code %d, want %s; it said:\n%s%s", code, args[1],
			ts.ReadFile(args[0]+".out"), ts.ReadFile(args[0]+".err"))
	}
}

func named(ts *testscript.TestScript, name string) *process {
	found := ts.Value(processesKey{}).(*processes).byName[name]
	if found == nil {
		ts.Fatalf("nothing was started as %q", name)
	}
	return found
}

func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitfor GLOB REGEXP")
	}
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	wait(ts, func() (bool, string) {
		paths, err := filepath.Glob(ts.MkAbs(args[0]))
		ts.Check(err)
		seen := fmt.Sprintf("%s has no match for %s", args[0], pattern)
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				return false, err.Error()
			}
			if pattern.Match(text) {
				return true, ""
			}
			seen += fmt.Sprintf("\n%s:\n%s", path, text)
		}
		return false, seen
	})
}

func waitStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: waitstatus DIR KEY VALUE")
	}
	wait(ts, func() (bool, string) {
		got, seen := statusAt(ts, args[0], args[1])
		return got == args[2], seen
	})
}

func getStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: getstatus DIR KEY VARIABLE")
	}
	got, seen := statusAt(ts, args[0], args[1])
	if got == "" {
		ts.Fatalf("there is no %s: %s", args[1], seen)
	}
	ts.Setenv(args[2], got)
}

// statusAt asks the ota in dir and returns the value at a dotted key, as JSON
// without quotation marks, and all that was seen.
func statusAt(ts *testscript.TestScript, dir, key string) (value, seen string) {
	status, err := api.Dial(ts.MkAbs(dir)).Status(context.Background())
	if err != nil {
		return "", err.Error()
	}
	text, err := json.Marshal(status)
	ts.Check(err)
	var at any
	ts.Check(json.Unmarshal(text, &at))
	for part := range strings.SplitSeq(key, ".") {
		fields, _ := at.(map[string]any)
		at = fields[part]
	}
	found, err := json.Marshal(at)
	ts.Check(err)
	return strings.Trim(string(found), `"`), string(text)
}

// wait looks until it is so.
func wait(ts *testscript.TestScript, look func() (isSo bool, seen string)) {
	for deadline := time.Now().Add(patience); ; {
		isSo, seen := look()
		if isSo {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("waited in vain: %s", seen)
		}
		time.Sleep(between)
	}
}
