package folders

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestChanges: what happens in a watched folder is told by its path, also after the
// folder was renamed and watched anew, and what happens elsewhere is not.
func TestChanges(t *testing.T) {
	top := t.TempDir()
	for _, name := range []string{"a", "other"} {
		if err := os.Mkdir(filepath.Join(top, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	watcher, told := open(t, top)
	watch := func(folders ...string) {
		t.Helper()
		if err := watcher.Watch(folders); err != nil {
			t.Fatal(err)
		}
	}
	watch("", "a", "gone")
	write(t, top, "other/x")
	write(t, top, "a/file")
	await(t, told, "a/file", "other/x")
	if err := os.Mkdir(filepath.Join(top, "new"), 0o700); err != nil {
		t.Fatal(err)
	}
	await(t, told, "new", "")
	if err := os.Rename(filepath.Join(top, "a"), filepath.Join(top, "b")); err != nil {
		t.Fatal(err)
	}
	await(t, told, "b", "")
	watch("", "b", "new")
	write(t, top, "b/file")
	await(t, told, "b/file", "a/file")
	write(t, top, "new/file")
	await(t, told, "new/file", "")
}

// TestGone: without its top there is nothing to watch, and that somebody has moved
// it away is told.
func TestGone(t *testing.T) {
	top := filepath.Join(t.TempDir(), "top")
	watcher, told := open(t, top)
	gone := func() {
		t.Helper()
		if err := watcher.Watch([]string{""}); !errors.Is(err, ErrGone) {
			t.Errorf("%v, not %v", err, ErrGone)
		}
	}
	gone()
	if err := os.Mkdir(top, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := watcher.Watch([]string{""}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(top, top+"-2"); err != nil {
		t.Fatal(err)
	}
	await(t, told, "", "")
	gone()
}

func open(t *testing.T, top string) (*Watcher, <-chan Change) {
	t.Helper()
	watcher, err := Open(top)
	if err != nil {
		t.Fatal(err)
	}
	told, ended := make(chan Change, 100), make(chan error, 1)
	go func() { ended <- watcher.Run(func(change Change) { told <- change }) }()
	t.Cleanup(func() {
		watcher.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return watcher, told
}

func write(t *testing.T, top, path string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(top, path), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// await waits for a path, and wants to hear nothing of another one before.
func await(t *testing.T, told <-chan Change, path, never string) {
	t.Helper()
	late := time.After(time.Minute)
	for {
		select {
		case change := <-told:
			if change.Path == path {
				return
			}
			if never != "" && change.Path == never {
				t.Fatalf("%+v is told", change)
			}
		case <-late:
			t.Fatalf("%s is not told", path)
		}
	}
}
