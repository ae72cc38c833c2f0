//go:build linux

package deposit

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// parcelOf is a file that was in an upload.
func parcelOf(t *testing.T, path, content string) Parcel {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(copied, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(content))
	return Parcel{File: File{Path: path, Kind: KindFile, Mode: 0o640, Size: int64(len(content)), Sum: sum, Copy: copied}}
}

func roomFor(t *testing.T) *Room {
	t.Helper()
	dir := t.TempDir()
	room := New(Options{
		Dir: filepath.Join(dir, "deposit"), Incoming: filepath.Join(dir, "incoming"),
		Discarded: filepath.Join(dir, "discarded"), Keep: 2,
	})
	if err := os.MkdirAll(filepath.Join(room.options.Dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	return room
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		found[path[len(dir)+1:]] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestReturnReplacesNothing: what was uploaded meanwhile is newer.
func TestReturnReplacesNothing(t *testing.T) {
	room := roomFor(t)
	write(t, filepath.Join(room.options.Dir, "newer.py"), "newer")
	write(t, filepath.Join(room.options.Dir, "same.py"), "same")
	write(t, filepath.Join(room.options.Dir, "way"), "a file")
	write(t, filepath.Join(room.options.Dir, ".~ota~sub"), "left by an interruption")
	parcels := []Parcel{
		parcelOf(t, "newer.py", "older"), parcelOf(t, "same.py", "same"), parcelOf(t, "way/below.py", "x"),
		parcelOf(t, "sub/new.py", "new"), {File: File{Path: "link", Kind: KindLink, Target: "sub/new.py"}},
		{File: File{Path: "empty", Kind: KindFolder}},
	}
	if err := room.Return(t.Context(), parcels); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"newer.py": "newer", "same.py": "same", "way": "a file", "sub/new.py": "new", "link": "new",
		".~ota~sub": "left by an interruption",
	}
	if diff := cmp.Diff(want, contents(t, room.options.Dir)); diff != "" {
		t.Error(diff)
	}
	if info, err := os.Stat(filepath.Join(room.options.Dir, "empty")); err != nil || !info.IsDir() {
		t.Errorf("the empty folder: %v", err)
	}
	for i, known := range []bool{false, true, false, true, true} {
		if (parcels[i].Trace != "") != known {
			t.Errorf("%s has the trace %q", parcels[i].Path, parcels[i].Trace)
		}
	}
	again := []Parcel{parcelOf(t, "sub/new.py", "new")}
	if err := room.Return(t.Context(), again); err != nil || again[0].Trace != parcels[3].Trace {
		t.Errorf("the second time: %q, not %q, %v", again[0].Trace, parcels[3].Trace, err)
	}
}

// TestTraceTellsWhoWroteAgain: the same bytes uploaded once more are known as
// such.
func TestTraceTellsWhoWroteAgain(t *testing.T) {
	room := roomFor(t)
	parcels := []Parcel{parcelOf(t, "a", "1"), parcelOf(t, "b", "1")}
	if err := room.Return(t.Context(), parcels); err != nil {
		t.Fatal(err)
	}
	traces := func() map[string]string {
		disk := openSystem(room.options)
		defer disk.close()
		seen, err := disk.look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return (&Snapshot{tree: seen}).Traces()
	}
	if diff := cmp.Diff(map[string]string{"a": parcels[0].Trace, "b": parcels[1].Trace}, traces()); diff != "" {
		t.Fatal(diff)
	}
	write(t, filepath.Join(room.options.Dir, "a"), "1")
	now := traces()
	if now["a"] == parcels[0].Trace || now["b"] != parcels[1].Trace {
		t.Errorf("after a second upload of a: %v", now)
	}
}

func TestDamagedContentIsNotReturned(t *testing.T) {
	room := roomFor(t)
	parcel := parcelOf(t, "a", "1")
	write(t, parcel.Copy, "2")
	missing := parcelOf(t, "b", "1")
	missing.Copy += ".missing"
	parcels := []Parcel{parcel, missing, parcelOf(t, "c", "1")}
	if err := room.Return(t.Context(), parcels); err != nil {
		t.Error(err)
	}
	if parcels[0].Damage == nil || parcels[1].Damage == nil || parcels[2].Damage != nil {
		t.Errorf("%+v", parcels)
	}
	if diff := cmp.Diff(map[string]string{"c": "1"}, contents(t, room.options.Dir)); diff != "" {
		t.Error(diff)
	}
}

// TestReturnIsAllOrNothing: what cannot be put back whole holds no upload up with
// its unfinished files, nor is a part of it taken for one.
func TestReturnIsAllOrNothing(t *testing.T) {
	room := roomFor(t)
	unreadable := parcelOf(t, "sub/b", "1")
	unreadable.Copy = t.TempDir()
	parcels := []Parcel{parcelOf(t, "a", "1"), unreadable, parcelOf(t, "c", "1")}
	if err := room.Return(t.Context(), parcels); err == nil {
		t.Error("a folder was copied")
	}
	if diff := cmp.Diff(map[string]string{}, contents(t, room.options.Dir)); diff != "" {
		t.Error(diff)
	}
}

func TestDiscardMovesAndKeepsSome(t *testing.T) {
	room := roomFor(t)
	for i, name := range []string{"first", "second", "third"} {
		write(t, filepath.Join(room.options.Dir, "sub", name), name)
		write(t, filepath.Join(room.options.Dir, "half.part"), "stays")
		write(t, filepath.Join(room.options.Dir, ".keep"), "stays")
		found, err := room.Discard(t.Context(), []Parcel{parcelOf(t, "deleted", "by hand")})
		if err != nil || found.Files != 2 || filepath.Base(found.Folder) != string(rune('1'+i)) {
			t.Fatalf("%+v, %v", found, err)
		}
	}
	want := map[string]string{"2/sub/second": "second", "2/deleted": "by hand", "3/sub/third": "third", "3/deleted": "by hand"}
	if diff := cmp.Diff(want, contents(t, room.options.Discarded)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"half.part": "stays", ".keep": "stays"}, contents(t, room.options.Dir)); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(filepath.Join(room.options.Dir, "sub")); err == nil {
		t.Error("an empty folder is left")
	}
	if found, err := room.Discard(t.Context(), nil); err != nil || found.Folder != "" {
		t.Errorf("of nothing: %+v, %v", found, err)
	}
}

// TestReturnEmptyFolder: it comes back as a folder, once or twice, and nothing
// else is known of it.
func TestReturnEmptyFolder(t *testing.T) {
	room := roomFor(t)
	for range 2 {
		parcels := []Parcel{{File: File{Path: "data/empty", Kind: KindFolder}}}
		if err := room.Return(t.Context(), parcels); err != nil || parcels[0].Trace != "" {
			t.Errorf("trace %q, %v", parcels[0].Trace, err)
		}
		if info, err := os.Stat(filepath.Join(room.options.Dir, "data", "empty")); err != nil || !info.IsDir() {
			t.Errorf("the folder: %v", err)
		}
	}
}
