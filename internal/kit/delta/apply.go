package delta

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
)

// ErrPatch is returned by [Applier.Apply] for a patch that does not fit together.
var ErrPatch = errors.New("the patch does not fit together")

// Old is the old content: a file of so many bytes, and what instructions it holds.
type Old struct {
	File io.ReaderAt
	Size int64
	Code Code
}

// most is how much is made at once.
const most = 1 << 20

// Applier applies patches, one after the other, with the same memory: two megabytes
// beside the patch.
type Applier struct {
	foresight
	gatherer

	patch Patch
	left  Step   // what is left of the step that is under way; its Old is not used
	place int64  // of it in the old content
	limit int64  // of what is still to be made
	gap   int    // words that are as foreseen, before the next that is not
	made  []byte // the next part of the new content, from a multiple of four on
	bent  int    // so many bytes of it are as they are to be
}

// Apply writes to w what patch makes from old, limit bytes at most. It lies at a
// multiple of four in the whole new content: at.
func (a *Applier) Apply(w io.Writer, at int64, old Old, patch Patch, limit int64) error {
	if a.made == nil {
		a.made = make([]byte, 0, most)
	}
	clear(a.foresight[:])
	a.patch, a.left, a.place, a.limit, a.made = patch, Step{}, 0, limit, a.made[:0]
	a.gatherer.begin(old)
	if a.gap, a.patch.Gaps = nextGap(patch.Gaps); a.gap < 0 {
		return ErrPatch
	}
	for end := false; !end; {
		var err error
		if end, err = a.fill(at); err != nil {
			return err
		}
		whole := len(a.made)
		if !end {
			whole &^= 3
		}
		old.Code.bend(a.made[a.bent:whole], at+int64(a.bent))
		if _, err := w.Write(a.made[:whole]); err != nil {
			return err
		}
		at += int64(whole)
		a.made = append(a.made[:0], a.made[whole:]...)
	}
	if len(a.patch.Edges)+len(a.patch.Values)+len(a.patch.Extra) > 0 {
		return ErrPatch
	}
	return nil
}

// fill makes as much as there is room for, and says whether that is the end. It
// begins at a place in the whole new content.
func (a *Applier) fill(at int64) (end bool, err error) {
	for !end && len(a.made) < most && !a.gatherer.full() {
		if end, err = a.some(); err != nil {
			return false, err
		}
	}
	if err := a.gather(a.made); err != nil {
		return false, err
	}
	a.bent = 0
	for _, s := range a.stretches {
		if err := a.alter(s, at); err != nil {
			return false, err
		}
	}
	a.forget()
	return end, nil
}

// some does the next part of a step. What is cut off for want of room is cut at a
// multiple of four, so that the words stay whole.
func (a *Applier) some() (end bool, err error) {
	room := most - len(a.made)
	switch {
	case a.left.Add > 0:
		n := min(a.left.Add, room)
		a.want(a.place, len(a.made), n)
		a.made = a.made[:len(a.made)+n]
		a.place, a.left.Add = a.place+int64(n), a.left.Add-n
	case a.left.Insert > 0:
		n := min(a.left.Insert, room)
		a.made = append(a.made, a.patch.Extra[:n]...)
		a.patch.Extra, a.left.Insert = a.patch.Extra[n:], a.left.Insert-n
	case len(a.patch.Control) > 0:
		return false, a.step()
	default:
		return true, nil
	}
	return false, nil
}

// step takes the next step off the patch.
func (a *Applier) step() error {
	add, insert, skip, err := a.patch.step()
	if err != nil {
		return err
	}
	a.place += skip
	if a.place < 0 || add > a.Size-a.place || add > a.limit || insert > a.limit-add || insert > int64(len(a.patch.Extra)) {
		return ErrPatch
	}
	a.left, a.limit = Step{Add: int(add), Insert: int(insert)}, a.limit-add-insert
	return nil
}

// alter makes the new bytes of a stretch from the old ones, and bends what comes
// before its words.
func (a *Applier) alter(s stretch, at int64) error {
	part := a.made[s.at:][:s.length]
	before, whole := words(int(s.at), len(part))
	if err := a.edge(part[:before]); err != nil {
		return err
	}
	if whole > 0 {
		from := int(s.at) + before
		a.Code.bend(a.made[a.bent:from], at+int64(a.bent))
		a.bent = from + whole
		if err := a.change(a.made[from:a.bent], s, at+int64(from)); err != nil {
			return err
		}
	}
	return a.edge(part[before+whole:])
}

// edge makes the new bytes beside the words from the old ones.
func (a *Applier) edge(part []byte) error {
	if len(part) > len(a.patch.Edges) {
		return ErrPatch
	}
	for i := range part {
		part[i] += a.patch.Edges[i]
	}
	a.patch.Edges = a.patch.Edges[len(part):]
	return nil
}

// change makes the new words of a stretch from the old ones; at is where they lie
// in the whole new content.
func (a *Applier) change(words []byte, s stretch, at int64) error {
	calls := calls{bent: a.Code.call(), to: uint32(at / 4)}
	if s.aligned() {
		calls.straight, calls.from = calls.bent, uint32((s.place+3)/4)
	}
	for len(words) > 0 {
		foreseen := min(4*a.gap, len(words))
		calls = a.foresight.follow(words[:foreseen], calls)
		a.gap -= foreseen / 4
		if words = words[foreseen:]; len(words) == 0 {
			break
		}
		if len(a.patch.Values) < 4 {
			return ErrPatch
		}
		old := calls.straight.moved(binary.LittleEndian.Uint32(words), calls.from)
		next := a.next(old) + binary.LittleEndian.Uint32(a.patch.Values)
		a.learn(old, next)
		binary.LittleEndian.PutUint32(words, calls.bent.moved(next, -calls.to))
		calls.from, calls.to = calls.from+1, calls.to+1
		words, a.patch.Values = words[4:], a.patch.Values[4:]
		if a.gap, a.patch.Gaps = nextGap(a.patch.Gaps); a.gap < 0 {
			return ErrPatch
		}
	}
	return nil
}

// calls is what becomes of the calls in words that lie one after the other.
type calls struct {
	straight, bent call   // what they look like in the old content, and in the new one
	from, to       uint32 // where the next word lies in each
}

// follow makes words of old ones of which each becomes what is foreseen. Almost all
// of an executable goes this way.
func (f *foresight) follow(words []byte, c calls) calls {
	if c.bent == (call{}) { // of other machines no calls are known
		for ; len(words) >= 4; words = words[4:] {
			binary.LittleEndian.PutUint32(words, f.next(binary.LittleEndian.Uint32(words)))
		}
		return c
	}
	straight, bent, from, to := c.straight, c.bent, c.from, c.to
	for ; len(words) >= 4; words = words[4:] {
		next := f.next(straight.moved(binary.LittleEndian.Uint32(words), from))
		binary.LittleEndian.PutUint32(words, bent.moved(next, -to))
		from, to = from+1, to+1
	}
	c.from, c.to = from, to
	return c
}

// never is a gap of more words than are made at once; four times as much is an int.
const never = math.MaxInt32 / 4

// nextGap takes the next number off gaps. It is less than none if that is none, and
// never if none follow.
func nextGap(gaps []byte) (gap int, rest []byte) {
	if len(gaps) == 0 {
		return never, nil
	}
	if gaps[0] < 0x80 { // most of them
		return int(gaps[0]), gaps[1:]
	}
	long, n := binary.Uvarint(gaps)
	if n <= 0 || long > never {
		return -1, nil
	}
	return int(long), gaps[n:]
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
