package release

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// put stores a content as an upload brings it.
func put(t *testing.T, room *Room, content string) {
	t.Helper()
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := room.Store().Take(file, fileEntry(content).Sum); err != nil {
		t.Fatal(err)
	}
}

func enterWith(t *testing.T, room *Room, content string, state State) Record {
	t.Helper()
	put(t, room, content)
	return enter(t, room, map[string]string{"file": content}, state)
}

// TestNoRecordNoRelease: a release whose record can't be written is not current.
func TestNoRecordNoRelease(t *testing.T) {
	room := newRoom(t)
	enterWith(t, room, "1", Adopted)
	inTheWay := room.recordPath(2) + ".new"
	if err := os.Mkdir(inTheWay, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := room.Enter(Record{Number: 2, State: Trial}, Tries{}); err == nil || room.Current() != 1 {
		t.Errorf("release %d is current; %v", room.Current(), err)
	}
}

// TestWhereARollbackGoes: to the newest good release that this one was laid
// over, not to the one with the next lower number.
func TestWhereARollbackGoes(t *testing.T) {
	room := newRoom(t)
	enterWith(t, room, "1", Adopted)
	enterWith(t, room, "2", Confirmed)
	enterWith(t, room, "3", Confirmed)
	reverse(t, room, Reversal{From: 3, To: 1})
	enterWith(t, room, "4", Trial) // laid over 1
	enterWith(t, room, "5", Trial)
	if record, _ := room.Record(4); record.State != Superseded {
		t.Errorf("release 4 is %s", record.State)
	}
	for number, want := range map[int]int{1: 0, 2: 1, 3: 2, 4: 1, 5: 1, 77: 0} {
		if got, err := room.Before(number); got != want || err != nil {
			t.Errorf("before %d is %d, not %d", number, got, want)
		}
	}
	if err := os.Remove(room.recordPath(2)); err != nil { // as if pruned
		t.Fatal(err)
	}
	if got, err := room.Before(3); got != 1 || err != nil {
		t.Errorf("over a gap: %d", got)
	}
}

func reverse(t *testing.T, room *Room, reversal Reversal) {
	t.Helper()
	if err := room.Reverse(reversal); err != nil {
		t.Fatal(err)
	}
}

func TestReverseIsTheSameTwice(t *testing.T) {
	room := newRoom(t)
	enterWith(t, room, "1", Confirmed)
	enterWith(t, room, "2", Trial)
	reversal := Reversal{
		From: 2, To: 1, Verdict: RolledBack, Reason: "exit code 1", Trial: true, Tries: Tries{Downs: 1},
	}
	reverse(t, room, reversal)
	once, _ := room.History()
	reverse(t, room, reversal)
	twice, _ := room.History()
	if diff := cmp.Diff(once, twice); diff != "" {
		t.Error(diff)
	}
	if once[0].State != RolledBack || once[0].Reason != "exit code 1" || once[1].State != Trial {
		t.Errorf("history: %+v", once)
	}
	if room.Current() != 1 || room.Tries() != (Tries{Downs: 1}) || room.Next() != 3 {
		t.Errorf("current %d, %+v", room.Current(), room.Tries())
	}
	if err := room.Confirm(1, 0); err != nil {
		t.Fatal(err)
	}
	if record, _ := room.Record(1); record.State != Confirmed || room.Tries() != (Tries{}) {
		t.Errorf("confirmed: %+v, %+v", record, room.Tries())
	}
}

// TestGoodReleaseOnTrialAgain: who has proved itself before is no worse for a
// trial that somebody cut short.
func TestGoodReleaseOnTrialAgain(t *testing.T) {
	room := newRoom(t)
	enterWith(t, room, "1", Confirmed)
	enterWith(t, room, "2", Trial)
	reverse(t, room, Reversal{From: 2, To: 1, Verdict: RolledBack, Trial: true})
	enterWith(t, room, "3", Trial)
	before, err := room.Before(3)
	if record, _ := room.Record(1); record.State != Confirmed || before != 1 || err != nil {
		t.Errorf("release 1 is %s, before 3 is %d, %v", record.State, before, err)
	}
	reverse(t, room, Reversal{From: 3, To: 1, Trial: true, Reason: "on request"})
	reverse(t, room, Reversal{From: 1, To: 3, Trial: true, Reason: "on request"})
	if first, _ := room.Record(1); first.State != Confirmed || first.Reason != "" {
		t.Errorf("release 1 is %s: %s", first.State, first.Reason)
	}
}

func TestDifferences(t *testing.T) {
	store := newRoom(t).Store()
	before := treeOf(t, store, map[string]string{"same/a": "1", "gone/b": "1", "file": "1", "shape/c": "1"})
	after := treeOf(t, store, map[string]string{"same/a": "1", "new/d": "1", "file": "2", "shape": "1"})
	for _, tree := range []*Tree{before, after} {
		if _, err := tree.Save(); err != nil {
			t.Fatal(err)
		}
	}
	found, err := Differences(before, after)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Effect{}
	for _, one := range found {
		got[one.Path] = one.Effect()
	}
	want := map[string]Effect{
		"gone": Removed, "gone/b": Removed, "file": Replaced, "new": Added, "new/d": Added,
		"shape": Replaced, "shape/c": Removed,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPruneKeepsWhatIsNeeded(t *testing.T) {
	room := newRoom(t)
	for i := range 20 {
		enterWith(t, room, string(rune('a'+i)), Confirmed)
		if i == 2 {
			if err := room.Pin(3, true); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := room.Prune(Limits{Keep: 4}); err != nil {
			t.Fatal(err)
		}
	}
	numbers, _ := room.numbers()
	if diff := cmp.Diff([]int{3, 17, 18, 19, 20}, numbers); diff != "" {
		t.Error(diff)
	}
	for content, wanted := range map[string]bool{"c": true, "q": true, "t": true, "a": false, "b": false} {
		err := room.Store().Check(t.Context(), fileEntry(content).Sum)
		if wanted && err != nil || !wanted && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("content %q: %v", content, err)
		}
	}
	if _, err := room.Verify(t.Context(), func() {}, func(d Damage) { t.Errorf("%+v", d) }); err != nil {
		t.Error(err)
	}
}

// TestAsideGoesWithItsRelease: what stands for a file of a release is kept as
// long as a release has that file; what stands for none, for good.
func TestAsideGoesWithItsRelease(t *testing.T) {
	room := newRoom(t)
	aside := Aside{}
	for by, content := range map[int]string{0: "own", 1: "edited in 1", 9: "edited in 9"} {
		put(t, room, content)
		stood := Stood{By: by, Was: fileEntry(content)}
		if by != 0 {
			stood.Of = fileEntry(string(rune('a' + by - 1)))
		}
		aside.Put("file", stood)
	}
	if err := room.SetAside(aside); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		enterWith(t, room, string(rune('a'+i)), Confirmed)
	}
	if _, err := room.Prune(Limits{Keep: 2}); err != nil {
		t.Fatal(err)
	}
	for content, wanted := range map[string]bool{"own": true, "edited in 1": false, "edited in 9": true} {
		if err := room.Store().Check(t.Context(), fileEntry(content).Sum); (err == nil) != wanted {
			t.Errorf("%s: %v", content, err)
		}
	}
	if left, err := room.Aside(); len(left["file"]) != 2 || err != nil {
		t.Errorf("aside: %+v, %v", left, err)
	}
}

func TestAsideIsKnownByWhatItStoodFor(t *testing.T) {
	aside := Aside{}
	aside.Put("f", Stood{By: 0, Was: fileEntry("own")})
	aside.Put("f", Stood{By: 1, Of: fileEntry("1"), Was: fileEntry("edited")})
	aside.Put("f", Stood{By: 1, Of: fileEntry("1"), Was: fileEntry("edited again")})
	for _, test := range []struct {
		sought Stood
		want   string
	}{
		{Stood{By: 0}, "own"},
		{Stood{By: 1, Of: fileEntry("1")}, "edited again"},
		{Stood{By: Forgotten, Of: fileEntry("1")}, "edited again"},
		{Stood{By: 3, Of: fileEntry("1")}, ""}, // the same content, brought once more
	} {
		found, ok := aside.Find("f", test.sought)
		if ok != (test.want != "") || ok && found.Was != fileEntry(test.want) {
			t.Errorf("%+v: %+v", test.sought, found)
		}
	}
	aside.Drop("f", Stood{By: 1})
	aside.Drop("f", Stood{By: 0})
	if len(aside) != 0 {
		t.Errorf("left: %v", aside)
	}
}

func TestPruneKeepsTheStoreSmall(t *testing.T) {
	room := newRoom(t)
	for i := range 6 {
		content := make([]byte, 10_000)
		content[0] = byte(i)
		enterWith(t, room, string(content), Confirmed)
	}
	if _, err := room.Prune(Limits{Keep: 10, MaxBytes: 25_000}); err != nil {
		t.Fatal(err)
	}
	numbers, _ := room.numbers()
	if diff := cmp.Diff([]int{5, 6}, numbers); diff != "" {
		t.Error(diff)
	}
}

// TestSweepRemovesNothingInDoubt: with an unreadable listing nobody knows what
// is needed.
func TestSweepRemovesNothingInDoubt(t *testing.T) {
	room := newRoom(t)
	first := enterWith(t, room, "1", Confirmed)
	enterWith(t, room, "2", Confirmed)
	if err := os.Truncate(room.store.Path(first.Digest), 1); err != nil {
		t.Fatal(err)
	}
	if _, err := room.Prune(Limits{Keep: 10, MaxBytes: 1_000_000}); err == nil {
		t.Error("no error")
	}
	if err := room.Store().Check(t.Context(), fileEntry("1").Sum); err != nil {
		t.Error(err)
	}
}

func TestVerifyNamesDamage(t *testing.T) {
	room := newRoom(t)
	enterWith(t, room, "good", Confirmed)
	enterWith(t, room, "bad", Confirmed)
	if err := os.WriteFile(room.Store().Path(fileEntry("bad").Sum), []byte("bbd"), 0o600); err != nil {
		t.Fatal(err)
	}
	var found []Damage
	looks := 0
	contents, err := room.Verify(t.Context(), func() { looks++ }, func(d Damage) { found = append(found, d) })
	if err != nil || contents != 2 || looks != 2 || len(found) != 1 || found[0].Path != "file" || found[0].Release != 2 {
		t.Fatalf("%d contents, %+v, %v", contents, found, err)
	}
	if _, isDamaged := errors.AsType[*Damaged](found[0].Err); !isDamaged {
		t.Errorf("%v", found[0].Err)
	}
}

func TestHealTakesTheRightContentOnly(t *testing.T) {
	room := newRoom(t)
	for content, want := range map[string]bool{"right": true, "wrong": false} {
		name := t.TempDir() + "/copy"
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		source, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer source.Close()
		healed, err := room.Store().Heal(t.Context(), fileEntry("right").Sum, source)
		if err != nil || healed != want {
			t.Errorf("%s: %t, %v", content, healed, err)
		}
	}
}
