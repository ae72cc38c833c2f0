package squeeze

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// text is a program of so many lines.
func text(seed uint64, lines int) string {
	random := rand.New(rand.NewPCG(seed, 0))
	words := []string{"self", "return", "value", "printer", "state", "if", "not", "None", "config", "get"}
	var b strings.Builder
	for range lines {
		b.WriteString(strings.Repeat("    ", random.IntN(4)))
		for range 2 + random.IntN(5) {
			fmt.Fprintf(&b, "%s_%d ", words[random.IntN(len(words))], random.IntN(50))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// edited has a line put in, one left out and one changed, every hundred lines.
func edited(old string) string {
	lines := strings.SplitAfter(old, "\n")
	for i := 10; i+2 < len(lines); i += 100 {
		lines[i] += "a line = that_was_put(in)\n"
		lines[i+1] = ""
		lines[i+2] = strings.Replace(lines[i+2], "_", "-", 1)
	}
	return strings.Join(lines, "")
}

// decoded is what Decode makes of what Encode makes.
func decoded(t testing.TB, data, dictionary string) (back string, packed int) {
	t.Helper()
	small, _ := Encode([]byte(data), []byte(dictionary))
	made, err := new(Decoder).Decode(small, []byte(dictionary), make([]byte, 0, len(data)), len(data))
	if err != nil {
		t.Fatalf("Decode: %v", err)
	}
	return string(made), len(small)
}

func TestWhatIsPackedComesBack(t *testing.T) {
	noise := make([]byte, 5000)
	for i, random := 0, rand.New(rand.NewPCG(1, 1)); i < len(noise); i++ {
		noise[i] = byte(random.Uint32())
	}
	old := text(1, 3000)
	for name, of := range map[string]struct{ data, dictionary string }{
		"nothing":               {"", ""},
		"nothing of something":  {"", old},
		"a byte":                {"x", ""},
		"the same":              {old, old},
		"without a dictionary":  {text(2, 500), ""},
		"edited":                {edited(old), old},
		"moved":                 {old[len(old)/2:] + old[:len(old)/2], old},
		"zeros":                 {strings.Repeat("\x00", 100_000), ""},
		"a run over the border": {strings.Repeat("ab", 5000), "abab"},
		"noise":                 {string(noise), old},
		"noise again":           {string(noise) + "!" + string(noise), string(noise)},
	} {
		if back, _ := decoded(t, of.data, of.dictionary); back != of.data {
			t.Errorf("%s: something else came back", name)
		}
	}
}

// TestAnEditCostsAFewBytes: 30 edits of three lines each, with one line that is the
// same in all of them.
func TestAnEditCostsAFewBytes(t *testing.T) {
	old := text(1, 3000)
	if _, packed := decoded(t, edited(old), old); packed > 30*8 {
		t.Errorf("30 edits took %d bytes", packed)
	}
}

// TestTheBytesAreTheSameEverywhere: what one version on one machine packs, another
// unpacks. This was packed when the format was new.
func TestTheBytesAreTheSameEverywhere(t *testing.T) {
	data, dictionary := edited(text(3, 40)), text(3, 40)
	golden, err := hex.DecodeString("0109970c3700d5cf16b125c248f7c4bb717ff532cd7eae2b4e8f1ca257a94d8394da5bff6ac596")
	if err != nil {
		t.Fatal(err)
	}
	if packed, _ := Encode([]byte(data), []byte(dictionary)); !bytes.Equal(packed, golden) {
		t.Errorf("packed: %x", packed)
	}
	if made, err := new(Decoder).Decode(golden, []byte(dictionary), nil, len(data)); err != nil || string(made) != data {
		t.Errorf("unpacked: %q, %v", made, err)
	}
}

// withLength is a content of one byte x before which there is a match whose length
// has so many bits after its first, all of them set. The dictionary has a byte.
func withLength(bits int) []byte {
	c, s := &coder{high: math.MaxUint32}, newState([]byte("a"), newModel(leastBits))
	c.adaptive(&s.model.isMatch[0], 1)
	c.symbol(s.model.which[0][:], 0)
	c.adaptive(&s.model.moved[0], 0)
	length := &s.model.length[kindOf(0, 0)]
	c.tree(length.size[:], 5, bits)
	c.tree(length.head[bits][:], heads, -1)
	c.direct(bits-heads, -1)
	s.place = s.after(way{}, 1)
	c.adaptive(&s.model.isMatch[0], 0)
	s.model.literals.code(c, s.before, s.word, s.foreseen(), 'x')
	return append([]byte{Mark, leastBits, 1}, c.end()...)
}

// TestATooLargeLength: on a machine of 32 bits it would be less than nothing, and
// what comes after it would be taken for good.
func TestATooLargeLength(t *testing.T) {
	for bits := largest + 1; bits < 1<<5; bits++ {
		if made, err := new(Decoder).Decode(withLength(bits), []byte("a"), nil, 100); err != ErrPacked {
			t.Errorf("a length of 1+%d bits: %q, %v", bits, made, err)
		}
	}
}

// TestLogits: the tables are made of whole numbers, and are each other's reverse.
func TestLogits(t *testing.T) {
	prepare()
	for p := range logits {
		if x := logits[p]; p > 0 && x < logits[p-1] || x < -mostLogit || x > mostLogit {
			t.Fatalf("the logit of %d is %d after %d", p, x, logits[p-1])
		}
	}
	for _, p := range []int{100, 1000, 2048, 3000, 4000} {
		if back := int(squash(logits[p])); back < p-8 || back > p+8 {
			t.Errorf("squash of the logit of %d is %d", p, back)
		}
	}
	for n, want := range map[uint64]int{1: 0, 2: 256, 3: 405, 4096: 12 * 256} {
		if got := logarithm(n); got != want {
			t.Errorf("logarithm(%d) is %d, want %d", n, got, want)
		}
	}
}

// TestADecoderKeepsItsMemory: a device has no room for a model for each of many
// contents. They differ, and none is told by what the one before has taught.
func TestADecoderKeepsItsMemory(t *testing.T) {
	large, small := text(1, 600), text(2, 100)
	var packed [][]byte
	for _, content := range []string{large, small, large} {
		one, _ := Encode([]byte(content), nil)
		packed = append(packed, one)
	}
	var decoder Decoder
	room := make([]byte, 0, len(large))
	decode := func(i int) {
		if made, err := decoder.Decode(packed[i], nil, room, cap(room)); err != nil || string(made) != []string{large, small, large}[i] {
			t.Fatalf("content %d: %v", i, err)
		}
	}
	decode(0)
	allocations := testing.AllocsPerRun(1, func() { decode(1); decode(2) })
	if allocations > 0 {
		t.Errorf("it asks for memory %v times", allocations)
	}
}

// FuzzDecode: whatever comes, no more is made than is allowed, and it ends.
func FuzzDecode(f *testing.F) {
	dictionary := []byte(text(1, 20))
	for _, data := range []string{"", "x", text(1, 20), edited(text(1, 20)), text(2, 5)} {
		packed, _ := Encode([]byte(data), dictionary)
		f.Add(packed)
		if len(packed) > 4 {
			f.Add(packed[:len(packed)-2])
		}
	}
	for bits := largest + 1; bits < 1<<5; bits++ {
		f.Add(withLength(bits))
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		const limit = 10_000
		made, err := new(Decoder).Decode(packed, dictionary, make([]byte, 0, limit), limit)
		if len(made) > limit || err != nil && made != nil {
			t.Errorf("%d bytes, %v", len(made), err)
		}
	})
}

// FuzzRoundTrip: whatever is packed comes back.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("the same again, the same again"), []byte("the same"))
	f.Add(bytes.Repeat([]byte{0}, 3000), []byte{})
	f.Fuzz(func(t *testing.T, data, dictionary []byte) {
		if back, _ := decoded(t, string(data), string(dictionary)); back != string(data) {
			t.Error("something else came back")
		}
	})
}
