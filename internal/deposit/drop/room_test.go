package drop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ground is a folder with a room at work on it.
type ground struct {
	*Room
	t   *testing.T
	top string
}

func newGround(t *testing.T) *ground {
	t.Helper()
	top := t.TempDir()
	g := &ground{t: t, top: top}
	g.again()
	return g
}

// again is another ota on the same folder.
func (g *ground) again() {
	g.Room = New(Options{Dir: filepath.Join(g.top, ".ota", "uploads"), Deposit: filepath.Join(g.top, "deposit")})
	g.free = func(string) (int64, error) { return 1 << 40, nil }
}

// resumed runs the room until what another has begun is done.
func (g *ground) resumed() {
	g.t.Helper()
	if err := g.load(); err != nil {
		g.t.Fatal(err)
	}
	g.resume(g.t.Context())
}

func (g *ground) must(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

func (g *ground) newDrop(files int, bytes int64) string {
	g.t.Helper()
	drop, err := g.NewDrop(files, bytes)
	g.must(err)
	return drop.ID
}

func (g *ground) arrive(drop, path string, size int64) string {
	g.t.Helper()
	one, err := g.NewArrival(drop, path, size)
	g.must(err)
	return one.ID
}

func (g *ground) append(id string, offset int64, text string) {
	g.t.Helper()
	at, err := g.Append(g.t.Context(), id, offset, strings.NewReader(text))
	g.must(err)
	if at != offset+int64(len(text)) {
		g.t.Fatalf("the offset is %d after %d bytes at %d", at, len(text), offset)
	}
}

func (g *ground) send(drop, path, text string) string {
	g.t.Helper()
	id := g.arrive(drop, path, int64(len(text)))
	g.append(id, 0, text)
	return id
}

func (g *ground) offset(id string) int64 {
	g.t.Helper()
	one, err := g.Arrival(id)
	g.must(err)
	return one.Offset
}

func (g *ground) deposit(path string) string { return filepath.Join(g.top, "deposit", path) }

// there is what is in deposit/: paths and contents, folders without a content.
func (g *ground) there() map[string]string {
	g.t.Helper()
	found := map[string]string{}
	top := filepath.Join(g.top, "deposit")
	err := filepath.WalkDir(top, func(at string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && entry.IsDir() {
			return nil
		}
		if err != nil {
			return err
		}
		text, err := os.ReadFile(at)
		below, _ := filepath.Rel(top, at)
		found[filepath.ToSlash(below)] = string(text)
		return err
	})
	g.must(err)
	return found
}

func (g *ground) wantThere(want map[string]string) {
	g.t.Helper()
	if diff := cmp.Diff(want, g.there()); diff != "" {
		g.t.Errorf("deposit: -want +got:\n%s", diff)
	}
}

// wantNothingLeft: .ota/uploads holds no upload.
func (g *ground) wantNothingLeft() {
	g.t.Helper()
	entries, err := os.ReadDir(g.options.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		g.t.Error(err)
	}
	for _, entry := range entries {
		if entry.Name() != bootFile {
			g.t.Errorf("left behind: %s", entry.Name())
		}
	}
	if drops := g.Drops(); len(drops) != 0 {
		g.t.Errorf("still known: %+v", drops)
	}
}

func TestAFileOfItsOwnGoesToDepositWhenItIsWhole(t *testing.T) {
	g := newGround(t)
	id := g.arrive("", "app/main.py", 11)
	g.append(id, 0, "print")
	g.wantThere(map[string]string{})
	g.again() // a restart of ota loses nothing
	if at := g.offset(id); at != 5 {
		t.Fatalf("the offset is %d after a restart", at)
	}
	g.append(id, 5, "('a')\n")
	g.wantThere(map[string]string{"app/main.py": "print('a')\n"})
	g.wantNothingLeft()
	if at := g.offset(id); at != 11 {
		t.Errorf("a client that asks once more hears %d", at)
	}
	for path, mode := range map[string]fs.FileMode{"app/main.py": 0o644, "run.sh": 0o755} {
		if path == "run.sh" {
			g.send("", path, "#!/bin/sh\n")
		}
		if info, err := os.Stat(g.deposit(path)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

func TestADropBecomesCompleteAtOnce(t *testing.T) {
	g := newGround(t)
	g.must(os.MkdirAll(g.deposit("a"), 0o755))
	g.must(os.WriteFile(g.deposit("a/old"), []byte("old"), 0o600))
	id := g.newDrop(3, 0)
	g.send(id, "a/old", "new")
	g.send(id, "a/b/c", "deep")
	if _, err := g.CompleteDrop(id); err == nil || !strings.Contains(err.Error(), "1 of 3 files") {
		t.Errorf("complete without a file: %v", err)
	}
	empty := g.arrive(id, "empty", 0)
	g.append(empty, 0, "")
	g.wantThere(map[string]string{"a/old": "old"})
	files, err := g.CompleteDrop(id)
	if err != nil || files != 3 {
		t.Fatalf("%d, %v", files, err)
	}
	g.wantThere(map[string]string{"a/old": "new", "a/b/c": "deep", "empty": ""})
	g.wantNothingLeft()
	if _, err := g.CompleteDrop(id); !isUnknown(err) {
		t.Errorf("complete twice: %v", err)
	}
}

func isUnknown(err error) bool { _, ok := errors.AsType[*Unknown](err); return ok }
func isRefused(err error) bool { _, ok := errors.AsType[*Refused](err); return ok }
func isNoSpace(err error) bool { _, ok := errors.AsType[*NoSpace](err); return ok }

func TestAnotherHoldIsLeftAlone(t *testing.T) {
	g := newGround(t)
	id := g.newDrop(1, 1)
	g.send(id, "a", "1")
	g.must(os.MkdirAll(g.deposit(""), 0o755))
	g.must(os.WriteFile(g.deposit(".hold"), nil, 0o600))
	if _, err := g.CompleteDrop(id); !errors.Is(err, errHeld) {
		t.Fatalf("%v", err)
	}
	g.wantThere(map[string]string{".hold": ""})
	g.must(os.Remove(g.deposit(".hold")))
	if _, err := g.CompleteDrop(id); err != nil {
		t.Fatal(err)
	}
	g.wantThere(map[string]string{"a": "1"})
}

func TestWhatIsInTheWayIsNamedBeforeAnythingIsMoved(t *testing.T) {
	for name, block := range map[string]func(g *ground) error{
		"b/c is a folder": func(g *ground) error { return os.MkdirAll(g.deposit("b/c/d"), 0o755) },
		"b is in deposit": func(g *ground) error { return os.WriteFile(g.deposit("b"), nil, 0o600) },
		"b is in deposit/": func(g *ground) error { // a link leads nowhere
			return os.Symlink(g.t.TempDir(), g.deposit("b"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGround(t)
			id := g.newDrop(2, 2)
			g.send(id, "a", "1")
			g.send(id, "b/c", "2")
			g.must(os.MkdirAll(g.deposit(""), 0o755))
			g.must(block(g))
			if _, err := g.CompleteDrop(id); err == nil || !strings.Contains(err.Error(), name) {
				t.Fatalf("%v", err)
			}
			if _, err := os.Lstat(g.deposit("a")); err == nil {
				t.Error("a was moved")
			}
			if _, err := os.Lstat(g.deposit(".hold")); err == nil {
				t.Error(".hold is there")
			}
			if _, err := g.NewArrival("", "b/c", 1); err == nil {
				t.Error("it is taken once more, in vain")
			}
			g.must(os.RemoveAll(g.deposit("b")))
			if _, err := g.CompleteDrop(id); err != nil {
				t.Error(err)
			}
		})
	}
	g := newGround(t)
	id := g.newDrop(2, 2)
	g.send(id, "a", "1")
	g.send(id, "a/b", "2")
	if _, err := g.CompleteDrop(id); err == nil || !strings.Contains(err.Error(), "a is a file and a folder") {
		t.Errorf("%v", err)
	}
}

func TestThePathIsTakenFromTheLaterOfTwo(t *testing.T) {
	g := newGround(t)
	id := g.newDrop(1, 0)
	first := g.send(id, "a", "first")
	g.send(id, "a", "second")
	if _, err := g.Arrival(first); !isUnknown(err) {
		t.Errorf("%v", err)
	}
	if _, err := g.CompleteDrop(id); err != nil {
		t.Fatal(err)
	}
	g.wantThere(map[string]string{"a": "second"})
}

// broken reads a text and then fails.
func broken(text string) io.Reader {
	return io.MultiReader(strings.NewReader(text), failing{})
}

type failing struct{}

var errBroken = errors.New("the connection is broken")

func (failing) Read([]byte) (int, error) { return 0, errBroken }

func TestWhatCameBeforeTheConnectionBrokeIsKept(t *testing.T) {
	g := newGround(t)
	big := strings.Repeat("x", 3*chunk+5)
	id := g.arrive("", "a", int64(len(big)))
	at, err := g.Append(t.Context(), id, 0, broken(big[:chunk+7]))
	if at != chunk+7 || !errors.Is(err, errBroken) {
		t.Fatalf("%d, %v", at, err)
	}
	for _, wrong := range []int64{0, at - 1, at + 1} {
		_, err := g.Append(t.Context(), id, wrong, strings.NewReader("y"))
		if is, ok := errors.AsType[*WrongOffset](err); !ok || is.Offset != at {
			t.Errorf("at %d: %v", wrong, err)
		}
	}
	if after, err := g.Append(t.Context(), id, at, strings.NewReader(big[at:]+"more")); after != at || !errors.Is(err, ErrTooMuch) {
		t.Errorf("too much: %d, %v", after, err)
	}
	g.append(id, at, big[at:])
	g.wantThere(map[string]string{"a": big})
}

func TestOneConnectionWritesAFile(t *testing.T) {
	g := newGround(t)
	id := g.arrive("", "a", 2)
	from, to := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		_, err := g.Append(t.Context(), id, 0, from)
		ended <- err
	}()
	_, err := to.Write([]byte("1"))
	g.must(err)
	for g.offset(id) != 1 {
		if t.Context().Err() != nil {
			t.Fatal("it is not counted")
		}
	}
	if at, err := g.Append(t.Context(), id, 1, strings.NewReader("2")); at != 1 || !errors.Is(err, ErrBusy) {
		t.Errorf("%d, %v", at, err)
	}
	g.must(g.CancelArrival(id))
	_, _ = to.Write([]byte("2"))
	if err := <-ended; !isUnknown(err) {
		t.Errorf("a cancelled file was written: %v", err)
	}
	g.wantThere(map[string]string{})
	g.wantNothingLeft()
}

func TestSpaceIsAskedForBeforeAnythingIsRead(t *testing.T) {
	g := newGround(t)
	g.free = func(string) (int64, error) { return reserve + 100, nil }
	if _, err := g.NewDrop(1, 101); !isNoSpace(err) {
		t.Errorf("a drop too large: %v", err)
	}
	id := g.newDrop(0, 60)
	if _, err := g.NewArrival("", "a", 41); !isNoSpace(err) {
		t.Errorf("what is announced is not counted: %v", err)
	}
	inside := g.arrive(id, "b", 60)
	if _, err := g.NewArrival(id, "c", 1); !isRefused(err) {
		t.Errorf("more than was announced: %v", err)
	}
	g.append(inside, 0, strings.Repeat("x", 60))
	g.free = func(string) (int64, error) { return reserve + 40, nil }
	g.must(g.CancelArrival(g.arrive("", "a", 40)))
	g.free = func(string) (int64, error) { return reserve - 1, nil }
	for _, drop := range []string{"", id} {
		if _, err := g.NewArrival(drop, "empty", 0); !isNoSpace(err) {
			t.Errorf("a file without content where there is no room: %v", err)
		}
	}
	if _, err := g.NewDrop(0, 0); !isNoSpace(err) {
		t.Errorf("a drop of which nothing is known: %v", err)
	}
	g.must(g.CancelDrop(id))
	g.wantNothingLeft()
}

func TestLimits(t *testing.T) {
	g := newGround(t)
	for _, size := range []int64{-1, MaxSize + 1} {
		if _, err := g.NewArrival("", "a", size); !isRefused(err) {
			t.Errorf("%d bytes: %v", size, err)
		}
		if _, err := g.NewDrop(1, size); !isRefused(err) {
			t.Errorf("a drop of %d bytes: %v", size, err)
		}
	}
	if _, err := g.NewDrop(maxFiles+1, 0); !isRefused(err) {
		t.Errorf("too many files: %v", err)
	}
	if _, err := g.NewArrival("none", "a", 1); !isUnknown(err) {
		t.Errorf("no such drop: %v", err)
	}
	id := g.newDrop(1, 0)
	g.arrive(id, "a", 1)
	if _, err := g.NewArrival(id, "b", 1); !isRefused(err) {
		t.Errorf("more files than announced: %v", err)
	}
	for range maxDrops - 1 {
		g.newDrop(0, 0)
	}
	if _, err := g.NewDrop(0, 0); !isRefused(err) {
		t.Errorf("too many drops: %v", err)
	}
}

func TestProgress(t *testing.T) {
	g := newGround(t)
	if _, ok := g.Progress(); ok {
		t.Error("nothing is something")
	}
	id := g.newDrop(3, 100)
	g.send(id, "a", "1234")
	g.append(g.arrive(id, "b", 10), 0, "12")
	g.append(g.arrive("", "c", 5), 0, "123")
	for range 2 { // a restart changes nothing
		got, _ := g.Progress()
		if diff := cmp.Diff(Progress{Files: 4, Done: 1, Bytes: 105, Received: 9}, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		drops := g.Drops()
		if len(drops) != 1 || drops[0].Received != 6 || len(drops[0].Files) != 2 || drops[0].Expected != 3 {
			t.Errorf("%+v", drops)
		}
		g.again()
		g.resumed()
	}
}

// TestCompletedOrCancelled: of two who press at once one wins, and what is in
// deposit/ is what he was told.
func TestCompletedOrCancelled(t *testing.T) {
	for range 30 {
		g := newGround(t)
		id := g.newDrop(2, 0)
		g.send(id, "a", "1")
		g.send(id, "lib/b", "2")
		var completed, cancelled, begun error
		var all sync.WaitGroup
		all.Go(func() { _, completed = g.CompleteDrop(id) })
		all.Go(func() { cancelled = g.CancelDrop(id) })
		all.Go(func() { _, begun = g.NewArrival(id, "c", 1) })
		all.Wait()
		if (completed == nil) == (cancelled == nil) || begun == nil {
			t.Fatalf("completed: %v, cancelled: %v, one more file: %v", completed, cancelled, begun)
		}
		want := map[string]string{}
		if completed == nil {
			want = map[string]string{"a": "1", "lib/b": "2"}
		}
		g.wantThere(want)
		g.wantNothingLeft()
	}
}

// TestLinksThatComeInBetween: who may write into deposit/ puts links where files
// are about to be moved. Nothing is written behind them.
func TestLinksThatComeInBetween(t *testing.T) {
	g := newGround(t)
	outside := filepath.Join(g.top, "outside")
	g.must(os.MkdirAll(outside, 0o755))
	secret := filepath.Join(outside, "secret")
	g.must(os.WriteFile(secret, []byte("1"), 0o600))
	id := g.newDrop(3, 0)
	g.send(id, "a", "evil")
	g.send(id, "b", "evil")
	g.send(id, "lib/secret", "evil")
	g.step = func(step string) error {
		switch step {
		case "held":
			g.must(os.Symlink(secret, g.deposit("a")))
			g.must(os.Link(secret, g.deposit("b")))
		case "moving lib/secret":
			return os.Symlink(outside, g.deposit("lib"))
		}
		return nil
	}
	if _, err := g.CompleteDrop(id); err == nil {
		t.Error("a folder that is a link was taken for one")
	}
	if text, err := os.ReadFile(secret); string(text) != "1" || err != nil {
		t.Errorf("outside it reads %q, %v", text, err)
	}
	for _, name := range []string{"a", "b"} {
		info, err := os.Lstat(g.deposit(name))
		if err != nil || !info.Mode().IsRegular() {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if info, err := os.Stat(secret); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	g.step = nil
	g.must(os.Remove(g.deposit("lib")))
	if _, err := g.CompleteDrop(id); err != nil {
		t.Error(err)
	}
	g.wantThere(map[string]string{"a": "evil", "b": "evil", "lib/secret": "evil"})
}

// TestManyAtOnce is for the race detector.
func TestManyAtOnce(t *testing.T) {
	g := newGround(t)
	const drops, files = 4, 40
	ended := make(chan error, drops)
	for n := range drops {
		go func() {
			ended <- func() error {
				drop, err := g.NewDrop(files, 0)
				if err != nil {
					return err
				}
				for i := range files {
					one, err := g.NewArrival(drop.ID, fmt.Sprintf("%d/%d/f", n, i%3+10*i), 3)
					if err != nil {
						return err
					}
					if _, err := g.Append(context.Background(), one.ID, 0, bytes.NewReader([]byte("abc"))); err != nil {
						return err
					}
					g.Progress()
					g.Drops()
				}
				if n%2 == 1 {
					return g.CancelDrop(drop.ID)
				}
				_, err = g.CompleteDrop(drop.ID)
				return err
			}()
		}()
	}
	for range drops {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if there := g.there(); len(there) != drops/2*files {
		t.Errorf("%d files", len(there))
	}
	g.wantNothingLeft()
}
