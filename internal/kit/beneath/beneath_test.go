package beneath

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func open(t *testing.T, dir string) *Tree {
	t.Helper()
	tree, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tree.Close)
	return tree
}

func TestNoWayThroughALink(t *testing.T) {
	top, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(top, "link")); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	tree := open(t, top)
	for name, try := range map[string]func() error{
		"Dir":     func() error { _, err := tree.Dir("link"); return err },
		"MakeDir": func() error { _, err := tree.MakeDir("link/below"); return err },
		"Lstat":   func() error { _, err := tree.Lstat("link/file"); return err },
	} {
		err := try()
		var where *InTheWay
		if !errors.As(err, &where) || where.Path != "link" || !errors.Is(err, ErrInTheWay) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := tree.Top().OpenFile("link", os.O_RDONLY, 0); err == nil {
		t.Error("a link was opened")
	}
	if entries, _ := os.ReadDir(outside); len(entries) != 0 {
		t.Errorf("made outside: %v", entries)
	}
}

func TestTopMayBeALink(t *testing.T) {
	top, elsewhere := t.TempDir(), t.TempDir()
	link := filepath.Join(top, "link")
	if err := os.Symlink(elsewhere, link); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	if _, err := open(t, link).MakeDir("a/b"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(elsewhere, "a/b")); err != nil {
		t.Error(err)
	}
}

func TestWrongNames(t *testing.T) {
	tree := open(t, t.TempDir())
	for _, name := range []string{"..", "../x", "a/../b", "/etc", "a//b", "a\x00b", "./a"} {
		if _, err := tree.MakeDir(name); err == nil {
			t.Errorf("%q was made", name)
		}
	}
}

func TestRenameNewReplacesNothing(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	top := open(t, dir).Top()
	if err := RenameNew(top, "a", top, "b"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v", err)
	}
	if err := RenameNew(top, "a", top, "c"); err != nil {
		t.Error(err)
	}
	if err := Exchange(top, "b", top, "c"); errors.Is(err, errors.ErrUnsupported) {
		t.Skip("names can't be exchanged here")
	} else if err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(filepath.Join(dir, "b")); string(data) != "a" {
		t.Errorf("b holds %q after the exchange", data)
	}
}

func TestSameMountChangesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	tree := open(t, dir)
	sub, err := tree.Dir("sub")
	if err != nil {
		t.Fatal(err)
	}
	if same, err := SameMount(tree.Top(), sub); err != nil || !same {
		t.Errorf("%t, %v", same, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("made: %v", entries)
	}
}
