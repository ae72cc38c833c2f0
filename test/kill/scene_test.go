//go:build linux && amd64

package kill

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ota/test/harness"
	"ota/test/ptrace"
)

// settings make the program one that writes down, at its start, which version
// of each file it finds.
const settings = `[program]
command = ["/bin/sh", "-c", '''
seen=
for file in main.py app/config.py new/deep/part.txt; do
	line=none; [ -e $file ] && read -r line <$file
	seen="$seen $line"
done
[ -x app/run.sh ] && seen="$seen new" || seen="$seen old"
[ -L current ] && seen="$seen new" || seen="$seen none"
[ -d empty ] && seen="$seen new" || seen="$seen none"
[ -e app/__pycache__/config.cpython-311.pyc ] && seen="$seen old" || seen="$seen none"
echo $seen >>"$OTA_DIR/starts"
exec sleep 1000''']

[update]
quiet = "1ms"
`

// What a program may find. The bytecode is made from the file beside it, so
// that it may be missing, but not be there beside another version.
const (
	oldFound           = "old old none old none none old"
	oldFoundUncompiled = "old old none old none none none"
	newFound           = "new new new new new new none"
)

var (
	past    = time.Date(2021, 3, 4, 5, 6, 7, 123456789, time.UTC)
	stale   = "app/__pycache__/config.cpython-311.pyc"
	content = strings.Repeat("a line of the upload\n", 5000)

	before = harness.Tree{
		"main.py":                               dated("old\n", 0o644),
		"app":                                   harness.Folder(),
		"app/config.py":                         dated("old\n", 0o644),
		"app/other.py":                          dated("old\n", 0o644),
		"app/run.sh":                            dated("exit\n", 0o644),
		"app/table.txt":                         dated("old\n", 0o644),
		"app/__pycache__/other.cpython-311.pyc": dated("old\n", 0o644),
		"app/__pycache__":                       harness.Folder(),
		"data.db":                               dated("the program's own\n", 0o600),
		stale:                                   dated("old\n", 0o644),
	}
	upload = harness.Tree{
		"main.py":           dated("new\n", 0o644),
		"app/config.py":     dated("new\n", 0o644),
		"app/run.sh":        dated("exit\n", 0o755),
		"app/table.txt":     dated(content, 0o644),
		"new/deep/part.txt": dated("new\n", 0o600),
		"current":           harness.Link("new/deep"),
		"empty":             harness.Folder(),
	}
	after = func() harness.Tree {
		tree := upload.Over(before)
		delete(tree, stale)
		return tree
	}()
)

func dated(content string, mode os.FileMode) harness.Entry {
	return harness.Entry{Mode: mode, Content: content, ModTime: past}
}

// scene is a folder in which ota runs, is killed, and runs again.
type scene struct {
	device *harness.Device
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{harness.NewDevice(t, harness.FastDir(t), before, settings)}
	upload.Write(t, s.device.Deposit())
	s.device.HoldBack()
	return s
}

// trace runs ota until decide has it killed or the update is done. Once the
// program runs, the upload is complete.
func (s *scene) trace(t *testing.T, decide func(ptrace.Call) ptrace.Action) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var calls atomic.Int64
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		s.watch(ctx, &calls)
		stop()
	}()
	ota := s.device.Command(context.Background(), "run", s.device.Dir)
	console := &strings.Builder{}
	ota.Stdout, ota.Stderr = console, console
	_, err := ptrace.Run(ctx, ota, func(call ptrace.Call) ptrace.Action {
		if !s.counts(call) {
			return ptrace.Continue
		}
		calls.Add(1)
		return decide(call)
	})
	stop()
	<-watched
	if err != nil {
		t.Fatal(err)
	}
	harness.Await(t, "the end of all that was killed", func() bool { return len(s.device.Programs()) == 0 },
		func() string { return console.String() })
}

// counts tells ota's own changes of its folder from the program's.
func (s *scene) counts(call ptrace.Call) bool {
	return strings.HasPrefix(call.Path, s.device.Dir+"/") && filepath.Base(call.Path) != "starts"
}

// watch completes the upload once the program runs, and returns when the update
// is done and nothing has been written for a while, or ctx has ended.
func (s *scene) watch(ctx context.Context, calls *atomic.Int64) {
	const still = 50 * time.Millisecond
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(harness.Deadline)
	last, since := int64(0), time.Now()
	for {
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		case <-deadline:
			return // the checks that follow say what is wrong
		}
		if now := calls.Load(); now != last {
			last, since = now, time.Now()
		}
		if s.device.IsHeldBack() {
			if status, err := s.device.Status(); err == nil && status.Program.State == "running" {
				s.device.LetGo()
			}
		} else if time.Since(since) > still && s.isDone() {
			return
		}
	}
}

// isDone reports whether the new program has come as far as it goes. It looks
// first at what costs least.
func (s *scene) isDone() bool {
	left, err := os.ReadDir(s.device.Deposit())
	if err != nil || len(left) > 0 || !strings.HasSuffix(s.device.Starts(), newFound) {
		return false
	}
	status, err := s.device.Status()
	return err == nil && status.Program.State == "running" && status.Program.PID != 0 &&
		status.Deposit.State == "empty" && status.Release.Number == 2
}

// recover starts ota as usual, waits until the update is done, and checks all.
func (s *scene) recover(t *testing.T) {
	t.Helper()
	s.device.LetGo()
	s.device.Start()
	harness.Await(t, "the update", s.isDone, func() string {
		status, err := s.device.Status()
		return fmt.Sprintf("status: %+v, %v", status, err)
	})
	s.check(t)
	s.device.Kill()
	s.device.KillPrograms()
}

// checkNothingLost looks at the disk as a kill has left it: main/ has every
// file whole, and each uploaded file is in deposit/ or in the store.
func (s *scene) checkNothingLost(t *testing.T) {
	t.Helper()
	main, err := harness.Read(s.device.Main())
	if err != nil {
		t.Fatal(err)
	}
	for path, entry := range main {
		wasOld := harness.Diff(harness.Tree{path: before[path]}, harness.Tree{path: entry}) == ""
		isNew := harness.Diff(harness.Tree{path: after[path]}, harness.Tree{path: entry}) == ""
		if !wasOld && !isNew && !strings.HasPrefix(path, ".ota") {
			t.Errorf("main/%s is neither old nor new: %v", path, entry)
		}
	}
	for path := range before {
		if _, there := main[path]; !there && path != stale {
			t.Errorf("main/%s is gone", path)
		}
	}
	for path, entry := range upload {
		if entry.Mode.IsRegular() && !s.device.Keeps(path, entry.Content) {
			t.Errorf("the uploaded %s is lost", path)
		}
	}
}

// check looks at the folder after the update is done.
func (s *scene) check(t *testing.T) {
	t.Helper()
	main, err := harness.Read(s.device.Main())
	if diff := harness.Diff(after, main); diff != "" || err != nil {
		t.Errorf("main/ after the update: %v\n%s", err, diff)
	}
	deposit, err := harness.Read(s.device.Deposit())
	if diff := harness.Diff(harness.Tree{}, deposit); diff != "" || err != nil {
		t.Errorf("deposit/ after the update: %v\n%s", err, diff)
	}
	if status, err := s.device.Status(); err == nil {
		if programs := s.device.Programs(); !slices.Equal(programs, []int{status.Program.PID}) {
			t.Errorf("processes %v are in main/, the program is %d", programs, status.Program.PID)
		}
	}
	for line := range strings.Lines(s.device.Starts()) {
		switch strings.TrimSpace(line) {
		case oldFound, oldFoundUncompiled, newFound:
		default:
			t.Errorf("the program was started in a mixture: %s", line)
		}
	}
}
