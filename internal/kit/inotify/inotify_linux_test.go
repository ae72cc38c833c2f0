package inotify

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestNamesInAFolder(t *testing.T) {
	dir := t.TempDir()
	watcher := open(t)
	watch := add(t, watcher, dir, Create|Written|Delete)
	long := strings.Repeat("ü", 127) + "\n"
	for _, name := range []string{"a", long, "\xff"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	want := []Event{
		{watch, Create, "a"}, {watch, Written, "a"},
		{watch, Create, long}, {watch, Written, long},
		{watch, Create, "\xff"}, {watch, Written, "\xff"},
		{watch, Delete, "a"},
	}
	var got []Event
	for len(got) < len(want) {
		events, err := watcher.Read()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, events...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A folder is watched itself, not its path, and twice is once.
func TestAddFollowsTheFolder(t *testing.T) {
	dir := t.TempDir()
	before, after := filepath.Join(dir, "before"), filepath.Join(dir, "after")
	if err := os.Mkdir(before, 0o700); err != nil {
		t.Fatal(err)
	}
	folder, err := os.Open(before)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	if err := os.Rename(before, after); err != nil {
		t.Fatal(err)
	}
	watcher := open(t)
	first, err := watcher.Add(folder, Create)
	if err != nil {
		t.Fatal(err)
	}
	second, err := watcher.AddPath(after, Delete)
	if err != nil || second != first {
		t.Fatalf("AddPath = %v, %v, want watch %v again", second, err, first)
	}
	if err := os.Mkdir(filepath.Join(after, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	events, err := watcher.Read()
	if diff := cmp.Diff([]Event{{first, Create | IsFolder, "x"}}, events); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestRemoveEndsAWatch(t *testing.T) {
	watcher := open(t)
	watch := add(t, watcher, t.TempDir(), Create)
	for range 2 {
		if err := watcher.Remove(watch); err != nil {
			t.Fatal(err)
		}
	}
	events, err := watcher.Read()
	if diff := cmp.Diff([]Event{{watch, Ended, ""}}, events); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestAddRefusesAFile(t *testing.T) {
	if _, err := open(t).AddPath(os.Args[0], Create); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("AddPath of a file: %v, want ENOTDIR", err)
	}
}

func TestCloseEndsRead(t *testing.T) {
	watcher := open(t)
	ended := make(chan error)
	go func() {
		_, err := watcher.Read()
		ended <- err
	}()
	if err := watcher.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Read after Close: %v, want os.ErrClosed", err)
	}
}

func TestParseRefusesWhatIsCutOff(t *testing.T) {
	whole := encode(Event{3, Create, "name"})
	for n := 1; n < len(whole); n++ {
		if events, err := Parse(whole[:n]); err == nil {
			t.Errorf("Parse of %d of %d bytes = %v, want an error", n, len(whole), events)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(encode(Event{1, Create, "a"}, Event{-1, Lost, ""}))
	f.Add([]byte{1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		events, err := Parse(data)
		if err != nil {
			return
		}
		again, err := Parse(encode(events...))
		if diff := cmp.Diff(events, again); err != nil || diff != "" {
			t.Errorf("what was read is not what is written: %v %s", err, diff)
		}
	})
}

// encode writes events as the kernel does.
func encode(events ...Event) (data []byte) {
	const round = unix.SizeofInotifyEvent
	for _, event := range events {
		name := make([]byte, (len(event.Name)+round)/round*round)
		if event.Name == "" {
			name = nil
		}
		copy(name, event.Name)
		data = binary.NativeEndian.AppendUint32(data, uint32(event.Watch))
		data = binary.NativeEndian.AppendUint32(data, uint32(event.Mask))
		data = binary.NativeEndian.AppendUint32(data, 0) // cookie
		data = binary.NativeEndian.AppendUint32(data, uint32(len(name)))
		data = append(data, name...)
	}
	return data
}

func open(t *testing.T) *Watcher {
	t.Helper()
	watcher, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { watcher.Close() })
	return watcher
}

func add(t *testing.T, watcher *Watcher, dir string, mask Mask) Watch {
	t.Helper()
	watch, err := watcher.AddPath(dir, mask)
	if err != nil {
		t.Fatal(err)
	}
	return watch
}
