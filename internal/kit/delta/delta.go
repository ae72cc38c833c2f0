// Package delta says how a file is made from an older one of which much has
// moved and a little of everything has changed: an executable built again.
//
// In: the old content and the new one. Out: steps, and the streams of bytes that
// they become, which a compressor makes small. Never: compression,
// files, or trust: what is applied is bounded by its caller, and checked by a
// digest that this package does not know.
//
// The way is that of bsdiff (Percival, "Naive differences of executable code",
// 2003): stretches of the new content lie beside stretches of the old one in
// which most bytes are the same. Two things are added: a call says in both where
// it goes, not how far ([Code]), so that it is the same wherever it stands; and an
// address that has moved once is expected to have moved everywhere.
package delta

import "encoding/binary"

// Step makes the next part of the new content: Add bytes that lie beside the old
// content from Old on, then Insert bytes that are like nothing in it.
type Step struct {
	Old         int64
	Add, Insert int
}

// Patch is what steps become. Control has their numbers, Extra what is inserted.
// What is added is compared by words of four bytes, at multiples of four in the
// new content: most are as they were, or as foreseen. Gaps says how many of those
// come before each of the others, Values how much that one differs. Edges has the
// differences of the bytes before and after the words of a step.
type Patch struct {
	Control, Edges, Gaps, Values, Extra []byte
}

// Parts is how many streams a patch has.
const Parts = 5

// Parts are the streams of a patch, in order.
func (p *Patch) Parts() [Parts]*[]byte {
	return [...]*[]byte{&p.Control, &p.Edges, &p.Gaps, &p.Values, &p.Extra}
}

// foresight knows what became of a word when it was last seen: an address that has
// moved has moved wherever it stands.
type foresight [1 << 14]struct{ old, next uint32 }

// least is the smallest word that may be an address. Smaller ones are numbers, and
// the same number means something else each time.
const least = 1 << 16

// next is what a word is expected to become. Of small ones nothing was learnt.
func (f *foresight) next(old uint32) uint32 {
	next := old
	if seen := f[old*2654435761>>18]; seen.old == old {
		next = seen.next
	}
	return next
}

func (f *foresight) learn(old, next uint32) {
	if old >= least {
		f[old*2654435761>>18] = struct{ old, next uint32 }{old, next}
	}
}

// words is how many bytes of a step come before its words, and how many are words:
// at is where it begins in the new content.
func words(at, add int) (before, whole int) {
	before = min(-at&3, add)
	return before, (add - before) &^ 3
}

// Encode is the patch that makes next from old by steps, whose positions count
// from the start of old; base is where old lies in the whole old content. Next
// lies at a multiple of four in the whole new one.
func Encode(old, next []byte, steps []Step, base int64) Patch {
	var patch Patch
	foresight := new(foresight)
	at, gap, expected := 0, 0, base
	for _, step := range steps {
		patch.Control = binary.AppendUvarint(patch.Control, uint64(step.Add))
		patch.Control = binary.AppendUvarint(patch.Control, uint64(step.Insert))
		patch.Control = binary.AppendVarint(patch.Control, step.Old+base-expected)
		was, is := old[step.Old:][:step.Add], next[at:][:step.Add]
		before, whole := words(at, step.Add)
		for i := range is {
			if i >= before && i < before+whole {
				continue
			}
			patch.Edges = append(patch.Edges, is[i]-was[i])
		}
		for i := before; i < before+whole; i += 4 {
			from, to := binary.LittleEndian.Uint32(was[i:]), binary.LittleEndian.Uint32(is[i:])
			foreseen := foresight.next(from)
			if to == foreseen {
				gap++
				continue
			}
			foresight.learn(from, to)
			patch.Gaps = binary.AppendUvarint(patch.Gaps, uint64(gap))
			patch.Values = binary.LittleEndian.AppendUint32(patch.Values, to-foreseen)
			gap = 0
		}
		at += step.Add
		patch.Extra = append(patch.Extra, next[at:at+step.Insert]...)
		at += step.Insert
		expected = step.Old + base + int64(step.Add)
	}
	return patch
}
