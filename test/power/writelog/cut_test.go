//go:build linux

package writelog

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// story has a letter for each write: a and b before the first flush, c to e
// after it, f after the second. D is durable by itself.
func story(t *testing.T) *Log {
	t.Helper()
	log, err := Parse(newFile().
		add(0, 1, 0, filled("a", 1)).
		add(1, 1, 0, filled("b", 1)).
		add(0, 0, Flush, "").
		add(1, 1, 0, filled("c", 1)).
		add(2, 1, FUA, filled("D", 1)).
		add(3, 1, 0, filled("e", 1)).
		add(0, 0, Flush, "").
		add(0, 1, Discard, "").
		add(4, 1, 0, filled("f", 1)).data)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// disk shows the first byte of each of its five sectors; "." is one of zeros.
func disk(t *testing.T, writes []Write) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "disk"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.Truncate(5 * sector); err != nil {
		t.Fatal(err)
	}
	if err := Apply(file, writes); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	for i := range 5 {
		shown.WriteByte(max(content[i*sector], '.'))
	}
	return shown.String()
}

// TestCut: a flush makes what comes before it certain, and nothing else is.
func TestCut(t *testing.T) {
	for _, test := range []struct {
		at                     int
		all, none, first, rest string // of what is not certain
	}{
		{at: 0, all: ".....", none: ".....", first: ".....", rest: "....."},
		{at: 2, all: "ab...", none: ".....", first: "a....", rest: ".b..."},
		{at: 3, all: "ab...", none: "ab...", first: "ab...", rest: "ab..."},
		{at: 4, all: "ac...", none: "ab...", first: "ac...", rest: "ab..."},
		{at: 6, all: "acDe.", none: "abD..", first: "acD..", rest: "abDe."},
		{at: 7, all: "acDe.", none: "acDe.", first: "acDe.", rest: "acDe."},
		{at: 9, all: ".cDef", none: "acDe.", first: ".cDe.", rest: "acDef"},
	} {
		for name, one := range map[string]struct {
			reached func(asked int) bool
			want    string
		}{
			"all":   {func(int) bool { return true }, test.all},
			"none":  {func(int) bool { return false }, test.none},
			"first": {func(asked int) bool { return asked == 1 }, test.first},
			"rest":  {func(asked int) bool { return asked > 1 }, test.rest},
		} {
			asked := 0
			got := disk(t, story(t).Cut(test.at, func() bool { asked++; return one.reached(asked) }))
			if got != one.want {
				t.Errorf("after %d entries, %s reached: %s, want %s", test.at, name, got, one.want)
			}
		}
	}
}

func TestCertain(t *testing.T) {
	log := story(t)
	for at, want := range []int{0, 0, 0, 2, 2, 2, 2, 6, 6, 6} {
		if got := log.Certain(at); got != want {
			t.Errorf("of %d entries %d are certain, want %d", at, got, want)
		}
	}
}

// TestAWriteIsTornBetweenBlocks of the device, wherever it begins.
func TestAWriteIsTornBetweenBlocks(t *testing.T) {
	log, err := Parse(newFile().add(6, 20, 0, filled("a", 20)).data)
	if err != nil {
		t.Fatal(err)
	}
	var lengths []int64
	for _, write := range log.Cut(1, func() bool { return true }) {
		lengths = append(lengths, write.Length/sector)
		if write.Length != int64(len(write.Data)) {
			t.Errorf("%d bytes of %d", len(write.Data), write.Length)
		}
	}
	if want := []int64{2, 8, 8, 2}; !slices.Equal(lengths, want) {
		t.Errorf("torn into %v sectors, want %v", lengths, want)
	}
}

func TestSolidLeavesOutZeros(t *testing.T) {
	content := make([]byte, 3*block+sector)
	content[block+7], content[3*block] = 'a', 'b'
	writes, err := Solid(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if len(writes) != 2 || writes[0].Offset != block || writes[1].Offset != 3*block || writes[1].Length != sector {
		t.Fatalf("%d writes", len(writes))
	}
	again := make([]byte, len(content))
	for _, write := range writes {
		copy(again[write.Offset:], write.Data)
	}
	if !bytes.Equal(again, content) {
		t.Error("something that is not zeros was left out")
	}
}
