//go:build linux && amd64

// Package uploads lets the programs that people upload with put a tree into
// deposit/: servers and clients as Debian ships them, on the loopback address.
//
// In: what is installed. Out: whether each whole upload became exactly one
// release, and no part of a cut one ever did. Never: the system's own
// configuration or services.
package uploads

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
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

func TestMain(m *testing.M) {
	ptrace.Main()
	// An upload mostly waits for its own limit of speed.
	if flag.Set("test.parallel", "6") != nil {
		os.Exit(2)
	}
	harness.Main(m)
}

// TestWhole: an upload becomes one release, with one restart, and every byte is
// right.
func TestWhole(t *testing.T) {
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, c)
			if err := c.send(t.Context(), s.job); err != nil {
				t.Fatal(err)
			}
			s.awaitNew(t, 2)
			if history := s.device.History(); len(history) != 2 {
				t.Errorf("one upload made %d releases: %+v", len(history)-1, history)
			}
			s.checkStarts(t, c.oldStart(), c.newStart())
		})
	}
}

// TestCut: the client dies in the middle of the large file. Nothing half
// written is run, and the upload made again gives one right release.
func TestCut(t *testing.T) {
	for _, c := range clients {
		if c.leaves == nothing {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, c)
			s.sendHalf(t, c)
			release := s.awaitDecision(t, c.leaves) + 1
			s.checkOldTable(t)
			s.job.again = true
			if err := c.send(t.Context(), s.job); err != nil {
				t.Fatal(err)
			}
			s.awaitNew(t, release)
			if history := s.device.History(); len(history) != release {
				t.Errorf("there are %d releases, want %d: %+v", len(history), release, history)
			}
			if starts := s.starts(); len(starts) != release || starts[release-1] != c.newStart() {
				t.Errorf("starts: %q", starts)
			}
		})
	}
}

// stage is a device with the old program running, and an upload ready to go.
type stage struct {
	device *harness.Device
	want   harness.Tree // main/ after the upload
	job    job
}

func newStage(t *testing.T, c client) *stage {
	t.Helper()
	harness.Need(t, append(c.needs, "python3")...)
	if c.serve != nil {
		harness.NeedRoot(t)
	}
	upload := newTree()
	if c.only != "" {
		upload = upload.Below(c.only)
	}
	s := &stage{want: upload.Over(oldTree())}
	place := t.TempDir()
	if c.serve != nil {
		// In memory: on a disk, the syncs of one device stop the servers of all
		// others for longer than an upload has to be quiet.
		place = harness.FastDir(t)
	}
	s.device = harness.NewDevice(t, place, oldTree(), "")
	writeSums(t, s.device.Dir)
	s.job = job{t: t, from: filepath.Join(t.TempDir(), "upload"), deposit: s.device.Deposit()}
	upload.Write(t, s.job.from)
	if c.serve != nil {
		s.job.server = c.serve(t, s.job.deposit)
	}
	s.device.Start()
	harness.Await(t, "the old program", func() bool { return len(s.starts()) == 1 }, s.device.Console)
	return s
}

// sendHalf lets the client die when the large file is there in part.
func (s *stage) sendHalf(t *testing.T, c client) {
	t.Helper()
	ctx, cut := context.WithCancel(t.Context())
	defer cut()
	sent := make(chan error, 1)
	go func() { sent <- c.send(ctx, s.job) }()
	harness.Await(t, "half of the large file", func() bool {
		path, _ := halfWritten(s.job.deposit)
		return path != "" || len(sent) > 0
	}, s.device.Console)
	cut()
	if err := <-sent; err == nil {
		t.Fatal("the upload was over before it was cut")
	}
	path, size := halfWritten(s.job.deposit)
	t.Logf("left of the large file: %d bytes in %s", size, filepath.Base(path))
}

// awaitDecision waits until ota has decided about what a cut upload left, and
// returns which release is current then. A part of the large file has to be
// refused, for longer than an upload has to be quiet; whole files are taken, as
// no one can tell them from a whole upload.
func (s *stage) awaitDecision(t *testing.T, leaves leftover) int {
	t.Helper()
	var refusedSince time.Time
	status := s.device.Await("a decision", func(status harness.Status) bool {
		if refusesTable(status) {
			if refusedSince.IsZero() {
				refusedSince = time.Now()
			}
			return time.Since(refusedSince) > 2500*time.Millisecond
		}
		refusedSince = time.Time{}
		return status.Deposit.State == "empty"
	})
	number := status.Release.Number
	t.Logf("release %d is current, deposit/ is %s: %+v", number, status.Deposit.State, status.Deposit.Reasons)
	if leaves == part && number != 1 {
		t.Errorf("release %d came from a part of an upload", number)
	}
	harness.Await(t, "the start of what was taken", func() bool { return len(s.starts()) == number }, s.device.Console)
	return number
}

// refusesTable reports whether the large file, under whatever name, is what
// the upload is held for or waits for.
func refusesTable(status harness.Status) bool {
	return slices.ContainsFunc(status.Deposit.Reasons, func(reason harness.Reason) bool {
		name := filepath.Base(reason.Path)
		return strings.Contains(name, "table.py") || name == ".~tmp~" || strings.HasPrefix(name, "sed")
	})
}

// awaitNew waits until release number runs and nothing is left to be done, and
// looks at every byte.
func (s *stage) awaitNew(t *testing.T, number int) {
	t.Helper()
	s.device.Await("the new release", func(status harness.Status) bool {
		return status.Release.Number >= number && status.Deposit.State == "empty" && status.Program.State == "running"
	})
	harness.Await(t, "the start of the new release", func() bool { return len(s.starts()) >= number }, s.device.Console)
	main, err := harness.Read(s.device.Main())
	if diff := harness.Diff(unmarked(s.want), unmarked(main.WithoutBytecode())); diff != "" || err != nil {
		t.Errorf("main/: %v\n%s", err, diff)
	}
	deposit, err := harness.Read(s.device.Deposit())
	if diff := harness.Diff(harness.Tree{}, deposit); diff != "" || err != nil {
		t.Errorf("deposit/: %v\n%s", err, diff)
	}
	if programs := s.device.Programs(); len(programs) != 1 {
		t.Errorf("%d processes are in main/", len(programs))
	}
}

// checkStarts compares which versions were started, in order.
func (s *stage) checkStarts(t *testing.T, want ...string) {
	t.Helper()
	if starts := s.starts(); !slices.Equal(starts, want) {
		t.Errorf("starts: %q, want %q", starts, want)
	}
}

// checkOldTable looks at the large file, which no cut upload may have changed.
func (s *stage) checkOldTable(t *testing.T) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(s.device.Main(), table))
	if err != nil || string(content) != oldTree()[table].Content {
		t.Errorf("%s in main/ was changed: %d bytes, %v", table, len(content), err)
	}
}

// starts is what the program wrote at each of its starts.
func (s *stage) starts() []string {
	content, _ := os.ReadFile(filepath.Join(s.device.Dir, "starts"))
	if len(content) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(content)), "\n")
}

// unmarked leaves out what depends on the server: modes and times; and git's
// own folder.
func unmarked(tree harness.Tree) harness.Tree {
	plain := harness.Tree{}
	for path, entry := range tree {
		if path == "app/.git" || strings.HasPrefix(path, "app/.git/") {
			continue
		}
		plain[path] = harness.Entry{Mode: entry.Mode.Type(), Content: entry.Content}
	}
	return plain
}

// halfWritten returns the path and size of a file in dir that is the large one
// in part, under whatever name; "" if there is none.
func halfWritten(dir string) (path string, size int64) {
	filepath.WalkDir(dir, func(at string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil // what vanishes meanwhile is no half file
		}
		if info, err := entry.Info(); err == nil && info.Size() > tableSize/4 && info.Size() < tableSize*3/4 {
			path, size = at, info.Size()
		}
		return nil
	})
	return path, size
}

// writeSums tells the program which contents are whole.
func writeSums(t *testing.T, dir string) {
	t.Helper()
	sums := map[string][]string{}
	for _, tree := range []harness.Tree{oldTree(), newTree()} {
		for path, entry := range tree {
			if !entry.Mode.IsRegular() {
				continue
			}
			sum := sha256.Sum256([]byte(entry.Content))
			sums[path] = append(sums[path], hex.EncodeToString(sum[:]))
		}
	}
	data, err := json.Marshal(sums)
	if err != nil {
		t.Fatal(err)
	}
	harness.Tree{"sums.json": harness.File(string(data))}.Write(t, dir)
}
