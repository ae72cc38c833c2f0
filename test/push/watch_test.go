//go:build linux

package push

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"ota/test/harness"
)

// line is what these tests read of a line of `ota push --watch --json`.
type line struct {
	Serial  int64  `json:"serial"`
	Target  string `json:"target"`
	Outcome string `json:"outcome"`
	Release int    `json:"release"`
	Error   string `json:"error"`
}

// watcher is an `ota push --watch` that goes on.
type watcher struct {
	t   *testing.T
	cmd *exec.Cmd

	mutex sync.Mutex
	lines []line
	words strings.Builder
	ended chan struct{}
}

// Write takes the words on the standard error.
func (w *watcher) Write(p []byte) (int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.words.Write(p)
}

// has reports whether it has said this.
func (w *watcher) has(words string) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return strings.Contains(w.words.String(), words)
}

// hears waits for words.
func (w *watcher) hears(words string) {
	w.t.Helper()
	harness.Await(w.t, words, func() bool { return w.has(words) }, w.state)
}

func (l *laptop) watch(args ...string) *watcher {
	t := l.t
	t.Helper()
	w := &watcher{t: t, cmd: l.command(context.Background(), append(args, "--watch")...), ended: make(chan struct{})}
	w.cmd.Stderr = w
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(w.ended)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			if !slices.Contains(args, "--json") {
				fmt.Fprintln(w, scanner.Text())
				continue
			}
			var one line
			if err := json.Unmarshal(scanner.Bytes(), &one); err != nil {
				t.Errorf("%v in %s", err, scanner.Bytes())
			}
			w.mutex.Lock()
			w.lines = append(w.lines, one)
			w.mutex.Unlock()
		}
	}()
	t.Cleanup(func() { w.cmd.Process.Kill(); <-w.ended; w.cmd.Wait() })
	return w
}

func (w *watcher) state() string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	text, _ := json.Marshal(w.lines)
	return string(text) + "\n" + w.words.String()
}

// await waits for a line that is as wanted, and returns it.
func (w *watcher) await(what string, wanted func(line) bool) (found line) {
	w.t.Helper()
	harness.Await(w.t, what, func() bool {
		w.mutex.Lock()
		defer w.mutex.Unlock()
		for _, one := range w.lines {
			if wanted(one) {
				found = one
				return true
			}
		}
		return false
	}, w.state)
	return found
}

func (w *watcher) outcome(outcome string, release int) line {
	w.t.Helper()
	return w.await(outcome, func(one line) bool { return one.Outcome == outcome && one.Release == release })
}

// interrupt is Ctrl-C.
func (w *watcher) interrupt() {
	w.t.Helper()
	if err := w.cmd.Process.Signal(syscall.SIGINT); err != nil {
		w.t.Fatal(err)
	}
	<-w.ended
	if err := w.cmd.Wait(); err != nil {
		w.t.Errorf("after Ctrl-C: %v\n%s", err, w.state())
	}
}

const longTrial = "[trial]\nperiod = \"1h\"\n[web]\nlisten = \"off\"\n"

// unproved is a project whose releases stay on trial for an hour.
func unproved() harness.Tree {
	return harness.Tree{"main.py": harness.File(neverReady + forEver)}.Over(project())
}

func runs(device *harness.Device, release int) {
	device.Await("the next release to run", func(s harness.Status) bool {
		return s.Release.Number == release && s.Program.State == "running"
	})
}

// TestEachSave: each save runs on the device, and none waits for the trial of the
// one before, which would take an hour. What is the same, or left out, is no save.
func TestEachSave(t *testing.T) {
	t.Parallel()
	device := newDeviceWith(t, longTrial)
	l := newLaptop(t, unproved())
	w := l.watch(device.Dir, "--json")
	runs(device, 1)

	l.write("lib/pump.py", "number = 2\n")
	runs(device, 2)
	first := w.outcome("superseded", 1)

	// No save: the same contents, a file and a folder that are left out.
	l.write("lib/pump.py", "number = 2\n")
	l.write("b.log", "ignored\n")
	l.write(".gitignore", "*.log\nnode_modules\n")
	l.write("node_modules/x/y.js", "ignored\n")
	// As editors do it: another name, and a rename.
	l.write("lib/pump.py.tmp~", "number = 3\n")
	if err := os.Rename(filepath.Join(l.src, "lib/pump.py.tmp~"), filepath.Join(l.src, "lib/pump.py")); err != nil {
		t.Fatal(err)
	}
	runs(device, 3)
	if second := w.outcome("superseded", 2); second.Serial <= first.Serial {
		t.Errorf("%+v, then %+v", first, second)
	}

	// A folder that was not there, and then a file in it.
	l.write("new/deep/a.txt", "1\n")
	runs(device, 4)
	l.write("new/deep/a.txt", "2\n")
	runs(device, 5)
	if content, err := os.ReadFile(filepath.Join(device.Main(), "new/deep/a.txt")); err != nil || string(content) != "2\n" {
		t.Errorf("%q (%v)", content, err)
	}
	if err := os.Rename(filepath.Join(l.src, "new"), filepath.Join(l.src, "old")); err != nil {
		t.Fatal(err)
	}
	runs(device, 6)
	l.write("old/deep/a.txt", "3\n")
	runs(device, 7)
	if mainHas(t, device, "new") || !mainHas(t, device, "old/deep/a.txt") {
		t.Error("the folder has its old name in main/")
	}

	// What is held is told, and the next save goes on.
	l.write("lib/pump.py", "number = (\n")
	w.await("held", func(one line) bool { return one.Outcome == "held" })
	l.write("lib/pump.py", "number = 4\n")
	runs(device, 8)
	w.interrupt()
	if releases := device.History(); len(releases) != 8 {
		t.Errorf("%d releases: %+v", len(releases), releases)
	}
}

// TestWhatIsSaid: a line for each push, with the time that its author waits for.
func TestWhatIsSaid(t *testing.T) {
	t.Parallel()
	device := newDeviceWith(t, longTrial)
	l := newLaptop(t, unproved())
	w := l.watch(device.Dir)
	w.hears("release 1 is on trial, ")
	w.hears(" after the save\n")
	w.hears("\n  pump 1\n")
	l.write("lib/pump.py", "number = 2\n")
	w.hears(device.Dir + ": superseded by a later release: release 1, ")
	w.hears(" sent, first line after ")
	l.write("lib/pump.py", "number = (\n")
	w.hears(device.Dir + ": held, ")
	w.hears("lib/pump.py:1:10: SyntaxError")
	// What can't be described is told, and the next save goes on.
	l.write(".gitignore", "[a\n")
	w.hears("ota: cannot push this save: .gitignore:1: ")
	l.write(".gitignore", "\n")
	l.write("lib/pump.py", "number = 3\n")
	w.hears("\n  pump 3\n")
	w.interrupt()
}

// TestSavesAndTroubles: a rollback is told, a device on which no ota runs is told
// of, and neither ends the watch; nor does one of two targets that can't be reached.
func TestSavesAndTroubles(t *testing.T) {
	t.Parallel()
	device := newDevice(t)
	l := newLaptop(t, project())
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	w := l.watch(".", device.Dir, nowhere, "--json")
	w.outcome("confirmed", 1)
	w.await("nowhere", func(one line) bool {
		return one.Target == nowhere && strings.Contains(one.Error, "there is no deposit/")
	})
	l.write("lib/pump.py", "number = 1 / 0\n")
	w.outcome("rolled back", 2)
	device.Stop()
	l.write("lib/pump.py", "number = 3\n")
	w.await("nobody there", func(one line) bool { return strings.Contains(one.Error, "waits in deposit/") })
	device.Start()
	runs(device, 3)
	l.write("lib/pump.py", "number = 4\n")
	w.outcome("confirmed", 4)
	w.interrupt()
}

// TestOneLogin: pushes over ssh share a login, and one that was lost is made again.
func TestOneLogin(t *testing.T) {
	t.Parallel()
	device := newDeviceWith(t, longTrial)
	l := newLaptop(t, unproved())
	server := serveSSH(t)
	l.knows(server, server.host("device", ""))
	w := l.watch("device:" + device.Dir)
	runs(device, 1)
	for release := 2; release < 5; release++ {
		l.write("lib/pump.py", "number = "+strings.Repeat("1", release)+"\n")
		runs(device, release)
	}
	if n := server.Logins(); n != 1 {
		t.Errorf("%d logins\n%s", n, server.Said())
	}
	server.cut()
	l.write("lib/pump.py", "number = 9\n")
	runs(device, 5)
	if n := server.Logins(); n != 2 {
		t.Errorf("%d logins\n%s", n, server.Said())
	}
	w.interrupt()
}

// TestWatchIsNotForAll: what makes no sense beside it is said.
func TestWatchIsNotForAll(t *testing.T) {
	t.Parallel()
	l := newLaptop(t, project())
	for _, flag := range []string{"--dry-run", "--no-wait"} {
		if _, told := l.push(2, "--watch", flag, t.TempDir()); !strings.Contains(told, flag) {
			t.Errorf("%s: %q", flag, told)
		}
	}
	if _, told := l.push(1, "--watch", filepath.Join(l.src, "nowhere"), t.TempDir()); !strings.Contains(told, "nowhere: the folder is gone") {
		t.Errorf("told %q", told)
	}
}

// TestTooManyFolders: where the system watches no more of them, that is said, with
// what to do.
func TestTooManyFolders(t *testing.T) {
	t.Parallel()
	harness.Need(t, "unshare")
	const limit = "echo 2 >/proc/sys/user/max_inotify_watches"
	if said, err := exec.Command("unshare", "--user", "--map-root-user", "sh", "-c", limit).CombinedOutput(); err != nil {
		harness.Lack(t, "no user namespace with a limit of its own: "+string(said))
	}
	l := newLaptop(t, project().Over(harness.Tree{"a/b/c/d.txt": harness.File("")}))
	push := l.command(t.Context(), "--watch", t.TempDir())
	cmd := exec.CommandContext(t.Context(), "unshare", "--user", "--map-root-user", "sh", "-c", limit+`; exec "$0" "$@"`)
	cmd.Args = append(cmd.Args, push.Args...)
	cmd.Dir, cmd.Env = push.Dir, push.Env
	told, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(told), "max_user_watches is reached") || !strings.Contains(string(told), "hint: leave the large ones out") {
		t.Errorf("%d: %s", cmd.ProcessState.ExitCode(), told)
	}
}
