package delta

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
)

// program is like an executable: a header, instructions of which one in eight
// calls a function, and addresses. With more, something was put in before them.
func program(machine byte, more int) []byte {
	b := make([]byte, 64)
	copy(b, "\x7fELF\x01\x01")
	b[18] = machine
	random := rand.New(rand.NewPCG(1, uint64(machine)))
	where := func(place uint32) uint32 { // of a function, in words
		if place > 6000 {
			return place + uint32(more/4)
		}
		return place
	}
	for i := uint32(0); i < 20000; i++ {
		if i == 6000 {
			b = append(b, bytes.Repeat([]byte{0xA5, 1, 2, byte(more)}, more/4)...)
		}
		word := random.Uint32() & 0x5FFFFFFF
		here := uint32(len(b) / 4)
		target := where(random.Uint32N(300) * 50)
		switch i % 8 {
		case 3:
			word = 0xEB<<24 | (target-here)&0xFFFFFF
			if machine == 183 {
				word = 0b100101<<26 | (target-here)&0x3FFFFFF
			}
		case 5:
			word = 0x10000 + 4*target
		}
		b = binary.LittleEndian.AppendUint32(b, word)
	}
	return append(b, 1, 2, 3)
}

func patchOf(old, next []byte) (Code, Patch) {
	code := CodeOf(old)
	old, next = slices.Clone(old), slices.Clone(next)
	code.Straighten(old, 0)
	code.Straighten(next, 0)
	return code, Encode(old, next, NewIndex(old).Steps(next), 0)
}

func apply(t *testing.T, code Code, old []byte, patch Patch) []byte {
	t.Helper()
	var made bytes.Buffer
	if err := new(Applier).Apply(&made, 0, oldOf(code, old), patch, 1<<30); err != nil {
		t.Fatal(err)
	}
	return made.Bytes()
}

func oldOf(code Code, old []byte) Old { return Old{bytes.NewReader(old), int64(len(old)), code} }

func size(p Patch) (all int) {
	for _, part := range p.Parts() {
		all += len(*part)
	}
	return all
}

// TestCallsAndAddressesThatMoved: they are told once for each function, not once
// for each place. Other machines' calls differ everywhere.
func TestCallsAndAddressesThatMoved(t *testing.T) {
	for machine, most := range map[byte]int{40: 3000, 183: 3000, 62: 9000} {
		old, next := program(machine, 0), program(machine, 400)
		code, patch := patchOf(old, next)
		if got := apply(t, code, old, patch); !bytes.Equal(got, next) {
			t.Errorf("machine %d: something else came out", machine)
		}
		t.Logf("machine %d: %d bytes", machine, size(patch))
		if size(patch) > most {
			t.Errorf("machine %d: the patch has %d bytes, want %d at most", machine, size(patch), most)
		}
	}
}

func TestContentsOfEveryShape(t *testing.T) {
	long := program(40, 0)
	for name, pair := range map[string][2][]byte{
		"both empty":   {nil, nil},
		"from nothing": {nil, long[:999]},
		"to nothing":   {long, nil},
		"the same":     {long, long},
		"turned round": {long, slices.Concat(long[40001:], long[:40001])},
		"one byte":     {long, slices.Concat(long[:501], []byte{9}, long[501:])},
		"only zeros":   {make([]byte, 70000), make([]byte, 90001)},
		"nothing like": {long[:5000], bytes.Repeat([]byte("x-Y"), 900)},
		"shorter":      {long, long[:77]},
		"tiny":         {[]byte("abc"), []byte("abcd")},
	} {
		code, patch := patchOf(pair[0], pair[1])
		if got := apply(t, code, pair[0], patch); !bytes.Equal(got, pair[1]) {
			t.Errorf("%s: something else came out", name)
		}
	}
}

// TestAlmostTheSameTwice: going on is almost as good as going elsewhere, at each
// place again. It takes a moment, or minutes.
func TestAlmostTheSameTwice(t *testing.T) {
	next := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{}).Read(next)
	old := slices.Concat(next, next)
	for i := 1; i < 6; i++ {
		old[i*len(next)/6] ^= 1
	}
	code, patch := patchOf(old, next)
	if got := apply(t, code, old, patch); !bytes.Equal(got, next) {
		t.Error("something else came out")
	}
	if size(patch) > 1000 {
		t.Errorf("the patch has %d bytes", size(patch))
	}
}

func TestMoreThanTheLimitIsNotMade(t *testing.T) {
	long := program(40, 0)
	_, patch := patchOf(long, long)
	var made bytes.Buffer
	if err := new(Applier).Apply(&made, 0, oldOf(Plain, long), patch, int64(len(long)-1)); !errors.Is(err, ErrPatch) || made.Len() >= len(long) {
		t.Errorf("%d bytes were made: %v", made.Len(), err)
	}
}

// counted counts how often it is read.
type counted struct {
	io.ReaderAt
	reads int
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	c.reads++
	return c.ReaderAt.ReadAt(p, off)
}

// TestTheOldContentIsReadInItsOwnOrder: what was stirred takes no more reads than
// what goes straight on.
func TestTheOldContentIsReadInItsOwnOrder(t *testing.T) {
	old := make([]byte, 900_000)
	rand.NewChaCha8([32]byte{}).Read(old)
	parts := slices.Collect(slices.Chunk(old, 90))
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	next := slices.Concat(parts...)
	_, patch := patchOf(old, next)
	file := &counted{ReaderAt: bytes.NewReader(old)}
	var made bytes.Buffer
	if err := new(Applier).Apply(&made, 0, Old{file, int64(len(old)), Plain}, patch, 1<<20); err != nil || !bytes.Equal(made.Bytes(), next) {
		t.Fatalf("something else came out: %v", err)
	}
	if most := len(old)/window + 1 + len(old)/window/10; file.reads > most {
		t.Errorf("it was read %d times, want %d at most", file.reads, most)
	}
}

// TestLongerThanWhatIsMadeAtOnce: a step goes on where it was cut, so do its words.
func TestLongerThanWhatIsMadeAtOnce(t *testing.T) {
	for _, code := range []Code{Plain, ARM, ARM64} {
		old := make([]byte, 3*most+5)
		rand.NewChaCha8([32]byte{byte(code)}).Read(old)
		for i := 0; i < len(old); i += 1000 {
			old[i|3] = 0xEB // a call
		}
		next := slices.Concat(old[77:most+78], bytes.Repeat([]byte("new"), most/2), old[most+80:])
		for i := 0; i < len(next); i += 4096 {
			next[i]++
		}
		was, is := slices.Clone(old), slices.Clone(next)
		code.Straighten(was, 0)
		code.Straighten(is, 0)
		patch := Encode(was, is, NewIndex(was).Steps(is), 0)
		if got := apply(t, code, old, patch); !bytes.Equal(got, next) {
			t.Errorf("code %d: something else came out", code)
		}
	}
}

// TestMoreStretchesThanAreGatheredAtOnce: the next ones go on inside of a word.
func TestMoreStretchesThanAreGatheredAtOnce(t *testing.T) {
	old := program(40, 0)
	ARM.Straighten(old, 0)
	random := rand.New(rand.NewPCG(2, 2))
	var steps []Step
	var next []byte
	for i := range 2*mostStretches + 3 {
		step := Step{random.Int64N(int64(len(old) - 8)), 1 + i%7, i % 2}
		steps = append(steps, step)
		next = append(append(next, old[step.Old:][:step.Add]...), "x"[:step.Insert]...)
	}
	for i := 0; i < len(next); i += 1000 {
		next[i]++
	}
	patch := Encode(old, next, steps, 0)
	ARM.bend(old, 0)
	ARM.bend(next, 0)
	if got := apply(t, ARM, old, patch); !bytes.Equal(got, next) {
		t.Error("something else came out")
	}
}

// FuzzApply: whatever a patch says, no more is made than the limit.
func FuzzApply(f *testing.F) {
	old := program(40, 0)[:3000]
	_, patch := patchOf(old, program(40, 4)[:3300])
	f.Add(patch.Control, patch.Edges, patch.Gaps, patch.Values, patch.Extra)
	f.Add([]byte{4, 0, 0}, []byte{}, []byte{0}, []byte{1, 2, 3, 4}, []byte{})
	f.Fuzz(func(t *testing.T, control, edges, gaps, values, extra []byte) {
		var made bytes.Buffer
		err := new(Applier).Apply(&made, 0, oldOf(ARM, old), Patch{control, edges, gaps, values, extra}, 5000)
		if made.Len() > 5000 {
			t.Fatalf("%d bytes were made: %v", made.Len(), err)
		}
	})
}

// FuzzRoundTrip: what is made of any two contents is the second one.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("the old content, of some length"), []byte("the new content, of some more length"))
	f.Add(program(40, 0)[:700], program(40, 8)[:900])
	f.Add(program(183, 0)[:700], program(183, 8)[:903])
	f.Fuzz(func(t *testing.T, old, next []byte) {
		code, patch := patchOf(old, next)
		if got := apply(t, code, old, patch); !bytes.Equal(got, next) {
			t.Fatal("something else came out")
		}
	})
}
