package activate

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ota/internal/reason"
	"ota/internal/release"
)

// bench is a folder with main/ and .ota, and contents to switch to.
type bench struct {
	t        *testing.T
	dir      string
	contents string
	room     *Room
}

func newBench(t *testing.T, files map[string]string) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), contents: t.TempDir()}
	for _, dir := range []string{"main", ".ota"} {
		if err := os.Mkdir(filepath.Join(b.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for at, content := range files {
		b.write(at, content)
	}
	b.room = b.reopen()
	return b
}

// reopen is a new ota on the same folder.
func (b *bench) reopen() *Room {
	return New(Options{
		Main: filepath.Join(b.dir, "main"),
		Dir:  filepath.Join(b.dir, ".ota"),
		Bytecode: func(path string) (string, func(string) bool) {
			folder, name := filepath.Split(path)
			stem := strings.TrimSuffix(name, ".py") + "."
			return filepath.Join(folder, "__pycache__"), func(name string) bool { return strings.HasPrefix(name, stem) }
		},
	})
}

func (b *bench) write(at, content string) {
	b.t.Helper()
	path := filepath.Join(b.dir, "main", at)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) put(at, content string) Change {
	b.t.Helper()
	sum := sha256.Sum256([]byte(content))
	source := filepath.Join(b.contents, release.Sum(sum).Hex())
	if err := os.WriteFile(source, []byte(content), 0o600); err != nil {
		b.t.Fatal(err)
	}
	entry := release.Entry{Kind: release.File, Mode: 0o644, Size: int64(len(content)), Sum: sum}
	return Change{Path: release.Name(at), Action: Put, Entry: entry, Source: source, ModTime: time.Unix(1e9, 42)}
}

// main is what stands in main/: contents, "-> target" of links, "/" of folders,
// "+x" behind what is executable.
func (b *bench) main() map[string]string {
	b.t.Helper()
	found := map[string]string{}
	top := filepath.Join(b.dir, "main")
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == top {
			return err
		}
		at, _ := filepath.Rel(top, path)
		info, err := entry.Info()
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			found[at] = "/"
		case entry.Type()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(path)
			found[at] = "-> " + target
		default:
			data, err := os.ReadFile(path)
			found[at] = string(data)
			if info.Mode()&0o100 != 0 {
				found[at] += "+x"
			}
			return err
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return found
}

func (b *bench) expect(when string, want map[string]string) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.main()); diff != "" {
		b.t.Fatalf("main/ %s (-want +got):\n%s", when, diff)
	}
}

func (b *bench) expectNothingLeft() {
	b.t.Helper()
	entries, err := os.ReadDir(filepath.Join(b.dir, ".ota"))
	if err != nil || len(entries) != 0 {
		b.t.Fatalf(".ota holds %v, %v", entries, err)
	}
}

var before = map[string]string{
	"main.py": "old", "lib/util.py": "old", "lib/__pycache__/util.cpython-311.pyc": "old",
	"lib/__pycache__/other.cpython-311.pyc": "other", "gone.py": "old", "mode.sh": "same", "data.db": "mine",
}

// plan holds every kind of change.
func (b *bench) plan() Plan {
	executable := b.put("mode.sh", "same")
	executable.Entry.Mode = 0o755
	return Plan{
		Changes: []Change{
			b.put("main.py", "new"),
			b.put("lib/util.py", "new"),
			b.put("new/deep/file", "new"),
			executable,
			{Path: "current", Action: Put, Entry: release.Entry{Kind: release.Link, Target: "new/deep"}},
			{Path: "empty/inner", Action: Put, Entry: release.Entry{Kind: release.Folder}},
			{Path: "gone.py", Action: Remove},
		},
		Stale: []release.Name{"main.py", "lib/util.py"},
		Note:  json.RawMessage(`{"number":7}`),
	}
}

func mainBefore() map[string]string {
	return map[string]string{
		"main.py": "old", "lib": "/", "lib/util.py": "old", "lib/__pycache__": "/",
		"lib/__pycache__/util.cpython-311.pyc": "old", "lib/__pycache__/other.cpython-311.pyc": "other",
		"gone.py": "old", "mode.sh": "same", "data.db": "mine",
	}
}

func mainAfter() map[string]string {
	return map[string]string{
		"main.py": "new", "lib": "/", "lib/util.py": "new", "lib/__pycache__": "/",
		"lib/__pycache__/other.cpython-311.pyc": "other", "mode.sh": "same+x", "data.db": "mine",
		"new": "/", "new/deep": "/", "new/deep/file": "new", "current": "-> new/deep", "empty": "/", "empty/inner": "/",
	}
}

func TestSwitchAndFinish(t *testing.T) {
	b := newBench(t, before)
	if err := b.room.Prepare(context.Background(), b.plan()); err != nil {
		t.Fatal(err)
	}
	b.expect("after Prepare", mainBefore())
	if err := b.room.Switch(); err != nil {
		t.Fatal(err)
	}
	b.expect("after Switch", mainAfter())
	if info, err := os.Stat(filepath.Join(b.dir, "main/main.py")); err != nil || !info.ModTime().Equal(time.Unix(1e9, 42)) {
		t.Errorf("the modification time is not kept: %v, %v", info.ModTime(), err)
	}
	olds := map[string]string{}
	err := b.room.Finish(func(found []Old) error {
		for _, old := range found {
			data, err := os.ReadFile(old.File)
			if err != nil {
				return err
			}
			olds[old.Path] = string(data)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"main.py": "old", "lib/util.py": "old", "mode.sh": "same", "gone.py": "old"}
	if diff := cmp.Diff(want, olds); diff != "" {
		t.Error(diff)
	}
	b.expect("after Finish", mainAfter())
	b.expectNothingLeft()
}

func TestDiscardedSwitchLeavesNothing(t *testing.T) {
	b := newBench(t, before)
	if err := b.room.Prepare(context.Background(), b.plan()); err != nil {
		t.Fatal(err)
	}
	if found, _, err := b.reopen().Recover(); err != nil || found != Nothing {
		t.Fatal(found, err)
	}
	b.expect("after an interruption before the switch", mainBefore())
	b.expectNothingLeft()
}

// TestInterruptedSwitchIsCarriedForward stops after each number of changes, and
// the recovery from it after each number as well.
func TestInterruptedSwitchIsCarriedForward(t *testing.T) {
	count := len((&bench{t: t, contents: t.TempDir()}).plan().Changes)
	for done := range count + 1 {
		for doneAgain := range count + 1 {
			b := newBench(t, before)
			if err := b.room.Prepare(context.Background(), b.plan()); err != nil {
				t.Fatal(err)
			}
			b.goForward(done)
			b.room.close()
			b.room = b.reopen()
			b.recoverPartly(doneAgain)
			found, note, err := b.reopen().Recover()
			if err != nil || found != Switched || !strings.Contains(string(note), `"number": 7`) {
				t.Fatal(found, string(note), err)
			}
			b.expect(fmt.Sprintf("interrupted after %d and %d changes", done, doneAgain), mainAfter())
		}
	}
}

func (b *bench) goForward(count int) {
	b.t.Helper()
	if err := b.room.markJournal(); err != nil {
		b.t.Fatal(err)
	}
	for i, change := range b.room.ready.plan.Changes[:count] {
		if err := b.room.ready.work.forward(i, change); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *bench) recoverPartly(count int) {
	b.t.Helper()
	ready, begun, err := b.room.readJournal()
	if err != nil || !begun {
		b.t.Fatal(begun, err)
	}
	work, err := b.room.openWork()
	if err != nil {
		b.t.Fatal(err)
	}
	defer work.close()
	for i, change := range ready.plan.Changes[:count] {
		if err := work.forwardAgain(i, change); err != nil {
			b.t.Fatal(err)
		}
	}
}

// TestFailedSwitchIsUndone fails at each change in turn.
func TestFailedSwitchIsUndone(t *testing.T) {
	count := len((&bench{t: t, contents: t.TempDir()}).plan().Changes)
	for failing := range count + 1 {
		b := newBench(t, before)
		if err := b.room.Prepare(context.Background(), b.plan()); err != nil {
			t.Fatal(err)
		}
		b.goForward(failing)
		if err := b.room.undo(failing, errors.New("no more")); err == nil || err.Error() != "no more" {
			t.Fatal(err)
		}
		b.expect(fmt.Sprintf("undone after %d changes", failing), mainBefore())
		b.expectNothingLeft()
	}
}

// TestFinishMayFailAtItsLastStep: it went on failing when the journal could not
// be removed at once.
func TestFinishMayFailAtItsLastStep(t *testing.T) {
	b := newBench(t, map[string]string{"a": "1"})
	plan := Plan{Changes: []Change{b.put("a", "2")}}
	if err := errors.Join(b.room.Prepare(t.Context(), plan), b.room.Switch()); err != nil {
		t.Fatal(err)
	}
	journal := filepath.Join(b.dir, ".ota", "journal.json")
	if err := errors.Join(os.Rename(journal, journal+".kept"), os.MkdirAll(filepath.Join(journal, "x"), 0o700)); err != nil {
		t.Fatal(err)
	}
	save := func([]Old) error { return nil }
	if err := b.room.Finish(save); err == nil {
		t.Fatal("the journal could not be removed, and nothing was said")
	}
	if err := errors.Join(os.RemoveAll(journal), os.Rename(journal+".kept", journal)); err != nil {
		t.Fatal(err)
	}
	if err := b.room.Finish(save); err != nil {
		t.Fatal(err)
	}
	b.expect("after a second try", map[string]string{"a": "2"})
	b.expectNothingLeft()
}

// TestBytecodeThatCannotBeRemoved: it would be run in place of the new source.
func TestBytecodeThatCannotBeRemoved(t *testing.T) {
	before := map[string]string{"a.py": "1", "__pycache__/a.pyc/in the way": ""}
	b := newBench(t, before)
	plan := Plan{Changes: []Change{b.put("a.py", "2")}, Stale: []release.Name{"a.py"}}
	if err := b.room.Prepare(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	if err := b.room.Switch(); err == nil || !strings.Contains(err.Error(), "__pycache__") {
		t.Errorf("the switch: %v", err)
	}
	if got := b.main()["a.py"]; got != "1" {
		t.Errorf("a.py is %q", got)
	}
	b.expectNothingLeft()
}

func TestDamagedJournalIsSetAside(t *testing.T) {
	b := newBench(t, before)
	if err := b.room.Prepare(context.Background(), b.plan()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.room.journalPath(), []byte("\x00\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.reopen().Recover(); err == nil || !strings.Contains(err.Error(), "discarded") {
		t.Fatalf("the error does not say where the journal is: %v", err)
	}
	b.expect("after a damaged journal", mainBefore())
	if found, _, err := b.reopen().Recover(); found != Nothing || err != nil {
		t.Fatal(found, err)
	}
}

// TestJournalThatCannotBeRead: it was set aside, and what the program was
// started in might have been a mixture.
func TestJournalThatCannotBeRead(t *testing.T) {
	b := newBench(t, before)
	if err := errors.Join(b.room.Prepare(t.Context(), b.plan()), b.room.markJournal()); err != nil {
		t.Fatal(err)
	}
	journal := filepath.Join(b.dir, ".ota", "journal.json")
	if err := errors.Join(os.Rename(journal, journal+".kept"), os.Mkdir(journal, 0o700)); err != nil {
		t.Fatal(err)
	}
	again := b.reopen()
	if _, _, err := again.Recover(); !errors.As(err, new(*Torn)) {
		t.Errorf("Recover: %v", err)
	}
	if err := errors.Join(os.Remove(journal), os.Rename(journal+".kept", journal)); err != nil {
		t.Fatal(err)
	}
	if found, _, err := again.Recover(); found != Switched || err != nil {
		t.Errorf("Recover, when it can be read: %s, %v", found, err)
	}
	b.expect("at last", mainAfter())
}

func TestConflictsAreNamed(t *testing.T) {
	outside := t.TempDir()
	b := newBench(t, map[string]string{"folder/file": "x", "file": "x"})
	if err := os.Symlink(outside, filepath.Join(b.dir, "main/link")); err != nil {
		t.Fatal(err)
	}
	err := b.room.Prepare(context.Background(), Plan{Changes: []Change{
		b.put("folder", "a file"),
		b.put("file/below", "needs a folder"),
		b.put("link/escape", "leaves"),
		{Path: "file", Action: Put, Entry: release.Entry{Kind: release.Folder}},
		b.put("fine", "fine"),
	}})
	var refused *reason.Refused
	if !errors.As(err, &refused) {
		t.Fatalf("not refused: %v", err)
	}
	var got []string
	for _, one := range refused.Reasons {
		got = append(got, one.String())
	}
	want := []string{
		"folder: main/ has a folder of this name, the upload a file",
		`file/below: main/ has a file at "file", the upload a folder`,
		`link/escape: main/ has a symbolic link at "link", the upload a folder`,
		`file: main/ has a file at "file", the upload a folder`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if entries, _ := os.ReadDir(outside); len(entries) != 0 {
		t.Errorf("written through a link: %v", entries)
	}
	b.expectNothingLeft()
}

// TestDamagedContentIsNotStaged: what does not have its sum never gets into
// main/.
func TestDamagedContentIsNotStaged(t *testing.T) {
	b := newBench(t, before)
	change := b.put("main.py", "new")
	if err := os.WriteFile(change.Source, []byte("nEw"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := b.room.Prepare(context.Background(), Plan{Changes: []Change{change}})
	if err == nil || !strings.Contains(err.Error(), change.Source) {
		t.Fatalf("the error does not name the damaged content: %v", err)
	}
	b.expect("after a damaged content", mainBefore())
	b.expectNothingLeft()
}

func TestScanLeavesOutWhatIsDerived(t *testing.T) {
	b := newBench(t, before)
	var got []string
	err := b.room.Scan(context.Background(), func(at string, entry release.Entry) error {
		got = append(got, fmt.Sprint(at, " ", entry.Kind))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"data.db file", "gone.py file", "lib folder", "lib/util.py file", "main.py file", "mode.sh file"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte(headPrepared + `"changes": []}`))
	f.Add([]byte(headSwitching + `"changes": [{"path": "a", "action": "remove"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "journal.json"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, begun, err := New(Options{Dir: dir}).readJournal()
		if err != nil && begun {
			t.Fatalf("damaged and begun: %v", err)
		}
	})
}
