//go:build linux

package device

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ota/test/harness"
)

// TestLinkMadeInTwoUploads: a link that leads out over one that an earlier
// upload has brought, or that somebody put into main/, is held.
func TestLinkMadeInTwoUploads(t *testing.T) {
	t.Parallel()
	dir := harness.FastDir(t)
	outside := makeFolder(t, filepath.Join(dir, "outside"))
	main := harness.Tree{"own": harness.Link(outside), "a/file": harness.File("x\n")}.Over(first)
	d := harness.NewDevice(t, dir, main, noting)
	d.Start()
	awaitRunning(d, 1)
	upload(t, d, harness.Tree{"d/e/up": harness.Link("../../a")})
	before := awaitRunning(d, 2)
	for path, target := range map[string]string{"d/e/out": "up/../../secret", "b": "own/secret", "c": "own"} {
		upload(t, d, harness.Tree{path: harness.Link(target)})
		if reasons := awaitHeld(d); len(reasons) != 1 || reasons[0].Path != path {
			t.Errorf("held for %+v", reasons)
		}
		clear(t, d)
	}
	checkSame(t, d, before)
	upload(t, d, harness.Tree{"d/e/in": harness.Link("up/file"), "f": harness.Link("d/e/up"), "self": harness.Link("self")})
	awaitRunning(d, 3)
}

// TestForeignLinkAtOurName: main/.ota is where files are put on their way if
// .ota is on another mount; somebody's link there is not followed.
func TestForeignLinkAtOurName(t *testing.T) {
	t.Parallel()
	harness.NeedRoot(t)
	dir := harness.FastDir(t)
	mountMemory(t, makeFolder(t, filepath.Join(dir, ".ota")), "size=4m")
	outside := makeFolder(t, filepath.Join(dir, "outside"))
	put(t, filepath.Join(outside, "stage"), "somebody's\n")
	d := harness.NewDevice(t, dir, harness.Tree{".ota": harness.Link(outside)}.Over(first), noting)
	d.Start()
	before := awaitRunning(d, 1)
	upload(t, d, harness.Tree{"main.py": harness.File("second\n")})
	awaitHeld(d)
	checkSame(t, d, before)
	checkTree(t, outside, harness.Tree{"stage": harness.File("somebody's\n")})
	remove(t, filepath.Join(outside, "stage"))
	clear(t, d)
	upload(t, d, harness.Tree{"main.py": harness.File("second\n")})
	awaitHeld(d)
	checkSame(t, d, before)
	checkTree(t, outside, harness.Tree{})
}

// TestFileThatCannotBeReplaced: the switch is taken back as a whole, and the old
// program runs on with the old files.
func TestFileThatCannotBeReplaced(t *testing.T) {
	t.Parallel()
	harness.NeedRoot(t)
	harness.Need(t, "chattr")
	main := harness.Tree{"a": harness.File("1\n"), "b/fixed": harness.File("1\n"), "c": harness.File("1\n")}.Over(first)
	d := harness.NewDevice(t, t.TempDir(), main, noting)
	fixed := filepath.Join(d.Main(), "b", "fixed")
	if said, err := exec.CommandContext(t.Context(), "chattr", "+i", fixed).CombinedOutput(); err != nil {
		harness.Lack(t, "this file system has no immutable files: "+string(said))
	}
	loosen := func() error { return exec.Command("chattr", "-i", fixed).Run() }
	t.Cleanup(func() { loosen() })
	d.Start()
	awaitRunning(d, 1)
	files := harness.Tree{"a": harness.File("2\n"), "b/fixed": harness.File("2\n"), "c": harness.File("2\n"), "new/d": harness.File("2\n")}
	upload(t, d, files)
	if reasons := awaitHeld(d); len(reasons) != 1 || !strings.Contains(reasons[0].Message, "b/fixed") {
		t.Errorf("held for %+v", reasons)
	}
	d.Await("the old program", func(s harness.Status) bool {
		return s.Program.State == "running" && s.Program.PID != 0 && s.Release.Number == 1
	})
	main["b"] = harness.Folder()
	checkTree(t, d.Main(), main)
	if err := loosen(); err != nil {
		t.Fatal(err)
	}
	remindOf(t, d)
	awaitRunning(d, 2)
	checkTree(t, d.Main(), files.Over(main))
}

// TestKilledWhileSealing: the private copy of an interrupted upload does not
// stay on the disk.
func TestKilledWhileSealing(t *testing.T) {
	t.Parallel()
	d := newDevice(t, first, noting)
	upload(t, d, harness.Tree{"large": harness.File(strings.Repeat("x", 64<<20) + "\n")})
	incoming := filepath.Join(d.Dir, ".ota", "incoming")
	harness.Await(t, "a private copy", func() bool {
		found, _ := filepath.Glob(filepath.Join(incoming, "*", "*"))
		return len(found) > 0
	}, d.Console)
	d.Kill()
	d.Start()
	awaitRunning(d, 2)
	if left, err := harness.Read(incoming); err != nil && !errors.Is(err, os.ErrNotExist) || len(left) > 0 {
		t.Errorf("%d paths are left in .ota/incoming; %v", len(left), err)
	}
}

// TestDepositOfSomebodyElse: what ota may not take out of deposit/ is said, and
// taken once.
func TestDepositOfSomebodyElse(t *testing.T) {
	t.Parallel()
	harness.NeedRoot(t)
	harness.Need(t, "setpriv")
	dir := harness.FastDir(t)
	d := harness.NewDevice(t, dir, first, noting)
	const user = 65534
	for _, path := range []string{dir, d.Main(), filepath.Join(d.Main(), "main.py")} {
		if err := os.Chown(path, user, user); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Dir(d.Binary), 0o755); err != nil {
		t.Fatal(err)
	}
	d.Under = []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}
	d.Start()
	awaitRunning(d, 1)
	put(t, filepath.Join(d.Deposit(), "main.py"), "second\n") // ota may read it, but not remove it
	status := d.Await("the release, and the reason", func(s harness.Status) bool {
		return s.Release.Number == 2 && s.Deposit.State == "held"
	})
	if reasons := status.Deposit.Reasons; len(reasons) != 1 || !strings.Contains(reasons[0].Message, "main.py") {
		t.Errorf("held for %+v", reasons)
	}
	secret := filepath.Join(d.Deposit(), "secret")
	if err := errors.Join(os.WriteFile(secret, []byte("x\n"), 0o600), syscall.Chmod(d.Deposit(), 0o777)); err != nil {
		t.Fatal(err)
	}
	d.Await("the file that may not be read", func(s harness.Status) bool {
		return s.Deposit.State == "held" && len(s.Deposit.Reasons) == 1 && s.Deposit.Reasons[0].Path == "secret"
	})
	remove(t, secret)
	d.Await("an empty deposit/", func(s harness.Status) bool { return isIn(s, 2) })
	if got := len(d.History()); got != 2 {
		t.Errorf("there are %d releases", got)
	}
}
