//go:build linux && amd64

package faults

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ota/test/harness"
)

// noting is a program that notes its release at every start and lives until it
// is ended. While there is a file "stay" beside main/ it does not end.
const noting = `[program]
command = ["/bin/sh", "-c", '''
echo "$OTA_RELEASE" >>"$OTA_DIR/starts"
trap 'echo >"$OTA_DIR/leaving"; while [ -e "$OTA_DIR/stay" ]; do sleep 0.02; done; kill $!; exit' INT
sleep 1000 & wait''']

[python]
interpreter = "/none" # the files are no Python

[update]
quiet = "20ms"
`

// first is what main/ holds where nothing else is said.
var first = harness.Tree{"main.py": harness.File("first\n")}

func awaitRunning(d *harness.Device, release int) harness.Status {
	return d.Await(fmt.Sprintf("release %d running, and nothing in deposit/", release), func(s harness.Status) bool {
		return s.Program.State == "running" && s.Program.PID != 0 && s.Release.Number == release && s.Deposit.State == "empty"
	})
}

// awaitHeld waits until the upload is held for a reason that has all of these
// words in it, while a program of the release runs.
func awaitHeld(d *harness.Device, release int, words ...string) {
	d.Await(fmt.Sprintf("an upload held for %q", words), func(s harness.Status) bool {
		return s.Deposit.State == "held" && s.Program.State == "running" && s.Program.PID != 0 &&
			s.Release.Number == release && says(s.Deposit.Reasons, words)
	})
}

func says(reasons []harness.Reason, words []string) bool {
	text := fmt.Sprint(reasons)
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

func awaitSaid(t *testing.T, d *harness.Device, text string) {
	t.Helper()
	harness.Await(t, fmt.Sprintf("%q on the console", text), func() bool { return strings.Contains(d.Console(), text) }, d.Console)
}

func awaitFile(t *testing.T, path string) {
	t.Helper()
	harness.Await(t, path, func() bool { _, err := os.Lstat(path); return err == nil }, func() string { return "" })
}

// try fails the test at the first error.
func try(t *testing.T, all ...error) {
	t.Helper()
	if err := errors.Join(all...); err != nil {
		t.Fatal(err)
	}
}

func put(path, content string) error { return os.WriteFile(path, []byte(content), 0o644) }

// nudge makes ota look again sooner than it would by itself.
func nudge(t *testing.T, d *harness.Device) {
	t.Helper()
	name := filepath.Join(d.Deposit(), ".hold")
	try(t, put(name, ""), os.Remove(name))
}

func command(t *testing.T, argv ...string) {
	t.Helper()
	if said, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput(); err != nil {
		harness.Lack(t, fmt.Sprintf("%v: %v: %s", argv, err, said))
	}
}

// mountMemory mounts a file system at dir until the test ends.
func mountMemory(t *testing.T, dir string) {
	t.Helper()
	harness.NeedRoot(t)
	try(t, os.MkdirAll(dir, 0o755))
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		harness.Lack(t, "cannot mount: "+err.Error())
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// remount makes a file system read-only, or writable again.
func remount(t *testing.T, dir string, flags uintptr) {
	t.Helper()
	try(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT|flags, ""))
}

// card is a small disk of its own, as a card is.
func card(t *testing.T, megabytes int64) string {
	t.Helper()
	harness.NeedRoot(t)
	harness.Need(t, "mkfs.ext4", "mount", "umount")
	dir := t.TempDir()
	image, mounted := filepath.Join(dir, "image"), filepath.Join(dir, "card")
	try(t, put(image, ""), os.Truncate(image, megabytes<<20), os.Mkdir(mounted, 0o755))
	command(t, "mkfs.ext4", "-q", "-m", "0", image)
	command(t, "mount", "-o", "loop", image, mounted)
	t.Cleanup(func() { exec.Command("umount", "-l", mounted).Run() })
	return mounted
}

// fill leaves not one block free.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	try(t, err)
	defer file.Close()
	for size := 1 << 20; size > 0; {
		if _, err := file.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Sync(); err != nil && !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// TestCardFullWhileRunning: on a card without a free block the upload is held,
// the program can be restarted, and all goes on by itself when there is room:
// nothing tells ota of that, so that this waits for its own retry.
func TestCardFullWhileRunning(t *testing.T) {
	t.Parallel()
	d := harness.NewDevice(t, card(t, 12), first, noting)
	d.Start()
	awaitRunning(d, 1)
	ballast := filepath.Join(d.Dir, "ballast")
	d.HoldBack()
	try(t, put(filepath.Join(d.Deposit(), "main.py"), "second\n"))
	fill(t, ballast)
	d.LetGo()
	awaitHeld(d, 1, "no space", "needed", "free")
	d.Say("restart")
	awaitHeld(d, 1, "no space")
	try(t, os.Remove(ballast))
	awaitRunning(d, 2)
	if content, err := os.ReadFile(filepath.Join(d.Main(), "main.py")); err != nil || string(content) != "second\n" {
		t.Errorf("main.py holds %q, %v", content, err)
	}
}

// failing is the program noting with a trial: where main.py says so it fails
// when there is no file "stay" any more.
var failing = strings.Replace(noting, "trap", `read -r kind <main.py
[ "$kind" = bad ] && { while [ -e "$OTA_DIR/stay" ]; do sleep 0.02; done; exit 7; }
trap`, 1) + `
[trial]
period = "5m"
attempts = 1
`

// TestCardFullDuringATrial: a release that fails on a card without a free block
// is rolled back all the same, although its large file can't be copied. What it
// brought is in deposit/ when there is room again, and can be mended.
func TestCardFullDuringATrial(t *testing.T) {
	t.Parallel()
	const size = 1 << 20 // more than ota keeps in reserve
	table := func(line string) harness.Entry { return harness.File(strings.Repeat(line+"\n", size/(len(line)+1))) }
	old := harness.Tree{"main.py": harness.File("first\n"), "table": table("old")}
	bad := harness.Tree{"main.py": harness.File("bad\n"), "table": table("new"), "more.py": harness.File("more\n")}
	d := harness.NewDevice(t, card(t, 16), old, failing)
	d.Start()
	awaitRunning(d, 1)
	stay, ballast := filepath.Join(d.Dir, "stay"), filepath.Join(d.Dir, "ballast")
	d.HoldBack()
	bad.Write(t, d.Deposit())
	try(t, put(stay, ""))
	d.LetGo()
	awaitRunning(d, 2)
	awaitSaid(t, d, "the release is recorded release=2")
	fill(t, ballast)
	try(t, os.Remove(stay))
	d.Await("the release before", func(s harness.Status) bool {
		return s.Release.Number == 1 && s.Program.State == "running" && s.Program.PID != 0
	})
	checkTree(t, d.Main(), old)
	awaitSaid(t, d, "ota uses its reserve")
	awaitSaid(t, d, "contents are moved out of the store")
	for path, entry := range bad {
		if !d.Keeps(path, entry.Content) {
			t.Errorf("the uploaded %s is lost", path)
		}
	}

	try(t, os.Remove(ballast))
	awaitHeld(d, 1, "failed its trial as release 2: exit code 7")
	checkTree(t, d.Deposit(), bad)
	try(t, put(filepath.Join(d.Deposit(), "main.py"), "mended\n"))
	awaitRunning(d, 3)
	checkTree(t, d.Main(), harness.Tree{"main.py": harness.File("mended\n")}.Over(bad).Over(old))
	d.Say("verify")
}

// TestReadOnlyMain: while main/ can't be written an upload is held; status and
// program go on; the next upload after that works.
func TestReadOnlyMain(t *testing.T) {
	t.Parallel()
	dir := harness.FastDir(t)
	mountMemory(t, filepath.Join(dir, "main"))
	d := harness.NewDevice(t, dir, first, noting)
	d.Start()
	before := awaitRunning(d, 1)
	remount(t, d.Main(), syscall.MS_RDONLY)
	try(t, put(filepath.Join(d.Deposit(), "main.py"), "second\n"))
	awaitHeld(d, 1, "read-only file system")
	if now := d.Await("status", func(harness.Status) bool { return true }); now.Program.PID != before.Program.PID {
		t.Errorf("the program was touched: %+v, before: %+v", now, before)
	}
	d.Say("restart")
	awaitHeld(d, 1, "read-only file system")
	remount(t, d.Main(), 0)
	try(t, put(filepath.Join(d.Deposit(), "other.py"), "x\n"))
	awaitRunning(d, 2)
	checkTree(t, d.Main(), harness.Tree{"main.py": harness.File("second\n"), "other.py": harness.File("x\n")})
}

// TestReadOnlyBeforeTheSwitch: main/ becomes read-only while the program ends
// for the switch. The old one is started again.
func TestReadOnlyBeforeTheSwitch(t *testing.T) {
	t.Parallel()
	dir := harness.FastDir(t)
	mountMemory(t, filepath.Join(dir, "main"))
	d := harness.NewDevice(t, dir, first, noting)
	d.Start()
	awaitRunning(d, 1)
	awaitFile(t, filepath.Join(dir, "starts"))
	stay := filepath.Join(dir, "stay")
	try(t, put(stay, ""), put(filepath.Join(d.Deposit(), "main.py"), "second\n"))
	awaitFile(t, filepath.Join(dir, "leaving"))
	remount(t, d.Main(), syscall.MS_RDONLY)
	try(t, os.Remove(stay))
	awaitHeld(d, 1, "read-only file system")
	remount(t, d.Main(), 0)
	nudge(t, d)
	awaitRunning(d, 2)
	checkTree(t, d.Main(), harness.Tree{"main.py": harness.File("second\n")})
}

// TestReadOnlyDeposit: what can't be taken out of deposit/ is used, and said.
func TestReadOnlyDeposit(t *testing.T) {
	t.Parallel()
	dir := harness.FastDir(t)
	mountMemory(t, filepath.Join(dir, "deposit"))
	d := harness.NewDevice(t, dir, first, noting)
	try(t, put(filepath.Join(d.Deposit(), "main.py"), "second\n"))
	remount(t, d.Deposit(), syscall.MS_RDONLY)
	d.Start()
	awaitHeld(d, 2, "main.py", "read-only file system")
	remount(t, d.Deposit(), 0)
	nudge(t, d)
	awaitRunning(d, 2)
	if got := len(d.History()); got != 2 {
		t.Errorf("there are %d releases", got)
	}
}

func checkTree(t *testing.T, dir string, want harness.Tree) {
	t.Helper()
	got, err := harness.Read(dir)
	delete(got, ".ota") // where files are on their way, on a mount of its own
	if diff := harness.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%s: %v\n%s", filepath.Base(dir), err, diff)
	}
}

// TestNoDescriptors: while ota may open nothing it says so, and tries to start a
// program that has ended; afterwards both go on.
func TestNoDescriptors(t *testing.T) {
	t.Parallel()
	d := harness.NewDevice(t, harness.FastDir(t), first, noting)
	d.Patience = 2 * time.Second
	d.Start()
	status := awaitRunning(d, 1)
	command(t, "prlimit", "--pid", strconv.Itoa(status.PID), "--nofile=3:4096")
	try(t, put(filepath.Join(d.Deposit(), "main.py"), "second\n"))
	awaitSaid(t, d, "too many open files")
	try(t, syscall.Kill(status.Program.PID, syscall.SIGKILL))
	awaitSaid(t, d, "the program can't be started")
	command(t, "prlimit", "--pid", strconv.Itoa(status.PID), "--nofile=1024:4096")
	awaitRunning(d, 2)
}

// nobody is a user who owns nothing here.
const nobody = 65534

// newDeviceOfNobody is a device whose ota is run by an ordinary user.
func newDeviceOfNobody(t *testing.T, main harness.Tree) *harness.Device {
	t.Helper()
	harness.NeedRoot(t)
	harness.Need(t, "setpriv")
	d := harness.NewDevice(t, harness.FastDir(t), main, noting)
	give(t, d.Dir, nobody)
	try(t, os.Chmod(filepath.Dir(d.Binary), 0o755))
	d.Under = []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}
	return d
}

// give makes a user the owner of all below path.
func give(t *testing.T, path string, user int) {
	t.Helper()
	try(t, filepath.WalkDir(path, func(at string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(at, user, user))
	}))
}

// TestFilesOfSomebodyElse: what ota may not read or replace is named, and taken
// when it was given to ota.
func TestFilesOfSomebodyElse(t *testing.T) {
	main := harness.Tree{"lib/util.py": harness.File("old\n"), "lib/__pycache__/util.cpython-311.pyc": harness.File("old\n")}
	tests := map[string]struct {
		foreign string // given to root before ota starts
		mode    os.FileMode
		upload  string
		word    string // that the reason has
	}{
		"folder of main":   {"main/lib", 0o755, "lib/new.py", "lib"},
		"file of main":     {"main/lib/util.py", 0o600, "lib/util.py", "lib/util.py"},
		"bytecode":         {"main/lib/__pycache__", 0o755, "lib/util.py", "__pycache__"},
		"file of deposit":  {"deposit/secret.py", 0o600, "secret.py", "secret.py"},
		"deposit's folder": {"deposit/closed", 0o700, "closed/a.py", "closed"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDeviceOfNobody(t, main.Over(first))
			upload := filepath.Join(d.Deposit(), test.upload)
			foreign := filepath.Join(d.Dir, test.foreign)
			d.Start()
			awaitRunning(d, 1)
			hold := filepath.Join(d.Deposit(), ".hold")
			try(t, put(hold, ""), os.MkdirAll(filepath.Dir(upload), 0o755), put(upload, "new\n"))
			give(t, d.Deposit(), nobody)
			try(t, os.Lchown(foreign, 0, 0), os.Chmod(foreign, test.mode), os.Remove(hold))
			awaitHeld(d, 1, test.word)
			try(t, os.Lchown(foreign, nobody, nobody))
			nudge(t, d)
			awaitRunning(d, 2)
			if content, err := os.ReadFile(filepath.Join(d.Main(), test.upload)); err != nil || string(content) != "new\n" {
				t.Errorf("%s holds %q, %v", test.upload, content, err)
			}
		})
	}
}
