package drop

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ota/internal/kit/durable"
)

var errKilled = errors.New("killed")

// TestACompletionIsCarriedToItsEnd: killed before any step, the next ota has
// either a drop that is open and untouched or all files in deposit/, complete,
// and at no time some of them without .hold.
func TestACompletionIsCarriedToItsEnd(t *testing.T) {
	files := map[string]string{"a": "1", "b/c": "2", "b/d/e": "3", "z": ""}
	begin := func(t *testing.T) (*ground, string) {
		g := newGround(t)
		g.must(os.MkdirAll(g.deposit("b"), 0o755))
		g.must(os.WriteFile(g.deposit("b/c"), []byte("old"), 0o600))
		id := g.newDrop(len(files), 0)
		for path, text := range files {
			g.send(id, path, text)
		}
		return g, id
	}
	var steps []string
	g, id := begin(t)
	g.step = func(step string) error { steps = append(steps, step); return nil }
	if _, err := g.CompleteDrop(id); err != nil {
		t.Fatal(err)
	}
	if len(steps) < 8 {
		t.Fatalf("only these steps: %q", steps)
	}
	for _, last := range steps {
		t.Run(last, func(t *testing.T) {
			g, id := begin(t)
			g.step = func(step string) error {
				if step == last {
					return errKilled
				}
				return nil
			}
			if _, err := g.CompleteDrop(id); !errors.Is(err, errKilled) {
				t.Fatalf("%v", err)
			}
			there := g.there()
			_, held := there[".hold"]
			begun := there["a"] != "" || there["b/c"] == "2"
			if begun && !held && last != "told" {
				t.Errorf("a part is there without .hold: %v", there)
			}
			wrote := 0 // .hold appears at most once more: it would complete what others put there
			g.again()
			g.step = func(step string) error {
				if _, err := os.Lstat(g.deposit(".hold")); err == nil && !held {
					wrote++
				}
				return nil
			}
			g.resumed()
			if last == "told" && wrote > 0 {
				t.Error("it was completed twice")
			}
			if last == "synced" { // nothing had begun
				g.wantThere(map[string]string{"b/c": "old"})
				if _, err := g.CompleteDrop(id); err != nil {
					t.Error(err)
				}
			}
			g.wantThere(files)
			g.wantNothingLeft()
		})
	}
}

// TestAWholeFileLies: ota was killed between its last byte and its way into
// deposit/.
func TestAWholeFileLies(t *testing.T) {
	g := newGround(t)
	id := g.arrive("", "a/b", 5)
	g.append(id, 0, "hel")
	for _, box := range g.ordered() {
		g.must(os.WriteFile(box.files[0].data(), []byte("hello"), 0o600))
	}
	g.again()
	g.resumed()
	g.wantThere(map[string]string{"a/b": "hello"})
	g.wantNothingLeft()
}

// TestAWholeFileThatCannotBePut is told to who asks for its offset: nothing but
// that tells a client that all is well.
func TestAWholeFileThatCannotBePut(t *testing.T) {
	g := newGround(t)
	id := g.arrive("", "a/b", 5)
	g.must(os.MkdirAll(g.deposit("a/b/c"), 0o755))
	if at, err := g.Append(t.Context(), id, 0, strings.NewReader("hello")); at != 5 || err == nil {
		t.Errorf("%d, %v", at, err)
	}
	if _, err := g.Arrival(id); err == nil || !strings.Contains(err.Error(), "a/b is a folder") {
		t.Errorf("%v", err)
	}
	g.must(os.RemoveAll(g.deposit("a/b")))
	if at := g.offset(id); at != 5 {
		t.Errorf("%d", at)
	}
	g.wantThere(map[string]string{"a/b": "hello"})
}

// TestWhatIsCompleteIsNotPutAgain: deposit/ is on another disk than .ota, and the
// power cut has brought back there the files that were copied and removed.
func TestWhatIsCompleteIsNotPutAgain(t *testing.T) {
	g := newGround(t)
	id := g.newDrop(1, 0)
	one := g.send(id, "a", "old")
	g.step = func(step string) error {
		if step == "told" {
			return errKilled
		}
		return nil
	}
	if _, err := g.CompleteDrop(id); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	g.must(os.WriteFile(filepath.Join(g.options.Dir, id, one), []byte("old"), 0o600))
	g.must(os.WriteFile(g.deposit("a"), []byte("newer"), 0o600))
	g.again()
	g.resumed()
	g.wantThere(map[string]string{"a": "newer"})
	g.wantNothingLeft()
}

func TestAPartInDepositIsNotCancelled(t *testing.T) {
	g := newGround(t)
	id := g.newDrop(2, 0)
	g.send(id, "a", "1")
	other := g.send(id, "b", "2")
	g.step = func(step string) error {
		if step == "moving b" {
			return errKilled
		}
		return nil
	}
	if _, err := g.CompleteDrop(id); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	g.step = nil
	_, appended := g.Append(t.Context(), other, 1, strings.NewReader(""))
	_, begun := g.NewArrival(id, "c", 1)
	for _, err := range []error{g.CancelDrop(id), g.CancelArrival(other), appended, begun} {
		if !errors.Is(err, errMoving) {
			t.Errorf("%v", err)
		}
	}
	if _, err := g.CompleteDrop(id); err != nil {
		t.Error(err)
	}
	g.wantThere(map[string]string{"a": "1", "b": "2"})
}

// TestAPowerCut: of what was not synced nothing is claimed, whatever size the
// file has.
func TestAPowerCut(t *testing.T) {
	g := newGround(t)
	drop := g.newDrop(0, 0)
	tiny := g.send(drop, "tiny", "12")
	large := g.arrive(drop, "large", 4*syncEvery)
	g.append(large, 0, strings.Repeat("x", 2*syncEvery+1))
	onTheWay := g.arrive(drop, "on the way", 4*syncEvery)
	g.append(onTheWay, 0, strings.Repeat("x", syncEvery))
	g.must(os.Truncate(filepath.Join(g.options.Dir, drop, onTheWay), 3*syncEvery+17)) // written, not synced
	unsaid := g.arrive(drop, "unsaid", 2*syncEvery)
	g.must(os.Truncate(filepath.Join(g.options.Dir, drop, unsaid), syncEvery))
	g.must(durable.WriteFile(filepath.Join(g.options.Dir, bootFile), []byte("another\n"), 0o600))
	for range 2 {
		g.again()
		want := map[string]int64{tiny: 0, large: 2*syncEvery + 1, onTheWay: 3 * syncEvery, unsaid: 0}
		for id, offset := range want {
			if got := g.offset(id); got != offset {
				t.Errorf("%d bytes are claimed, %d are certain", got, offset)
			}
		}
	}
	g.append(tiny, 0, "12")
}

func TestWhatCannotBeReadIsGivenUp(t *testing.T) {
	g := newGround(t)
	whole, single := g.newDrop(0, 0), g.arrive("", "s", 3)
	g.send(whole, "kept", "1")
	lost := g.send(whole, "lost", "2")
	g.must(os.WriteFile(filepath.Join(g.options.Dir, whole, lost+".json"), nil, 0o600))
	for _, box := range g.ordered() {
		if box.id != whole {
			g.must(os.WriteFile(box.recordFile(), []byte("{"), 0o600))
		}
	}
	g.must(os.MkdirAll(filepath.Join(g.options.Dir, "no box", "at all"), 0o700))
	g.again()
	if drops := g.Drops(); len(drops) != 1 || len(drops[0].Files) != 1 || drops[0].Files[0].Path != "kept" {
		t.Errorf("%+v", drops)
	}
	if _, err := g.Arrival(single); !isUnknown(err) {
		t.Errorf("%v", err)
	}
	if entries, _ := os.ReadDir(g.options.Dir); len(entries) != 2 {
		t.Errorf("left: %v", entries)
	}
	g.must(g.CancelDrop(whole))
	g.wantNothingLeft()
}

// TestHostileRecords: a record that was written by somebody else leads nowhere.
func TestHostileRecords(t *testing.T) {
	for i, text := range []string{
		`{"path": "../../etc/passwd", "size": 0}`, `{"path": "a", "size": -1}`, `{"path": "", "size": 0}`,
		`{"path": ".hold", "size": 0}`, `[]`, `{"path": "a", "size": 1e300}`,
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			g := newGround(t)
			id := g.newDrop(0, 0)
			one := g.send(id, "x", "")
			g.must(os.WriteFile(filepath.Join(g.options.Dir, id, one+".json"), []byte(text), 0o600))
			g.again()
			if drops := g.Drops(); len(drops) != 1 || len(drops[0].Files) != 0 {
				t.Errorf("%+v", drops)
			}
		})
	}
}

func TestNoProgressForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGround(t)
		ended := make(chan error, 1)
		go func() { ended <- g.Run(t.Context()) }()
		idle, kept := g.newDrop(0, 0), g.newDrop(0, 0)
		g.send(idle, "a", "1")
		one := g.arrive(kept, "b", 2)
		time.Sleep(patience - time.Minute)
		g.append(one, 0, "1")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if drops := g.Drops(); len(drops) != 1 || drops[0].ID != kept {
			t.Errorf("%+v", drops)
		}
		time.Sleep(patience)
		synctest.Wait()
		g.wantNothingLeft()
	})
}
