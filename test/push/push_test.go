//go:build linux

// Package push looks at `ota push` from outside: the real ota on both sides, a
// real sshd on the loopback address, and in between a wire that is cut and
// garbled where the test wants it.
//
// In: a project and a folder that ota looks after. Out: whether the push ends as
// docs/push.md says, and what is in main/ then. Never: anything inside ota.
package push

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ota/test/harness"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(wireVariable); dir != "" && filepath.Base(os.Args[0]) == "ssh" {
		os.Exit(wire(dir))
	}
	if target := os.Getenv(hurryVariable); target != "" {
		os.Exit(hurry(target))
	}
	if dir := os.Getenv(countVariable); dir != "" && filepath.Base(os.Args[0]) == "ota" {
		os.Exit(count(dir))
	}
	harness.Main(m)
}

// answered is what these tests read of `ota push --json`.
type answered struct {
	Targets []struct {
		Target  string `json:"target"`
		Outcome string `json:"outcome"`
		Release int    `json:"release"`
		Error   string `json:"error"`
		Reasons []struct {
			Message string `json:"message"`
		} `json:"reasons"`
		Why *struct {
			Evidence *struct {
				Why string `json:"why"`
			} `json:"evidence"`
		} `json:"why"`
	} `json:"targets"`
}

// laptop is the machine that pushes.
type laptop struct {
	t   *testing.T
	src string
	env []string
}

func newLaptop(t *testing.T, files harness.Tree) *laptop {
	t.Helper()
	l := &laptop{t: t, src: t.TempDir(), env: append(os.Environ(), "XDG_CACHE_HOME="+t.TempDir())}
	files.Write(t, l.src)
	return l
}

func (l *laptop) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, harness.Binary(), append([]string{"push"}, args...)...)
	cmd.Dir, cmd.Env = l.src, l.env
	return cmd
}

// push pushes and wants an exit code.
func (l *laptop) push(code int, args ...string) (stdout, stderr string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 30*time.Second)
	defer cancel()
	cmd := l.command(ctx, args...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok || cmd.ProcessState.ExitCode() != code {
		l.t.Fatalf("push %v: %v (%v), not %d\n%s%s", args, err, exit, code, out.String(), complaints.String())
	}
	return out.String(), complaints.String()
}

// start starts a push that the test looks after. It ends with the test at the latest.
func (l *laptop) start(told io.Writer, args ...string) *exec.Cmd {
	l.t.Helper()
	cmd := l.command(l.t.Context(), args...)
	cmd.Stderr = told
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { cmd.Wait() })
	return cmd
}

// pushing is push while the test does something else. What comes back waits for its
// end, and returns what it told.
func (l *laptop) pushing(code int, args ...string) (end func() (told string)) {
	var told string
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, told = l.push(code, args...)
	}()
	l.t.Cleanup(func() { <-ended })
	return func() string {
		<-ended
		return told
	}
}

// pushJSON pushes with --json.
func (l *laptop) pushJSON(code int, args ...string) answered {
	l.t.Helper()
	out, _ := l.push(code, append(args, "--json")...)
	var a answered
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		l.t.Fatalf("%v in %s", err, out)
	}
	return a
}

func (l *laptop) write(path, content string) {
	l.t.Helper()
	harness.Tree{path: harness.File(content)}.Write(l.t, l.src)
}

// trial has a release confirmed when its program says so, and rolled back when it has
// crashed twice: no clock decides.
const trial = "[trial]\nready = true\nperiod = \"5m\"\n"

const settings = trial + "[web]\nlisten = \"off\"\n"

const program = neverReady + ready + forEver

const ready = `with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
    notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
`

// neverReady is the program as far as it has proved nothing.
const neverReady = `import os, socket, time
import lib.pump
print("pump", lib.pump.number, flush=True)
with open("data.txt", "a") as own:
    own.write("kept\n")
`

const forEver = `while True:
    time.sleep(1)
`

func project() harness.Tree {
	return harness.Tree{
		"main.py":     harness.File(program),
		"lib/pump.py": harness.File("number = 1\n"),
		"old.txt":     harness.File("goes\n"),
		".gitignore":  harness.File("*.log\n"),
		"a.log":       harness.File("ignored\n"),
		"notes.md":    harness.File("not for devices\n"),
		".otaignore":  harness.File("notes.md\n"),
	}
}

func newDevice(t *testing.T) *harness.Device {
	t.Helper()
	return newDeviceWith(t, settings)
}

func newDeviceWith(t *testing.T, settings string) *harness.Device {
	t.Helper()
	device := harness.NewDevice(t, harness.FastDir(t), harness.Tree{}, settings)
	device.Start()
	// To a device on which ota is just being started a push only leaves the release.
	device.Await("ota to answer", func(s harness.Status) bool { return s.Program.State != "" })
	return device
}

func mainHas(t *testing.T, device *harness.Device, path string) bool {
	t.Helper()
	_, err := os.Stat(filepath.Join(device.Main(), path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

// TestLife is the life of a program: what each push answers, and what is in main/.
func TestLife(t *testing.T) {
	t.Parallel()
	device := newDevice(t)
	l := newLaptop(t, project())

	said, told := l.push(0, device.Dir, "--version", "v1", "--message", "first")
	if !strings.Contains(said, "confirmed: release 1") || !strings.Contains(told, "pump 1") {
		t.Errorf("said %q, told %q", said, told)
	}
	for path, want := range map[string]bool{"old.txt": true, "a.log": false, "notes.md": false, ".gitignore": false, "ota-release.json": false} {
		if mainHas(t, device, path) != want {
			t.Errorf("%s in main/: %v", path, !want)
		}
	}

	if said, _ := l.push(0, device.Dir, "--version", "v1", "--message", "first"); !strings.Contains(said, "nothing changed") {
		t.Errorf("the same again: %q", said)
	}

	// A dry run says it and does nothing.
	l.write("lib/pump.py", "number = 2\n")
	l.write("new.txt", "comes\n")
	if err := os.Remove(filepath.Join(l.src, "old.txt")); err != nil {
		t.Fatal(err)
	}
	if said, _ := l.push(0, device.Dir, "--dry-run"); said != "replaced lib/pump.py\nadded new.txt\nremoved old.txt\n" {
		t.Errorf("dry run: %q", said)
	}
	if releases := device.History(); len(releases) != 1 || mainHas(t, device, "new.txt") {
		t.Errorf("a dry run made %+v", releases)
	}

	// An overlay removes nothing; a push does, but for the program's own data.
	l.push(0, device.Dir, "--overlay")
	if !mainHas(t, device, "old.txt") || !mainHas(t, device, "new.txt") {
		t.Error("an overlay has removed, or added nothing")
	}
	l.push(0, device.Dir)
	if mainHas(t, device, "old.txt") || !mainHas(t, device, "data.txt") {
		t.Error("old.txt is there still, or the program's own data is gone")
	}

	// Held, corrected, rolled back, corrected.
	l.write("lib/pump.py", "number = (\n")
	l.write("extra.txt", "of the held one\n")
	held := l.pushJSON(3, device.Dir)
	if held.Targets[0].Outcome != "held" || !strings.Contains(held.Targets[0].Reasons[0].Message, "SyntaxError") {
		t.Errorf("held: %+v", held)
	}
	os.Remove(filepath.Join(l.src, "extra.txt"))
	l.write("lib/pump.py", "number = 1 / 0\n")
	_, told = l.push(4, device.Dir)
	if !strings.Contains(told, "ZeroDivisionError") || !strings.Contains(told, "lib/pump.py:1") {
		t.Errorf("no evidence in %q", told)
	}
	l.write("lib/pump.py", "number = 3\n")
	last := l.pushJSON(0, device.Dir)
	if last.Targets[0].Outcome != "confirmed" || mainHas(t, device, "extra.txt") {
		t.Errorf("%+v", last)
	}
	if names, err := os.ReadDir(device.Deposit()); err != nil || len(names) > 0 {
		t.Errorf("deposit/ holds %v (%v)", names, err)
	}

	// Nobody there to take it.
	device.Stop()
	l.write("lib/pump.py", "number = 4\n")
	l.push(1, device.Dir)
	if _, told := l.push(1, device.Dir); !strings.Contains(told, "waits in deposit/") {
		t.Errorf("told %q", told)
	}
	device.Start()
	device.Await("the release that waited", func(s harness.Status) bool { return s.Release.Number == last.Targets[0].Release+1 })
}

// TestTwoTargets: the one that fails does not keep the other.
func TestTwoTargets(t *testing.T) {
	t.Parallel()
	device := newDevice(t)
	l := newLaptop(t, project())
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	got := l.pushJSON(1, ".", device.Dir, nowhere)
	if len(got.Targets) != 2 || got.Targets[0].Outcome != "confirmed" || !strings.Contains(got.Targets[1].Error, "there is no deposit/") {
		t.Errorf("%+v", got)
	}
}

// TestOverSSH pushes through a real sshd: with a key, with an agent that has it, and
// through a jump host.
func TestOverSSH(t *testing.T) {
	t.Parallel()
	device := newDevice(t)
	l := newLaptop(t, project())
	server := serveSSH(t)
	agent := server.agent()
	l.knows(server, server.host("jump", ""), server.host("device", ""),
		server.host("by-agent", "IdentityFile none\nIdentitiesOnly no\nIdentityAgent "+agent+"\n"), server.host("behind", "ProxyJump jump\n"))
	l.push(0, "device:"+device.Dir)
	for i, host := range []string{"device", "by-agent", "behind"} {
		number := strconv.Itoa(i + 2)
		l.write("lib/pump.py", "number = "+number+"\n")
		before := server.Logins()
		if said, told := l.push(0, host+":"+device.Dir); !strings.Contains(said, "confirmed: release "+number) || !strings.Contains(told, "pump "+number) {
			t.Errorf("%s: said %q, told %q", host, said, told)
		}
		if n := server.Logins() - before; n != map[string]int{"device": 1, "by-agent": 1, "behind": 2}[host] {
			t.Errorf("%s: %d logins", host, n)
		}
	}
	if _, told := l.push(1, "device:"+device.Dir+"x"); !strings.Contains(told, "there is no deposit/") {
		t.Errorf("told %q", told)
	}
}

// big is a file of which nothing can be left out.
func big(size int) string {
	random := rand.NewChaCha8([32]byte{1})
	content := make([]byte, size)
	random.Read(content)
	return string(content)
}

// TestCuts cuts the connection thirty times, wherever it is, and garbles it: all
// arrives as it was, and next to nothing is sent twice.
func TestCuts(t *testing.T) {
	t.Parallel()
	device := newDevice(t)
	files := project()
	files["big.bin"] = harness.File(big(4 << 20))
	l := newLaptop(t, files)
	w := l.wire()
	random := rand.New(rand.NewPCG(1, 2))
	var script []string
	for range 30 {
		script = append(script, "cut "+strconv.Itoa(1000+random.IntN(256<<10)))
	}
	script[7], script[19] = "flip 70000", "flip 3000"
	script[12] = "hang 50000"
	w.plan(script...)
	l.push(0, "device:"+device.Dir)
	if got, err := os.ReadFile(filepath.Join(device.Main(), "big.bin")); err != nil || string(got) != files["big.bin"].Content {
		t.Errorf("what is in main/ is not what was sent (%v)", err)
	}
	if sent := w.sent(); sent > (4<<20)*105/100 {
		t.Errorf("%d bytes went over the wire", sent)
	}
	t.Logf("%d connections", w.calls())
}

// TestBothKilled: a push that was killed goes on where it was, as the same release.
func TestBothKilled(t *testing.T) {
	t.Parallel()
	device := newDevice(t)
	files := project()
	files["big.bin"] = harness.File(big(2 << 20))
	l := newLaptop(t, files)
	w := l.wire()
	w.plan("stall 1500000")
	cmd := l.start(nil, "device:"+device.Dir)
	harness.Await(t, "most of it to arrive", w.hasStalled, func() string { return strconv.FormatInt(w.sent(), 10) })
	cmd.Process.Kill()
	cmd.Wait()
	harness.Await(t, "the other side to end", w.hasEnded, func() string { return "" })
	l.push(0, "device:"+device.Dir)
	if sent := w.sent(); sent > (2<<20)*105/100 {
		t.Errorf("%d bytes went over the wire", sent)
	}
	if releases := device.History(); len(releases) != 1 {
		t.Errorf("%+v", releases)
	}
}
