//go:build linux

package device

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"ota/test/harness"
)

// TestNoSpace: an upload for which there is no room is held with both figures,
// and taken when there is room.
func TestNoSpace(t *testing.T) {
	t.Parallel()
	d := newSmallDevice(t, "size=8m")
	before := awaitRunning(d, 1)
	ballast := filepath.Join(d.Dir, "ballast")
	put(t, ballast, strings.Repeat("x", 4<<20))
	upload(t, d, harness.Tree{"large": harness.File(strings.Repeat("y\n", 512<<10))})
	checkFigures(t, awaitHeld(d), `no space in .*: \d+ KiB needed, \d+ KiB free`)
	checkSame(t, d, before)
	remove(t, ballast)
	awaitRunning(d, 2) // by itself
}

// TestNoInodes: the same for inodes.
func TestNoInodes(t *testing.T) {
	t.Parallel()
	d := newSmallDevice(t, "size=8m,nr_inodes=400")
	before := awaitRunning(d, 1)
	ballast := makeFolder(t, filepath.Join(d.Dir, "ballast"))
	files := manyFiles(30, "small\n")
	for i := 0; freeInodes(t, d.Dir) > 62; i++ {
		put(t, filepath.Join(ballast, fmt.Sprint(i)), "")
	}
	upload(t, d, files)
	checkFigures(t, awaitHeld(d), `no space in .*: \d+ files \(inodes\) needed, \d+ free`)
	checkSame(t, d, before)
	if err := os.RemoveAll(ballast); err != nil {
		t.Fatal(err)
	}
	remindOf(t, d)
	awaitRunning(d, 2)
	checkTree(t, d.Main(), files.Over(first))
}

// TestManySmallFilesTakeMoreThanTheirBytes: a file system gives out blocks.
func TestManySmallFilesTakeMoreThanTheirBytes(t *testing.T) {
	t.Parallel()
	d := newSmallDevice(t, "size=6m")
	before := awaitRunning(d, 1)
	upload(t, d, manyFiles(600, "x\n")) // 2.4 MB each in deposit/, store and stage
	checkFigures(t, awaitHeld(d), `no space in .*: \d+ (KiB|MiB) needed, \d+ (KiB|MiB) free`)
	checkSame(t, d, before)
}

// TestNeverHalf: whatever runs out in the middle of an update, the old program
// goes on with the old files or the new one with the new ones.
func TestNeverHalf(t *testing.T) {
	t.Parallel()
	d := newSmallDevice(t, "size=8m,nr_inodes=400")
	status := awaitRunning(d, 1)
	ballast := makeFolder(t, filepath.Join(d.Dir, "ballast"))
	main := first
	for room := 6; room < 44; room += 3 {
		for i := 0; freeInodes(t, d.Dir) > room; i++ {
			put(t, filepath.Join(ballast, fmt.Sprintf("%d-%d", room, i)), "")
		}
		files := manyFiles(4, fmt.Sprintf("%d\n", room))
		upload(t, d, files)
		next := d.Await("an end of the update", func(s harness.Status) bool {
			return s.Deposit.State == "held" || s.Release.Number > status.Release.Number && s.Deposit.State == "empty"
		})
		if next.Deposit.State == "held" {
			checkFigures(t, next.Deposit.Reasons, `no space in .* needed, \d+ free`)
			checkSame(t, d, status)
		} else {
			main = files.Over(main)
		}
		checkTree(t, d.Main(), main)
		if err := os.RemoveAll(ballast); err != nil {
			t.Fatal(err)
		}
		makeFolder(t, ballast)
		remindOf(t, d)
		main = files.Over(main)
		status = awaitRunning(d, status.Release.Number+1)
		checkTree(t, d.Main(), main)
	}
}

// newSmallDevice is a device on a file system of its own.
func newSmallDevice(t *testing.T, options string) *harness.Device {
	t.Helper()
	harness.NeedRoot(t)
	dir := harness.FastDir(t)
	mountMemory(t, dir, options)
	d := harness.NewDevice(t, dir, first, noting)
	d.Start()
	return d
}

// remindOf makes ota look again sooner than it would by itself.
func remindOf(t *testing.T, d *harness.Device) {
	t.Helper()
	entries, err := os.ReadDir(d.Deposit())
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		path := filepath.Join(d.Deposit(), entry.Name())
		os.Chmod(path, 0o600)
		os.Chmod(path, 0o644)
	}
}

func manyFiles(count int, content string) harness.Tree {
	tree := harness.Tree{}
	for i := range count {
		tree[fmt.Sprintf("part%d", i)] = harness.File(content)
	}
	return tree
}

func checkFigures(t *testing.T, reasons []harness.Reason, want string) {
	t.Helper()
	if len(reasons) != 1 || !regexp.MustCompile(want).MatchString(reasons[0].Message) {
		t.Errorf("held for %+v, want one like %s", reasons, want)
	}
}

func freeInodes(t *testing.T, dir string) int {
	t.Helper()
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		t.Fatal(err)
	}
	return int(stat.Ffree)
}

// TestStartOnAFullDisk: ota starts the program where nothing at all can be
// written, and takes the upload when there is room.
func TestStartOnAFullDisk(t *testing.T) {
	t.Parallel()
	d := newSmallDevice(t, "size=4m,nr_inodes=200")
	awaitRunning(d, 1)
	d.Kill()
	d.KillPrograms()
	ballast := makeFolder(t, filepath.Join(d.Dir, "ballast"))
	put(t, filepath.Join(d.Deposit(), "main.py"), "second\n")
	for i := 0; freeInodes(t, d.Dir) > 0; i++ {
		put(t, filepath.Join(ballast, fmt.Sprint(i)), "")
	}
	if err := os.WriteFile(filepath.Join(ballast, "0"), make([]byte, 4<<20), 0o644); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	d.Start()
	d.Await("the old program, and a held upload", func(s harness.Status) bool {
		return s.Program.State == "running" && s.Program.PID != 0 && s.Deposit.State == "held" && s.Release.Number == 1
	})
	if err := os.RemoveAll(ballast); err != nil {
		t.Fatal(err)
	}
	remindOf(t, d)
	awaitRunning(d, 2)
}
