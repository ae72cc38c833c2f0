//go:build linux

package device

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"ota/test/harness"
)

// TestHold: nothing is taken while deposit/.hold is there.
func TestHold(t *testing.T) {
	t.Parallel()
	d := newDevice(t, first, noting)
	before := awaitRunning(d, 1)
	put(t, filepath.Join(d.Deposit(), ".hold"), "")
	harness.Tree{"main.py": harness.File("second\n")}.Write(t, d.Deposit())
	d.Await("the reason for waiting", func(s harness.Status) bool {
		return s.Deposit.State == "receiving" && s.Deposit.Files == 1 && s.Deposit.Bytes == 7 &&
			slices.ContainsFunc(s.Deposit.Reasons, func(r harness.Reason) bool { return r.Path == ".hold" })
	})
	checkSame(t, d, before)
	remove(t, filepath.Join(d.Deposit(), ".hold"))
	awaitRunning(d, 2)
}

// TestNamesThatDoNotCount: they stay in deposit/ and make no upload.
func TestNamesThatDoNotCount(t *testing.T) {
	t.Parallel()
	d := newDevice(t, first, noting+"ignore = [\"*.bak\", \"notes/\"]\n")
	staying := harness.Tree{
		".keep": harness.File("x"), ".gitkeep": harness.File(""), ".DS_Store": harness.File("x"),
		"Thumbs.db": harness.File("x"), "sub/desktop.ini": harness.File("x"), "sub": harness.Folder(),
		"old.bak": harness.File("x"), "sub/older.bak": harness.File("x"),
	}
	staying.Write(t, d.Deposit())
	counting := harness.Tree{"thumbs.db": harness.File("x\n"), "a.keep": harness.File("x\n"), "sub/b": harness.File("b\n")}
	upload(t, d, counting)
	awaitRunning(d, 2)
	checkTree(t, d.Main(), counting.Over(first))
	checkTree(t, d.Deposit(), staying)
	if got := d.History()[0].Files; len(got) != len(counting) {
		t.Errorf("the release has %+v", got)
	}
}

// TestUnfinishedFile: a name of an unfinished file holds the upload up until the
// file is renamed.
func TestUnfinishedFile(t *testing.T) {
	t.Parallel()
	d := newDevice(t, first, noting)
	part := filepath.Join(d.Deposit(), "table.csv.filepart")
	put(t, part, "1;2\n")
	harness.Tree{"main.py": harness.File("second\n")}.Write(t, d.Deposit())
	d.Await("the reason for waiting", func(s harness.Status) bool {
		return s.Deposit.State == "receiving" &&
			slices.ContainsFunc(s.Deposit.Reasons, func(r harness.Reason) bool { return r.Path == "table.csv.filepart" })
	})
	if err := os.Rename(part, strings.TrimSuffix(part, ".filepart")); err != nil {
		t.Fatal(err)
	}
	awaitRunning(d, 2)
	checkTree(t, d.Main(), harness.Tree{"main.py": harness.File("second\n"), "table.csv": harness.File("1;2\n")})
}

// TestDepositGoesAway: deposit/ is removed, replaced, and mounted over.
func TestDepositGoesAway(t *testing.T) {
	t.Parallel()
	d := newDevice(t, first, noting)
	if err := os.RemoveAll(d.Deposit()); err != nil {
		t.Fatal(err)
	}
	harness.Await(t, "deposit/ again", func() bool {
		info, err := os.Stat(d.Deposit())
		return err == nil && info.IsDir()
	}, d.Console)
	upload(t, d, harness.Tree{"main.py": harness.File("second\n")})
	awaitRunning(d, 2)
	replacement := makeFolder(t, filepath.Join(d.Dir, "other"))
	put(t, filepath.Join(replacement, "main.py"), "third\n")
	// rename(2) replaces an empty folder; os.Rename refuses to, and between a
	// removal and it ota makes the folder again.
	if err := syscall.Rename(replacement, d.Deposit()); err != nil {
		t.Fatal(err)
	}
	awaitRunning(d, 3)
	if os.Geteuid() != 0 {
		return
	}
	mountMemory(t, d.Deposit(), "size=1m")
	upload(t, d, harness.Tree{"main.py": harness.File("fourth\n")})
	awaitRunning(d, 4)
	if err := syscall.Unmount(d.Deposit(), 0); err != nil {
		t.Fatalf("ota keeps deposit/ busy: %v", err)
	}
	upload(t, d, harness.Tree{"main.py": harness.File("fifth\n")})
	awaitRunning(d, 5)
}

// TestImplausible: a file that seems cut off is held with the reason, and taken
// if a person says so.
func TestImplausible(t *testing.T) {
	t.Parallel()
	d := newDevice(t, harness.Tree{"table.csv": harness.File("1;2\n")}.Over(first), noting)
	before := awaitRunning(d, 1)
	upload(t, d, harness.Tree{"table.csv": harness.File("1;2\n3;"), "main.py": harness.File("")})
	reasons := awaitHeld(d)
	if len(reasons) != 2 || reasons[0].Path != "main.py" || reasons[1].Path != "table.csv" {
		t.Errorf("held for %+v", reasons)
	}
	checkSame(t, d, before)
	if said := d.Say("apply"); !strings.Contains(said, "release 2") {
		t.Errorf("apply said %q", said)
	}
	awaitRunning(d, 2)
	checkTree(t, d.Main(), harness.Tree{"table.csv": harness.File("1;2\n3;"), "main.py": harness.File("")})
}

// TestHeldUploadIsMended: the next upload is laid over a held one.
func TestHeldUploadIsMended(t *testing.T) {
	t.Parallel()
	d := newDevice(t, first, noting)
	upload(t, d, harness.Tree{"main.py": harness.File(""), "good.txt": harness.File("good\n")})
	awaitHeld(d)
	put(t, filepath.Join(d.Deposit(), "main.py"), "second\n")
	awaitRunning(d, 2)
	checkTree(t, d.Main(), harness.Tree{"main.py": harness.File("second\n"), "good.txt": harness.File("good\n")})
}

// TestOpenFile: a file that a program has open for writing holds the upload up,
// even against `ota apply`.
func TestOpenFile(t *testing.T) {
	t.Parallel()
	d := newDevice(t, first, noting)
	before := awaitRunning(d, 1)
	file, err := os.Create(filepath.Join(d.Deposit(), "main.py"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	file.WriteString("second\n")
	d.Await("the reason for waiting", func(s harness.Status) bool {
		return len(s.Deposit.Reasons) == 1 && s.Deposit.Reasons[0].Path == "main.py"
	})
	var said bytes.Buffer
	apply := d.Command(t.Context(), "apply")
	apply.Stderr = &said
	var failed *exec.ExitError
	if err := apply.Run(); !errors.As(err, &failed) || failed.ExitCode() != 3 || !strings.Contains(said.String(), "main.py") {
		t.Errorf("apply: %v, %s", err, said.String())
	}
	checkSame(t, d, before)
	file.Close()
	awaitRunning(d, 2)
}
