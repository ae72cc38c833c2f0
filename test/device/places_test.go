//go:build linux

package device

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"ota/test/harness"
)

// rooms are the folders that may lie elsewhere.
var rooms = []string{"deposit", "main", ".ota"}

// elsewhere makes a folder lie somewhere else than in its device.
type elsewhere struct {
	name  string
	place func(t *testing.T, room string)
}

var elsewheres = []elsewhere{
	{"mount", func(t *testing.T, room string) { mountMemory(t, makeFolder(t, room), "size=16m") }},
	// A bind mount has the device number of what is around it, and no name can
	// be moved across it all the same.
	{"bind", func(t *testing.T, room string) { bind(t, harness.FastDir(t), makeFolder(t, room)) }},
	{"link", func(t *testing.T, room string) { link(t, harness.FastDir(t), room) }},
	{"link to a mount", func(t *testing.T, room string) {
		folder := harness.FastDir(t)
		mountMemory(t, folder, "size=16m")
		link(t, folder, room)
	}},
}

// TestFoldersElsewhere: deposit/, main/ and .ota, each and all, may be a mount
// of its own or a link. Updates come in, and a killed ota goes on, as anywhere.
func TestFoldersElsewhere(t *testing.T) {
	harness.NeedRoot(t)
	for _, kind := range elsewheres {
		for _, moved := range append([][]string{rooms}, each(rooms)...) {
			t.Run(kind.name+"/"+strings.Join(moved, "+"), func(t *testing.T) {
				t.Parallel()
				dir := harness.FastDir(t)
				for _, room := range moved {
					kind.place(t, filepath.Join(dir, room))
				}
				updateThere(t, harness.NewDevice(t, dir, first, noting))
			})
		}
	}
}

func each(names []string) (lists [][]string) {
	for _, name := range names {
		lists = append(lists, []string{name})
	}
	return lists
}

// updateThere makes three updates; ota is killed in the second one.
func updateThere(t *testing.T, d *harness.Device) {
	t.Helper()
	d.Start()
	awaitRunning(d, 1)
	second := harness.Tree{"main.py": harness.File("second\n"), "new/deep/a.txt": harness.File("a\n")}
	upload(t, d, second)
	awaitRunning(d, 2)
	third := harness.Tree{"main.py": harness.File("third\n"), "new/b.txt": harness.File("b\n"), "empty": harness.Folder()}
	upload(t, d, third)
	awaitStart(t, d, 3)
	d.Kill() // the switch is perhaps not put away yet
	d.Start()
	awaitRunning(d, 3)
	upload(t, d, harness.Tree{"new/b.txt": harness.File("B\n")})
	last := awaitRunning(d, 4)
	noted := awaitStart(t, d, 4)
	for _, line := range noted {
		if _, pid, _ := strings.Cut(line, " "); isAlive(pid) != (pid == strconv.Itoa(last.Program.PID)) {
			t.Errorf("the program is %d; of the start %q this lives: %v", last.Program.PID, line, isAlive(pid))
		}
	}
	want := harness.Tree{"new/b.txt": harness.File("B\n")}.Over(third.Over(second.Over(harness.Tree{})))
	checkTree(t, real(t, d.Main()), want)
	checkTree(t, real(t, d.Deposit()), harness.Tree{})
}

// TestMountBelowMain: what belongs into a mount inside main/ can't be exchanged
// in one step, so it is held; the rest of main/ is updated as anywhere.
func TestMountBelowMain(t *testing.T) {
	t.Parallel()
	harness.NeedRoot(t)
	dir := harness.FastDir(t)
	mountMemory(t, makeFolder(t, filepath.Join(dir, "main", "data")), "size=1m")
	d := harness.NewDevice(t, dir, first, noting)
	d.Start()
	before := awaitRunning(d, 1)
	upload(t, d, harness.Tree{"data/table.txt": harness.File("a\n"), "main.py": harness.File("second\n")})
	if reasons := awaitHeld(d); len(reasons) != 1 || reasons[0].Path != "data/table.txt" {
		t.Errorf("held for %+v", reasons)
	}
	checkSame(t, d, before)
	clear(t, d)
	upload(t, d, harness.Tree{"main.py": harness.File("second\n")})
	awaitRunning(d, 2)
}

// TestLongPath: the folder's path is longer than a socket's address may be.
func TestLongPath(t *testing.T) {
	t.Parallel()
	dir := makeFolder(t, filepath.Join(harness.FastDir(t), strings.Repeat("long/", 50), strings.Repeat("x", 255)))
	updateThere(t, harness.NewDevice(t, dir, first, noting))
}

func mountMemory(t *testing.T, folder, options string) {
	t.Helper()
	mount(t, "tmpfs", folder, "tmpfs", 0, options)
}

func bind(t *testing.T, from, to string) {
	t.Helper()
	mount(t, from, to, "", syscall.MS_BIND, "")
}

func mount(t *testing.T, source, target, kind string, flags uintptr, options string) {
	t.Helper()
	err := syscall.Mount(source, target, kind, flags, options)
	if errors.Is(err, syscall.EPERM) {
		harness.Lack(t, "this machine lets nobody mount anything")
	}
	if err != nil {
		t.Fatalf("cannot mount %s: %v", target, err)
	}
	t.Cleanup(func() { syscall.Unmount(target, syscall.MNT_DETACH) })
}

func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

// real is where a path leads.
func real(t *testing.T, path string) string {
	t.Helper()
	found, err := filepath.EvalSymlinks(path)
	if err != nil {
		t.Fatal(err)
	}
	return found
}
