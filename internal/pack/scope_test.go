package pack

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"ota/internal/parcel"
)

// TestScope: what is not packed concerns nobody, but for the files that say so.
func TestScope(t *testing.T) {
	dir := t.TempDir()
	for path, content := range map[string]string{
		".gitignore": "*.log\nnode_modules/\n", "lib/.otaignore": "!keep.log\n/tests\n", "lib/a.py": "", "lib/tests/b.py": "",
		"node_modules/x/y.js": "", ".git/HEAD": "", "__pycache__/a.pyc": "", "deep/er/c.py": "",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	scope, err := ScopeOf(dir)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(scope.Folders)
	if want := []string{"", "deep", "deep/er", "lib"}; !slices.Equal(scope.Folders, want) {
		t.Errorf("%q, not %q", scope.Folders, want)
	}
	for path, want := range map[string]bool{
		"main.py": true, "deep/er/new.txt": true, "a.log": false, "lib/keep.log": true, "deep/keep.log": false,
		".gitignore": true, "lib/.otaignore": true, ".main.py.swp": false, "4913": false, "main.py~": false, "lib/tests": false,
	} {
		if got := scope.Concerns(path, false); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
	for path, want := range map[string]bool{"new": true, "node_modules": false, ".git": false, "__pycache__": false} {
		if got := scope.Concerns(path, true); got != want {
			t.Errorf("%s/: %v", path, got)
		}
	}
}

// TestChangedMeanwhile: a file that is not as it was described is not taken for it.
func TestChangedMeanwhile(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("1"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	project, err := Describe(t.Context(), Options{Source: dir, Release: parcel.Manifest{Kind: parcel.Whole}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "b"), []byte("22"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "c")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{"a": nil, "b": ErrChanged, "c": ErrChanged} {
		file, err := project.Open(name)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			file.Close()
		}
	}
}
