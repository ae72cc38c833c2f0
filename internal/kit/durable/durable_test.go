package durable

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWriteFileReplacesAndLeavesNothingElse(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	for _, content := range []string{"first", "second"} {
		if err := WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(path); string(data) != content {
			t.Fatalf("%q, %v", data, err)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestFailedWriteKeepsTheOldContent(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	if err := WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path+temporary, 0o700); err != nil { // nothing can be written there
		t.Fatal(err)
	}
	if err := WriteFile(path, []byte("new"), 0o600); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("the error does not name the file: %v", err)
	}
	if data, _ := os.ReadFile(path); string(data) != "old" {
		t.Errorf("the old content is gone: %q", data)
	}
}

func TestOverwriteChangesOnlyTheBeginning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	if err := os.WriteFile(path, []byte("prepared rest"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Overwrite(path, []byte("switched")); err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(path); string(data) != "switched rest" {
		t.Errorf("%q", data)
	}
	if err := Overwrite(path+".missing", []byte("x")); err == nil {
		t.Error("a file that is not there was made")
	}
}

func TestReadJSONNamesTheDamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	var into map[string]int
	if err := ReadJSON(path, &into); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
}
