package activate

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"ota/internal/release"
)

// withBytecode is a plan that changes a source of which there is old bytecode.
func (b *bench) withBytecode() Plan {
	b.t.Helper()
	b.write("lib/__pycache__/part.cpython-311.pyc", "old bytecode")
	file := filepath.Join(b.contents, "new.pyc")
	if err := os.WriteFile(file, []byte("new bytecode"), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return Plan{
		Changes:  []Change{b.put("lib/part.py", "new"), b.put("new/deep.py", "new")},
		Stale:    paths("lib/part.py", "new/deep.py"),
		Compiled: []Compiled{{"lib/__pycache__/part.cpython-311.pyc", file}, {"new/__pycache__/deep.cpython-311.pyc", file}},
	}
}

func (b *bench) read(at string) string {
	content, err := os.ReadFile(filepath.Join(b.dir, "main", at))
	if err != nil {
		return err.Error()
	}
	return string(content)
}

func TestBytecodeComesWithTheSwitch(t *testing.T) {
	b := newBench(t, map[string]string{"lib/part.py": "old"})
	if err := b.room.Prepare(context.Background(), b.withBytecode()); err != nil {
		t.Fatal(err)
	}
	if got := b.read("lib/__pycache__/part.cpython-311.pyc"); got != "old bytecode" {
		t.Errorf("before the switch: %s", got)
	}
	if err := b.room.Switch(); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"lib/__pycache__/part.cpython-311.pyc", "new/__pycache__/deep.cpython-311.pyc"} {
		if got := b.read(at); got != "new bytecode" {
			t.Errorf("%s: %s", at, got)
		}
	}
}

// TestBytecodeIsNoPartOfAnInterruptedSwitch: old bytecode beside a new source
// would be run; what is missing Python makes.
func TestBytecodeIsNoPartOfAnInterruptedSwitch(t *testing.T) {
	for done := range 3 {
		b := newBench(t, map[string]string{"lib/part.py": "old"})
		if err := b.room.Prepare(context.Background(), b.withBytecode()); err != nil {
			t.Fatal(err)
		}
		b.goForward(done)
		b.room.close()
		room := b.reopen()
		if found, _, err := room.Recover(); err != nil || found != Switched {
			t.Fatal(found, err)
		}
		if got := b.read("lib/part.py"); got != "new" {
			t.Errorf("the source: %s", got)
		}
		if _, err := os.Lstat(filepath.Join(b.dir, "main/lib/__pycache__/part.cpython-311.pyc")); err == nil {
			t.Error("old bytecode is left beside the new source")
		}
		if err := room.Finish(func([]Old) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(filepath.Join(b.dir, ".ota/stage")); err == nil {
			t.Error("the stage is left behind")
		}
	}
}

// TestFoldersOfBytecodeGoWithTheirSources: a folder that a release brought is
// not kept by what Python has put into it.
func TestFoldersOfBytecodeGoWithTheirSources(t *testing.T) {
	b := newBench(t, map[string]string{"new/deep.py": "new", "new/__pycache__/deep.cpython-311.pyc": "", "kept/part.py": "", "kept/own.txt": ""})
	plan := Plan{
		Changes: []Change{
			{Path: "new/deep.py", Action: Remove},
			{Path: "new", Action: Remove, Entry: folderEntry},
			{Path: "kept/part.py", Action: Remove},
			{Path: "kept", Action: Remove, Entry: folderEntry},
		},
		Stale: paths("new/deep.py", "kept/part.py"),
	}
	if err := b.room.Prepare(context.Background(), plan); err != nil {
		t.Fatal(err)
	}
	if err := b.room.Switch(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(b.dir, "main/new")); err == nil {
		t.Error("the folder is still there")
	}
	if got := b.read("kept/own.txt"); got != "" {
		t.Errorf("what is nobody else's business: %s", got)
	}
}

var folderEntry = release.Entry{Kind: release.Folder}

func paths(all ...string) []release.Name {
	var names []release.Name
	for _, one := range all {
		names = append(names, release.Name(one))
	}
	return names
}
