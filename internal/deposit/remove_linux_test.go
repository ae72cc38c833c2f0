package deposit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What was touched after it was sealed stays.
func TestRemoveLeavesWhatChanged(t *testing.T) {
	for name, change := range map[string]func(g *ground) error{
		"rewritten": func(g *ground) error { return os.WriteFile(g.at("d/a"), []byte("new"), 0o644) },
		"replaced": func(g *ground) error {
			return errors.Join(os.WriteFile(g.at("n"), []byte("old"), 0o644), os.Rename(g.at("n"), g.at("d/a")))
		},
		"chmod": func(g *ground) error { return os.Chmod(g.at("d/a"), 0o600) },
		"now a link": func(g *ground) error {
			return errors.Join(os.Remove(g.at("d/a")), os.Symlink("b", g.at("d/a")))
		},
		"being written": func(g *ground) error {
			file, err := os.OpenFile(g.at("d/a"), os.O_WRONLY, 0)
			g.Cleanup(func() { file.Close() })
			return err
		},
		"now a folder": func(g *ground) error { return errors.Join(os.Remove(g.at("d/a")), os.Mkdir(g.at("d/a"), 0o755)) },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGround(t)
			g.write(map[string]string{"d/a": "old", "d/b": "1", "e/f": "2"})
			g.age()
			sealed := g.seal()
			defer sealed.Close()
			g.must(change(g))
			want, err := os.ReadFile(g.at("d/a"))
			if name == "now a folder" || name == "now a link" {
				err = nil
			}
			g.must(err)
			g.must(g.room.Remove(sealed))
			if left := fmt.Sprint(g.left()); left != "[d d/a]" {
				t.Errorf("left: %s", left)
			}
			if got, _ := os.ReadFile(g.at("d/a")); name != "now a link" && string(got) != string(want) {
				t.Errorf("d/a holds %q, want %q", got, want)
			}
			g.nothingTaken()
		})
	}
}

// nothingTaken wants no private folder of Remove to be left.
func (g *ground) nothingTaken() {
	g.Helper()
	if found, err := filepath.Glob(filepath.Join(g.room.options.Incoming, takenPrefix+"*")); err != nil || len(found) > 0 {
		g.Errorf("left in incoming: %q, %v", found, err)
	}
}

// A client has the file open when it is renamed away: its bytes stay.
func TestRemovePutsBackWhatIsOpen(t *testing.T) {
	g := newGround(t)
	g.write(map[string]string{"d/a": "old"})
	sealed := g.seal()
	defer sealed.Close()
	var file *os.File
	g.room.taken = func(string) {
		// As if it had been opened by its name just before.
		names, err := filepath.Glob(filepath.Join(g.room.options.Incoming, takenPrefix+"*", "d/a"))
		g.must(err)
		file, err = os.OpenFile(names[0], os.O_WRONLY|os.O_TRUNC, 0)
		g.must(err)
	}
	g.must(g.room.Remove(sealed))
	_, err := file.WriteString("newer")
	g.must(errors.Join(err, file.Close()))
	if content, err := os.ReadFile(g.at("d/a")); err != nil || string(content) != "newer" {
		t.Errorf("d/a holds %q, %v", content, err)
	}
	g.nothingTaken()
}

// While a file that is open is away, a client makes another of that name.
func TestRemoveKeepsBoth(t *testing.T) {
	g := newGround(t)
	name := strings.Repeat("ä", 127)
	g.write(map[string]string{name: "old"})
	sealed := g.seal()
	defer sealed.Close()
	g.room.taken = func(string) {
		names, err := filepath.Glob(filepath.Join(g.room.options.Incoming, takenPrefix+"*", "*"))
		g.must(err)
		g.must(os.WriteFile(names[0], []byte("newer"), 0o644))
		g.write(map[string]string{name: "newest"})
	}
	g.must(g.room.Remove(sealed))
	contents := map[string]string{}
	for _, path := range g.left() {
		content, err := os.ReadFile(g.at(path))
		g.must(err)
		contents[path] = string(content)
	}
	backup := backupName(name, 1)
	if len(contents) != 2 || contents[name] != "newest" || contents[backup] != "newer" {
		t.Errorf("left: %q", contents)
	}
	if got := classify(backup, KindFile, nil); got != leftover {
		t.Errorf("the backup would be %s", got)
	}
	if !strings.Contains(g.log.String(), "another has its name") {
		t.Errorf("not said: %s", g.log)
	}
	g.nothingTaken()
}

// The same bytes length, the same tick of the kernel's clock: only the content
// can tell that a file was written again.
func TestRemoveComparesTheContentOfYoungFiles(t *testing.T) {
	g := newGround(t)
	g.write(map[string]string{"a": "old"})
	sealed := g.seal()
	defer sealed.Close()
	if !sealed.Files[0].racy {
		t.Skip("sealed too long after it was written")
	}
	g.must(os.WriteFile(g.at("a"), []byte("new"), 0o644))
	g.must(os.Chtimes(g.at("a"), time.Now(), sealed.Files[0].ModTime))
	sealed.Files[0].original = g.snapshot().tree.items[0].id
	g.must(g.room.Remove(sealed))
	if content, err := os.ReadFile(g.at("a")); err != nil || string(content) != "new" {
		t.Errorf("a holds %q, %v", content, err)
	}
}

func TestRemoveTwice(t *testing.T) {
	g := newGround(t)
	g.write(map[string]string{"d/a": "1"})
	sealed := g.seal()
	defer sealed.Close()
	g.must(g.room.Remove(sealed))
	g.write(map[string]string{"d/a": "1"})
	g.must(g.room.Remove(sealed))
	if left := fmt.Sprint(g.left()); left != "[d d/a]" {
		t.Errorf("left: %s", left)
	}
	g.must(os.RemoveAll(g.dir))
	g.must(g.room.Remove(sealed))
}

func TestRemoveFromAnotherMount(t *testing.T) {
	const memory = "/dev/shm"
	var here, there unix.Stat_t
	top := t.TempDir()
	if unix.Stat(memory, &there) != nil || unix.Stat(top, &here) != nil || here.Dev == there.Dev {
		t.Skip("no other mount to use")
	}
	elsewhere, err := os.MkdirTemp(memory, "ota-deposit-test-")
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { os.RemoveAll(elsewhere) })
	g := groundAt(t, top)
	g.must(os.Symlink(elsewhere, g.dir))
	g.write(map[string]string{"d/a": "1", "d/b": "2", "e/c": "3", "f": "4"})
	g.must(os.Symlink("f", g.at("l")))
	g.age()
	sealed := g.seal()
	defer sealed.Close()
	g.write(map[string]string{"d/a": "2"})
	file, err := os.OpenFile(g.at("e/c"), os.O_WRONLY, 0)
	g.must(err)
	defer file.Close()
	g.must(g.room.Remove(sealed))
	var left []string
	g.must(filepath.WalkDir(elsewhere, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			left = append(left, strings.TrimPrefix(path, elsewhere+"/"))
		}
		return err
	}))
	if fmt.Sprint(left) != "[d/a e/c]" {
		t.Errorf("left: %q", left)
	}
	g.nothingTaken()
}

// A process was killed between the rename and the look.
func TestRunPutsBackWhatWasTaken(t *testing.T) {
	g := newGround(t)
	g.write(map[string]string{"d/both": "newer"})
	incoming := g.room.options.Incoming
	for path, content := range map[string]string{
		"taken-1/d/e/a": "1", "taken-1/b": "2", "taken-2/d/both": "older", "sealed-3/0": "a copy", "another": "",
	} {
		g.must(os.MkdirAll(filepath.Dir(filepath.Join(incoming, path)), 0o700))
		g.must(os.WriteFile(filepath.Join(incoming, path), []byte(content), 0o600))
	}
	g.must(os.Symlink("b", filepath.Join(incoming, "taken-1/link")))
	g.must(os.Mkdir(filepath.Join(incoming, "taken-4"), 0o700))
	g.run()
	g.await(Receiving)
	got := map[string]string{}
	for _, path := range g.left() {
		content, _ := os.ReadFile(g.at(path))
		got[path] = string(content)
	}
	want := map[string]string{
		"b": "2", "d": "", "d/both": "newer", "d/both.~1~": "older", "d/e": "", "d/e/a": "1", "link": "2",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("deposit holds %v, want %v", got, want)
	}
	left, err := os.ReadDir(incoming)
	if err != nil || len(left) != 1 || left[0].Name() != "another" {
		t.Errorf("left in incoming: %v, %v", left, err)
	}
}
