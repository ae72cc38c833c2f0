//go:build linux

package writelog

import (
	"encoding/binary"
	"strings"
	"testing"
)

// file makes a log as blklogwrites does.
type file struct {
	data  []byte
	count uint64
}

const sector = 512

func newFile() *file {
	f := &file{data: make([]byte, sector)}
	return f.finish()
}

func (f *file) finish() *file {
	for i, word := range []uint64{magic, version, f.count, sector} {
		binary.LittleEndian.PutUint64(f.data[8*i:], word)
	}
	return f
}

func (f *file) add(first, sectors uint64, flags Flags, data string) *file {
	header := make([]byte, sector)
	for i, word := range []uint64{first, sectors, uint64(flags), 0} {
		binary.LittleEndian.PutUint64(header[8*i:], word)
	}
	f.data = append(append(f.data, header...), data...)
	f.count++
	return f.finish()
}

// filled is the content of sectors.
func filled(with string, sectors int) string { return strings.Repeat(with, sectors*sector) }

func TestParse(t *testing.T) {
	f := newFile().
		add(8, 2, 0, filled("a", 2)).
		add(0, 0, Flush, "").
		add(16, 100, Discard, "").
		add(3, 1, FUA, filled("b", 1)).
		add(0, 0, Mark, "")
	log, err := Parse(f.data)
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{Offset: 8 * sector, Length: 2 * sector, Data: []byte(filled("a", 2))},
		{Flags: Flush},
		{Flags: Discard, Offset: 16 * sector, Length: 100 * sector},
		{Flags: FUA, Offset: 3 * sector, Length: sector, Data: []byte(filled("b", 1))},
		{Flags: Mark},
	}
	if len(log.Entries) != len(want) {
		t.Fatalf("%d entries, want %d", len(log.Entries), len(want))
	}
	for i, got := range log.Entries {
		if got.Flags != want[i].Flags || got.Offset != want[i].Offset || got.Length != want[i].Length || string(got.Data) != string(want[i].Data) {
			t.Errorf("entry %d is %v at %d+%d with %d bytes", i, got.Flags, got.Offset, got.Length, len(got.Data))
		}
	}
	if writes, flushes := log.Count(); writes != 3 || flushes != 1 {
		t.Errorf("%d writes, %d flushes", writes, flushes)
	}
}

func TestBeforeCountsWhatHasBegun(t *testing.T) {
	log, err := Parse(newFile().add(0, 1, 0, filled("a", 1)).add(0, 0, Flush, "").data)
	if err != nil {
		t.Fatal(err)
	}
	for size, want := range map[int64]int{0: 0, sector: 0, sector + 1: 1, 3 * sector: 1, 3*sector + 1: 2, 4 * sector: 2} {
		if got := log.Before(size); got != want {
			t.Errorf("%d entries had begun in %d bytes, want %d", got, size, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	whole := newFile().add(8, 2, 0, filled("a", 2)).data
	changed := func(at int, to uint64) []byte {
		data := append([]byte(nil), whole...)
		binary.LittleEndian.PutUint64(data[at:], to)
		return data
	}
	for name, data := range map[string][]byte{
		"nothing":           nil,
		"half a superblock": whole[:20],
		"another magic":     changed(0, 1),
		"another version":   changed(8, 2),
		"no sector size":    changed(24, 0),
		"an odd size":       changed(24, 513),
		"too few entries":   changed(16, 0),
		"too many entries":  changed(16, 2),
		"a huge count":      changed(16, 1<<63),
		"a cut header":      whole[:sector+100],
		"cut data":          whole[:len(whole)-1],
		"more data":         append(append([]byte(nil), whole...), 0),
		"a far sector":      changed(sector, 1<<62),
		"a huge length":     changed(sector+8, 1<<54),
		"both":              changed(sector+8, 1<<63),
	} {
		if log, err := Parse(data); err == nil {
			t.Errorf("%s: %d entries, no error", name, len(log.Entries))
		}
	}
}

// FuzzParse looks for bytes that are read and make no sense.
func FuzzParse(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(newFile().data)
	f.Add(newFile().add(8, 2, 0, filled("a", 2)).add(0, 0, Flush, "").add(1, 9, Discard, "").data)
	f.Fuzz(func(t *testing.T, data []byte) {
		log, err := Parse(data)
		if err != nil {
			return
		}
		for i, entry := range log.Entries {
			if entry.Offset < 0 || entry.Length < 0 || entry.Offset+entry.Length < 0 {
				t.Errorf("entry %d is at %d+%d", i, entry.Offset, entry.Length)
			}
			if entry.Data != nil && int64(len(entry.Data)) != entry.Length {
				t.Errorf("entry %d has %d bytes of %d", i, len(entry.Data), entry.Length)
			}
		}
		if n := log.Before(int64(len(data))); n != len(log.Entries) {
			t.Errorf("%d of %d entries are in the whole log", n, len(log.Entries))
		}
		for at := range log.Entries {
			if certain := log.Certain(at); certain > at {
				t.Errorf("of %d entries %d are certain", at, certain)
			}
		}
	})
}
