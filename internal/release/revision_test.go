package release

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRevision: where the history is another one, so is its revision; looking
// alone changes neither.
func TestRevision(t *testing.T) {
	room := newRoom(t)
	acts := []struct {
		name string
		act  func() error
	}{
		{"enter", func() error { enterWith(t, room, "1", Adopted); return nil }},
		{"enter another", func() error { enterWith(t, room, "2", Trial); return nil }},
		{"confirm", func() error { return room.Confirm(2, 0) }},
		{"pin", func() error { return room.Pin(1, true) }},
		{"note an environment", func() error { return room.NoteEnvironment(2, "e") }},
		{"reverse", func() error { return room.Reverse(Reversal{From: 2, To: 1, Verdict: RolledBack, Reason: "r"}) }},
		{"unpin", func() error { return room.Pin(1, false) }},
		{"enter a third", func() error { enterWith(t, room, "3", Confirmed); return nil }},
		{"enter a fourth", func() error { enterWith(t, room, "4", Confirmed); return nil }},
		{"prune", func() error { _, err := room.Prune(Limits{Keep: 1}); return err }},
	}
	for _, one := range acts {
		revision := room.Revision()
		before, err := room.History()
		if err != nil || room.Revision() != revision {
			t.Fatalf("to look changed it: %v", err)
		}
		if err := one.act(); err != nil {
			t.Fatalf("%s: %v", one.name, err)
		}
		after, err := room.History()
		if err != nil {
			t.Fatal(err)
		}
		if cmp.Equal(before, after) {
			t.Errorf("%s changed nothing", one.name)
		}
		if room.Revision() <= revision {
			t.Errorf("%s was not seen", one.name)
		}
	}
}
