package release

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func newRoom(t *testing.T) *Room {
	t.Helper()
	room, warning, err := Open(filepath.Join(t.TempDir(), ".ota"))
	if err != nil || warning != "" {
		t.Fatal(err, warning)
	}
	return room
}

func fileEntry(content string) Entry {
	return Entry{Kind: File, Mode: 0o644, Size: int64(len(content)), Sum: sha256.Sum256([]byte(content))}
}

func contents(t *testing.T, tree *Tree) map[string]Entry {
	t.Helper()
	found := map[string]Entry{}
	err := tree.Walk(func(at string, entry Entry) error {
		if entry.Kind == Folder {
			entry.Sum = Sum{}
		}
		found[at] = entry
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestTreeIsAMap compares a tree under random changes with a plain map, saved
// and read again in between.
func TestTreeIsAMap(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 7))
		store := newRoom(t).Store()
		tree := store.Empty()
		model := map[string]Entry{}
		for range 60 {
			at := randomPath(random)
			switch random.IntN(4) {
			case 0:
				if err := tree.Delete(at); err != nil {
					t.Fatal(err)
				}
				deleteInModel(model, at)
			case 1:
				digest, err := tree.Save()
				if err != nil {
					t.Fatal(err)
				}
				tree = store.Tree(digest)
			default:
				entry := fileEntry(fmt.Sprint(random.IntN(5)))
				if err := tree.Set(at, entry); err == nil {
					setInModel(model, at, entry)
				} else if !conflicts(model, at) {
					t.Fatalf("seed %d: %q: %v", seed, at, err)
				}
			}
			if diff := cmp.Diff(model, contents(t, tree)); diff != "" {
				t.Fatalf("seed %d, at %q (-model +tree):\n%s", seed, at, diff)
			}
		}
	}
}

func randomPath(random *rand.Rand) string {
	parts := make([]string, 1+random.IntN(3))
	for i := range parts {
		parts[i] = string(rune('a' + random.IntN(3)))
	}
	return strings.Join(parts, "/")
}

func setInModel(model map[string]Entry, at string, entry Entry) {
	for above := path.Dir(at); above != "."; above = path.Dir(above) {
		model[above] = Entry{Kind: Folder}
	}
	model[at] = entry
}

func deleteInModel(model map[string]Entry, at string) {
	if _, there := model[at]; !there {
		return
	}
	for known := range model {
		if known == at || strings.HasPrefix(known, at+"/") {
			delete(model, known)
		}
	}
	for above := path.Dir(at); above != "."; above = path.Dir(above) {
		for known := range model {
			if strings.HasPrefix(known, above+"/") {
				return
			}
		}
		delete(model, above)
	}
}

func conflicts(model map[string]Entry, at string) bool {
	if entry, there := model[at]; there && entry.Kind == Folder {
		return true
	}
	for above := path.Dir(at); above != "."; above = path.Dir(above) {
		if entry, there := model[above]; there && entry.Kind != Folder {
			return true
		}
	}
	return false
}

func treeOf(t *testing.T, store *Store, files map[string]string) *Tree {
	t.Helper()
	tree := store.Empty()
	for _, at := range slices.Sorted(maps.Keys(files)) {
		if err := tree.Set(at, fileEntry(files[at])); err != nil {
			t.Fatal(err)
		}
	}
	digest, err := tree.Save()
	if err != nil {
		t.Fatal(err)
	}
	return store.Tree(digest)
}

// TestDigestIsOfContent: the same files give the same digest, in whatever order
// they came.
func TestDigestIsOfContent(t *testing.T) {
	store := newRoom(t).Store()
	one, _ := treeOf(t, store, map[string]string{"a": "1", "b/c": "2"}).Save()
	two := store.Empty()
	for _, at := range []string{"b/c", "x/y", "a"} {
		if err := two.Set(at, fileEntry(map[string]string{"a": "1", "b/c": "2"}[at])); err != nil {
			t.Fatal(err)
		}
	}
	if err := two.Delete("x/y"); err != nil {
		t.Fatal(err)
	}
	if other, _ := two.Save(); other != one {
		t.Errorf("digests differ: %s, %s", one, other)
	}
}

// TestUnchangedFoldersAreNotWritten: an update costs what it changes.
func TestUnchangedFoldersAreNotWritten(t *testing.T) {
	room := newRoom(t)
	files := map[string]string{}
	for i := range 50 {
		files[fmt.Sprintf("folder%d/file", i)] = "1"
	}
	tree := treeOf(t, room.Store(), files)
	before := countFiles(t, room.Store().dir)
	if err := tree.Set("folder7/file", fileEntry("2")); err != nil {
		t.Fatal(err)
	}
	if _, err := tree.Save(); err != nil {
		t.Fatal(err)
	}
	if written := countFiles(t, room.Store().dir) - before; written != 2 {
		t.Errorf("%d listings were written for one changed folder, not 2 (it and the top)", written)
	}
}

func countFiles(t *testing.T, dir string) int {
	t.Helper()
	matches, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(matches)
}

func TestDamagedListingIsNamed(t *testing.T) {
	room := newRoom(t)
	digest, err := treeOf(t, room.Store(), map[string]string{"a": "1"}).Save()
	if err != nil {
		t.Fatal(err)
	}
	damaged := room.Store().Path(digest)
	if err := os.WriteFile(damaged, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err = room.Store().Tree(digest).Lookup("a")
	if err == nil || !strings.Contains(err.Error(), damaged) {
		t.Errorf("the error does not name %s: %v", damaged, err)
	}
}

func TestNamesOfAnyBytes(t *testing.T) {
	store := newRoom(t).Store()
	names := []string{"caf\xe9", `"quoted"`, "new\nline", "-rf", " ", "ünï", strings.Repeat("x", 255), `back\slash`, "\x7f", "\xff\xfe"}
	tree := store.Empty()
	for _, name := range names {
		if err := tree.Set(name, fileEntry(name)); err != nil {
			t.Fatal(err)
		}
	}
	digest, err := tree.Save()
	if err != nil {
		t.Fatal(err)
	}
	got := slices.Sorted(maps.Keys(contents(t, store.Tree(digest))))
	slices.Sort(names)
	if diff := cmp.Diff(names, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzListing(f *testing.F) {
	f.Add([]byte(`{"name":"main.py","kind":"file","mode":"0644","size":3,"sha256":"sha256:` + strings.Repeat("ab", 32) + `"}` + "\n"))
	f.Add([]byte(`{"name":"\"caf\\xe9\"","kind":"link","target":"x"}`))
	f.Add([]byte(`{"name":"../up","kind":"file"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := decodeListing(data)
		if err != nil {
			return
		}
		var lines []named
		for _, name := range slices.Sorted(maps.Keys(entries)) {
			if !validName(name) {
				t.Fatalf("%q is let through", name)
			}
			lines = append(lines, named{Name(name), entries[name]})
		}
		encoded, err := encodeListing(lines)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeListing(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(entries, again); diff != "" {
			t.Fatal(diff)
		}
	})
}
