package release

import "testing"

// TestTriesAreThoseOfOneRelease: a note that comes late, when another release is
// current, counts for nobody.
func TestTriesAreThoseOfOneRelease(t *testing.T) {
	room := newRoom(t)
	enterWith(t, room, "1", Adopted)
	enterWith(t, room, "2", Trial)
	note := func(release, crashes, downs int, want Tries) {
		t.Helper()
		if err := room.NoteTries(release, Tries{crashes, downs}); err != nil {
			t.Fatal(err)
		}
		if got := room.Tries(); got != want {
			t.Errorf("the tries are %+v, want %+v", got, want)
		}
	}
	note(2, 2, 0, Tries{2, 0})
	note(2, 1, 1, Tries{2, 1})
	if err := room.Reverse(Reversal{From: 2, To: 1, Verdict: RolledBack, Reason: "r", Trial: true}); err != nil {
		t.Fatal(err)
	}
	note(2, 2, 1, Tries{})
	note(1, 1, 0, Tries{1, 0})
}
