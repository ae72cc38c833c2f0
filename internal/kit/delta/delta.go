// Package delta says how a file is made from an older one of which much has
// moved and a little of everything has changed: an executable built again.
//
// In: the old content and the new one. Out: steps, and the three streams of
// bytes that they become, which a compressor makes small. Never: compression,
// files, or trust: what is applied is bounded by its caller, and checked by a
// digest that this package does not know.
//
// The way is that of bsdiff (Percival, "Naive differences of executable code",
// 2003): stretches of the new content lie beside stretches of the old one in
// which most bytes are the same, and the difference of the two is mostly zeros.
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

// Patch is what steps become: Control has their numbers, Diff the differences to
// the old content, Extra what is inserted.
type Patch struct {
	Control, Diff, Extra []byte
}

// Encode is the patch that makes next from old by steps, whose positions count
// from the start of old; base is where old lies in the whole old content.
func Encode(old, next []byte, steps []Step, base int64) Patch {
	var patch Patch
	at, expected := 0, base
	for _, step := range steps {
		patch.Control = binary.AppendUvarint(patch.Control, uint64(step.Add))
		patch.Control = binary.AppendUvarint(patch.Control, uint64(step.Insert))
		patch.Control = binary.AppendVarint(patch.Control, step.Old+base-expected)
		for i := range step.Add {
			patch.Diff = append(patch.Diff, next[at+i]-old[step.Old+int64(i)])
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

// Apply writes to w what patch makes from old, limit bytes at most. It holds no
// more of it than a few kilobytes.
func Apply(w io.Writer, old io.ReaderAt, patch Patch, limit int64) error {
	var was, is [32 << 10]byte
	var at int64
	for len(patch.Control) > 0 {
		add, insert, skip, err := patch.step()
		if err != nil {
			return err
		}
		if limit -= int64(add) + int64(insert); limit < 0 {
			return ErrPatch
		}
		if at += skip; at < 0 {
			return ErrPatch
		}
		for add > 0 {
			n := min(add, len(was))
			if _, err := old.ReadAt(was[:n], at); err != nil {
				return errors.Join(ErrPatch, err)
			}
			for i, difference := range patch.Diff[:n] {
				is[i] = was[i] + difference
			}
			if _, err := w.Write(is[:n]); err != nil {
				return err
			}
			patch.Diff, add, at = patch.Diff[n:], add-n, at+int64(n)
		}
		if _, err := w.Write(patch.Extra[:insert]); err != nil {
			return err
		}
		patch.Extra = patch.Extra[insert:]
	}
	if len(patch.Diff)+len(patch.Extra) > 0 {
		return ErrPatch
	}
	return nil
}

// step takes the next step off Control; both lengths are within what is there.
func (p *Patch) step() (add, insert int, skip int64, err error) {
	wide, n := binary.Uvarint(p.Control)
	if n <= 0 || wide > uint64(len(p.Diff)) {
		return 0, 0, 0, ErrPatch
	}
	p.Control = p.Control[n:]
	extra, n := binary.Uvarint(p.Control)
	if n <= 0 || extra > uint64(len(p.Extra)) {
		return 0, 0, 0, ErrPatch
	}
	p.Control = p.Control[n:]
	skip, n = binary.Varint(p.Control)
	if n <= 0 || skip > 1<<50 || skip < -1<<50 {
		return 0, 0, 0, ErrPatch
	}
	p.Control = p.Control[n:]
	return int(wide), int(extra), skip, nil
}
