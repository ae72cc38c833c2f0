//go:build linux && amd64

// Package cycle is one life of an upload, as the tests beside it disturb it: an
// old program in main/, an upload that replaces it, and what must be true on
// the way and at the end, whatever is done to ota meanwhile.
//
// In: nothing. Out: a folder with all of that, the steps from the first start
// to the last, and checks. Never: how ota is disturbed.
package cycle

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	// Past is when every file of the cycle was last changed.
	Past    = time.Date(2021, 3, 4, 5, 6, 7, 123456789, time.UTC)
	stale   = "app/__pycache__/config.cpython-311.pyc"
	content = strings.Repeat("a line of the upload\n", 5000)

	// Before is main/ at the first start.
	Before = harness.Tree{
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
	// Upload is what lies in deposit/ then, held back until [Scene.Release].
	Upload = harness.Tree{
		"main.py":           dated("new\n", 0o644),
		"app/config.py":     dated("new\n", 0o644),
		"app/run.sh":        dated("exit\n", 0o755),
		"app/table.txt":     dated(content, 0o644),
		"new/deep/part.txt": dated("new\n", 0o600),
		"current":           harness.Link("new/deep"),
		"empty":             harness.Folder(),
	}
	// After is main/ with the upload in it.
	After = func() harness.Tree {
		tree := Upload.Over(Before)
		delete(tree, stale)
		return tree
	}()
)

func dated(content string, mode os.FileMode) harness.Entry {
	return harness.Entry{Mode: mode, Content: content, ModTime: Past}
}

// hold is the file that holds an upload back while it is there.
const hold = ".hold"

// Scene is a folder in which ota runs, is disturbed, and runs on or again.
type Scene struct {
	Device *harness.Device
}

// New lays out a folder at the beginning of the cycle.
func New(t *testing.T) *Scene {
	t.Helper()
	s := &Scene{harness.NewDevice(t, harness.FastDir(t), Before, settings)}
	Upload.Write(t, s.Device.Deposit())
	s.Hold(t)
	return s
}

// At is a scene in a folder that somebody fills.
func At(t *testing.T, dir string) *Scene {
	t.Helper()
	return &Scene{harness.NewDevice(t, dir, nil, "")}
}

// Step is a part of the cycle.
type Step struct {
	Name   string
	Begin  func(*Scene) // what a person does; nil: nothing
	IsOver func(*Scene) bool
}

// Steps are the whole cycle, from the start of ota on.
var Steps = []Step{
	{"start", nil, (*Scene).hasStarted},
	{"update", (*Scene).Release, (*Scene).IsDone},
}

// hasStarted reports whether a program has run.
func (s *Scene) hasStarted() bool { return s.Starts() != "" }

// Counts tells ota's own changes of its folder from the program's.
func (s *Scene) Counts(call ptrace.Call) bool {
	return strings.HasPrefix(call.Path, s.Device.Dir+"/") && filepath.Base(call.Path) != "starts"
}

// IsHeld reports whether the upload waits for [Scene.Release].
func (s *Scene) IsHeld() bool {
	_, err := os.Lstat(filepath.Join(s.Device.Deposit(), hold))
	return err == nil
}

// Hold makes the upload wait.
func (s *Scene) Hold(t *testing.T) {
	t.Helper()
	harness.Tree{hold: harness.File("")}.Write(t, s.Device.Deposit())
}

// Release makes the upload complete.
func (s *Scene) Release() { os.Remove(filepath.Join(s.Device.Deposit(), hold)) }

// last is the number of the release that the upload becomes.
const last = 2

// IsDone reports whether the new program has come as far as it goes. It looks
// first at what costs least.
func (s *Scene) IsDone() bool {
	if !s.isReplaced() {
		return false
	}
	status, err := s.Device.Status()
	return err == nil && status.Program.State == "running" && status.Program.PID != 0 &&
		status.Deposit.State == "empty" && status.Release.Number == last
}

// IsDoneOnDisk is IsDone for an ota that can't be asked.
func (s *Scene) IsDoneOnDisk() bool {
	if !s.isReplaced() || len(s.Device.Programs()) == 0 {
		return false
	}
	_, err := os.Lstat(filepath.Join(s.Device.Dir, ".ota", "journal.json"))
	return errors.Is(err, fs.ErrNotExist)
}

// isReplaced reports whether the new program was the last to be started, and
// nothing is in deposit/.
func (s *Scene) isReplaced() bool {
	left, err := os.ReadDir(s.Device.Deposit())
	return err == nil && len(left) == 0 && strings.HasSuffix(s.Starts(), newFound)
}

// CheckNothingLost looks at the disk as a kill has left it: main/ has every
// file whole, and each uploaded file is in deposit/ or in the store.
func (s *Scene) CheckNothingLost(t *testing.T) {
	t.Helper()
	main, err := harness.Read(s.Device.Main())
	if err != nil {
		t.Fatal(err)
	}
	for path, entry := range main {
		wasOld := harness.Diff(harness.Tree{path: Before[path]}, harness.Tree{path: entry}) == ""
		isNew := harness.Diff(harness.Tree{path: After[path]}, harness.Tree{path: entry}) == ""
		if !wasOld && !isNew && !strings.HasPrefix(path, ".ota") {
			t.Errorf("main/%s is neither old nor new: %v", path, entry)
		}
	}
	for path := range Before {
		if _, there := main[path]; !there && path != stale {
			t.Errorf("main/%s is gone", path)
		}
	}
	for path, entry := range Upload {
		if entry.Mode.IsRegular() && !s.has(path, entry.Content) {
			t.Errorf("the uploaded %s is lost", path)
		}
	}
}

func (s *Scene) has(path, content string) bool {
	sum := sha256.Sum256([]byte(content))
	name := hex.EncodeToString(sum[:])
	for _, place := range []string{
		filepath.Join(s.Device.Deposit(), path),
		filepath.Join(s.Device.Dir, ".ota", "store", name[:2], name),
	} {
		if found, err := os.ReadFile(place); err == nil && string(found) == content {
			return true
		}
	}
	return false
}

// Check looks at the folder after the update is done.
func (s *Scene) Check(t *testing.T) {
	t.Helper()
	main, err := harness.Read(s.Device.Main())
	if diff := harness.Diff(After, main); diff != "" || err != nil {
		t.Errorf("main/ after the update: %v\n%s", err, diff)
	}
	deposit, err := harness.Read(s.Device.Deposit())
	if diff := harness.Diff(harness.Tree{}, deposit); diff != "" || err != nil {
		t.Errorf("deposit/ after the update: %v\n%s", err, diff)
	}
	if status, err := s.Device.Status(); err == nil {
		if programs := s.Device.Programs(); !slices.Equal(programs, []int{status.Program.PID}) {
			t.Errorf("processes %v are in main/, the program is %d", programs, status.Program.PID)
		}
	}
	for line := range strings.Lines(s.Starts()) {
		switch strings.TrimSpace(line) {
		case oldFound, oldFoundUncompiled, newFound:
		default:
			t.Errorf("the program was started in a mixture: %s", line)
		}
	}
}

// Starts is what the program found at its starts, a line for each.
func (s *Scene) Starts() string {
	found, _ := os.ReadFile(filepath.Join(s.Device.Dir, "starts"))
	return strings.TrimSpace(string(found))
}
