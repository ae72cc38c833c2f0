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

import (
	"encoding/binary"
	"errors"
	"io"
)

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

func (f *foresight) next(old uint32) uint32 {
	if old >= least {
		if seen := &f[old*2654435761>>18]; seen.old == old {
			return seen.next
		}
	}
	return old
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

// ErrPatch is returned by [Apply] for a patch that does not fit together.
var ErrPatch = errors.New("the patch does not fit together")

// Apply writes to w what patch makes from old, limit bytes at most. Beside the patch
// it holds no more than some 200 kilobytes.
func Apply(w io.Writer, old io.ReaderAt, patch Patch, limit int64) error {
	a := &applier{Patch: patch, w: w}
	if err := a.nextGap(); err != nil {
		return err
	}
	var place int64
	for len(a.Control) > 0 {
		add, insert, skip, err := a.step()
		if err != nil {
			return err
		}
		if add > limit || insert > limit-add || insert > int64(len(a.Extra)) {
			return ErrPatch
		}
		limit -= add + insert
		if place += skip; place < 0 {
			return ErrPatch
		}
		if err := a.add(old, place, int(add)); err != nil {
			return err
		}
		place += add
		if _, err := w.Write(a.Extra[:insert]); err != nil {
			return err
		}
		a.Extra = a.Extra[insert:]
		a.at += int(insert)
	}
	if len(a.Edges)+len(a.Values)+len(a.Extra) > 0 {
		return ErrPatch
	}
	return nil
}

// applier is what is left of a patch, and where it is.
type applier struct {
	Patch
	foresight

	w   io.Writer
	at  int // in the new content
	gap int // words that are as foreseen, before the next that is not; -1: all are
	buf [32 << 10]byte
}

func (a *applier) add(old io.ReaderAt, place int64, length int) error {
	before, whole := words(a.at, length)
	for from, n := 0, 0; from < length; from += n {
		// An edge, or as many words as there is room for.
		isWords := from >= before && from < before+whole
		switch {
		case from < before:
			n = before
		case isWords:
			n = min(before+whole-from, len(a.buf))
		default:
			n = length - from
		}
		part := a.buf[:n]
		if got, err := old.ReadAt(part, place+int64(from)); got < n {
			return errors.Join(ErrPatch, err)
		}
		if err := a.change(part, isWords); err != nil {
			return err
		}
		if _, err := a.w.Write(part); err != nil {
			return err
		}
	}
	a.at += length
	return nil
}

// change makes the new bytes from the old ones.
func (a *applier) change(part []byte, isWords bool) error {
	if !isWords {
		if len(part) > len(a.Edges) {
			return ErrPatch
		}
		for i := range part {
			part[i] += a.Edges[i]
		}
		a.Edges = a.Edges[len(part):]
		return nil
	}
	for ; len(part) > 0; part = part[4:] {
		old := binary.LittleEndian.Uint32(part)
		next := a.next(old)
		if a.gap == 0 {
			if len(a.Values) < 4 {
				return ErrPatch
			}
			next += binary.LittleEndian.Uint32(a.Values)
			a.Values = a.Values[4:]
			a.learn(old, next)
			if err := a.nextGap(); err != nil {
				return err
			}
		} else if a.gap > 0 {
			a.gap--
		}
		if next != old {
			binary.LittleEndian.PutUint32(part, next)
		}
	}
	return nil
}

func (a *applier) nextGap() error {
	if len(a.Gaps) == 0 {
		a.gap = -1
		return nil
	}
	gap, n := binary.Uvarint(a.Gaps)
	if n <= 0 || gap > 1<<30 {
		return ErrPatch
	}
	a.gap, a.Gaps = int(gap), a.Gaps[n:]
	return nil
}

// step takes the next step off Control.
func (p *Patch) step() (add, insert, skip int64, err error) {
	var numbers [2]int64
	for i := range numbers {
		number, n := binary.Uvarint(p.Control)
		if n <= 0 || number > 1<<31-1 {
			return 0, 0, 0, ErrPatch
		}
		numbers[i], p.Control = int64(number), p.Control[n:]
	}
	skip, n := binary.Varint(p.Control)
	if n <= 0 || skip > 1<<50 || skip < -1<<50 {
		return 0, 0, 0, ErrPatch
	}
	p.Control = p.Control[n:]
	return numbers[0], numbers[1], skip, nil
}
