package proc

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseStat(t *testing.T) {
	const rest = " S 1 42 40 34816 42 4194304 1 2 3 4 5 6 7 8 20 0 3 0 987654321 1 2 3\n"
	want := Stat{ID: ID{PID: 42, Start: 987654321}, State: 'S', Parent: 1, Group: 42, Session: 40, Threads: 3, Ticks: 5 + 6, Gathered: 7 + 8, Resident: 2}
	for _, name := range []string{"python3", "", "a b", ") S 1 (", "x) R 7 7 (", "\xff\n)"} {
		got, err := ParseStat([]byte("42 (" + name + ")" + rest))
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		want.Name = name
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", name, diff)
		}
	}
	for _, bad := range []string{"", "42", "42 (x", "42 (x) S 1", ") (", "(x)" + rest, "x (x)" + rest, "42 (x) SS" + rest[2:]} {
		if got, err := ParseStat([]byte(bad)); err == nil {
			t.Errorf("%q was read as %+v", bad, got)
		}
	}
}

func TestZombieWithThreadsIsAlive(t *testing.T) {
	for _, test := range []struct {
		state   byte
		threads int
		want    bool
	}{{'S', 1, true}, {'T', 1, true}, {'Z', 1, false}, {'Z', 2, true}, {'X', 0, false}} {
		if got := (Stat{State: test.state, Threads: test.threads}).Alive(); got != test.want {
			t.Errorf("%c with %d threads: alive = %v", test.state, test.threads, got)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("42 (a) b) S 1 42 40 34816 42 4194304 1 2 3 4 5 6 7 8 20 0 3 0 987654321 1 2 3\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := ParseStat(data); err == nil && s.State == 0 {
			t.Errorf("no state in %+v", s)
		}
	})
}
