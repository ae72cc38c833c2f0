package release

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func enter(t *testing.T, room *Room, files map[string]string, state State) Record {
	t.Helper()
	digest, err := treeOf(t, room.Store(), files).Save()
	if err != nil {
		t.Fatal(err)
	}
	record := Record{
		Number: room.Next(), Digest: digest, State: state, From: room.Current(),
		Created: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC),
		Files:   []Touched{{"caf\xe9", Added}},
	}
	if err := room.Enter(record, Tries{}); err != nil {
		t.Fatal(err)
	}
	record, err = room.Record(record.Number)
	if err != nil {
		t.Fatal(err)
	}
	return record
}

func TestRecordsAreReadAgain(t *testing.T) {
	room := newRoom(t)
	first := enter(t, room, map[string]string{"a": "1"}, Adopted)
	second := enter(t, room, map[string]string{"a": "2"}, Confirmed)
	again, warning, err := Open(room.dir)
	if err != nil || warning != "" {
		t.Fatal(err, warning)
	}
	if again.Current() != 2 || again.Next() != 3 {
		t.Errorf("current %d, next %d", again.Current(), again.Next())
	}
	history, err := again.History()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Record{second, first}, history); diff != "" {
		t.Error(diff)
	}
}

// TestLostStateIsFoundAgain: no damage of state.json stops anything.
func TestLostStateIsFoundAgain(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"empty":     func(path string) error { return os.Truncate(path, 0) },
		"garbage":   func(path string) error { return os.WriteFile(path, []byte("\x00\xff{"), 0o600) },
		"gone":      os.Remove,
		"elsewhere": func(path string) error { return os.WriteFile(path, []byte(`{"current": 77}`), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			room := newRoom(t)
			enter(t, room, map[string]string{"a": "1"}, Confirmed)
			enter(t, room, map[string]string{"a": "2"}, Confirmed)
			enter(t, room, map[string]string{"a": "3"}, Trial)
			if err := room.Reverse(Reversal{From: 3, To: 2, Verdict: RolledBack}); err != nil {
				t.Fatal(err)
			}
			if err := damage(room.statePath()); err != nil {
				t.Fatal(err)
			}
			again, warning, err := Open(room.dir)
			if err != nil {
				t.Fatal(err)
			}
			if again.Current() != 2 || again.Next() != 4 || !strings.Contains(warning, "release 2") {
				t.Errorf("current %d, next %d, warning %q", again.Current(), again.Next(), warning)
			}
		})
	}
}

func TestDamagedRecordIsLeftOutAndNamed(t *testing.T) {
	room := newRoom(t)
	enter(t, room, map[string]string{"a": "1"}, Confirmed)
	enter(t, room, map[string]string{"a": "2"}, Confirmed)
	if err := os.WriteFile(room.recordPath(1), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	history, err := room.History()
	if len(history) != 1 || history[0].Number != 2 {
		t.Errorf("history: %v", history)
	}
	if err == nil || !strings.Contains(err.Error(), room.recordPath(1)) {
		t.Errorf("the error does not name the file: %v", err)
	}
}

func TestLookingMakesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), ".ota")
	room, err := OpenRead(dir)
	if err != nil {
		t.Fatal(err)
	}
	if room.Current() != 0 {
		t.Errorf("current is %d", room.Current())
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("looking made %s", dir)
	}
}

// TestTakenContentHeals: a content that a power cut damaged in the store is
// whole again when the same content comes a second time.
func TestTakenContentHeals(t *testing.T) {
	room := newRoom(t)
	sum := fileEntry("content").Sum
	take := func() {
		t.Helper()
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := room.Store().Take(file, sum); err != nil {
			t.Fatal(err)
		}
	}
	take()
	if err := os.Truncate(room.Store().Path(sum), 0); err != nil {
		t.Fatal(err)
	}
	take()
	if data, err := os.ReadFile(room.Store().Path(sum)); string(data) != "content" {
		t.Errorf("the store has %q, %v", data, err)
	}
}

// TestTakenBackContent stays in the store as it is if it is whole there, and
// else the version that comes back replaces it. The file is gone either way.
func TestTakenBackContent(t *testing.T) {
	for name, there := range map[string]string{"whole": "content", "torn": "cont", "zeros": "\x00\x00\x00\x00\x00\x00\x00", "longer": "contents", "gone": ""} {
		t.Run(name, func(t *testing.T) {
			room := newRoom(t)
			place := room.Store().Path(fileEntry("content").Sum)
			before := writeContent(t, place, there)
			file := filepath.Join(t.TempDir(), "file")
			writeContent(t, file, "content")
			if err := room.Store().TakeBack(file, fileEntry("content").Sum); err != nil {
				t.Fatal(err)
			}
			if data, err := os.ReadFile(place); string(data) != "content" {
				t.Errorf("the store has %q, %v", data, err)
			}
			if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the file: %v", err)
			}
			if after, err := os.Stat(place); err != nil || os.SameFile(before, after) != (name == "whole") {
				t.Errorf("the content is the same file: %v, %v", err == nil && os.SameFile(before, after), err)
			}
		})
	}
}

// writeContent writes a file, or none if it is to be empty.
func writeContent(t *testing.T, path, content string) fs.FileInfo {
	t.Helper()
	if content == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}
