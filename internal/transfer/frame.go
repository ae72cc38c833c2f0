package transfer

import (
	"encoding/binary"
	"slices"
)

// stretch is a part of the content of an entry that both sides know.
type stretch struct {
	number      int // of the entry
	off, length int64
}

// operation makes contents: so many bytes of the frame, then a stretch of the old
// contents.
type operation struct {
	literal int64
	copied  stretch
}

// frame is a section that makes the next bytes of the new contents.
//
// Its body: packed, the stretches of the dictionary and the operations; then a
// frame of zstd, or what package squeeze made, whichever is better for the device.
// The dictionary is those stretches, and then all that are copied.
type frame struct {
	dictionary []stretch
	operations []operation

	old     []byte // the content of the stretches of the dictionary
	copied  []byte // and of those that are copied
	literal []byte
	pending int64 // bytes of literal after the last operation
}

func (f *frame) empty() bool { return len(f.literal) == 0 && len(f.operations) == 0 }

// fits says whether so much more of each may be added.
func (f *frame) fits(old, literal int64) bool {
	return int64(len(f.old)+len(f.copied))+old <= maxDictionary && int64(len(f.literal))+literal <= maxPiece
}

func (f *frame) refer(s stretch, content []byte) {
	f.dictionary = append(f.dictionary, s)
	f.old = append(f.old, content...)
}

func (f *frame) add(literal []byte) {
	f.literal = append(f.literal, literal...)
	f.pending += int64(len(literal))
}

func (f *frame) copy(s stretch, content []byte) {
	f.copied = append(f.copied, content...)
	if last := len(f.operations) - 1; last >= 0 && f.pending == 0 {
		before := &f.operations[last].copied
		if before.number == s.number && before.off+before.length == s.off {
			before.length += s.length
			return
		}
	}
	f.operations = append(f.operations, operation{f.pending, s})
	f.pending = 0
}

// encode makes the body; press is [shortest] or [compress].
func (f *frame) encode(known []Entry, press func(data, dictionary []byte) []byte) []byte {
	head := binary.AppendUvarint(nil, uint64(len(f.dictionary)))
	for _, s := range f.dictionary {
		if s.off == 0 && s.length == known[s.number].Size {
			head = binary.AppendUvarint(head, uint64(s.number)<<1)
			continue
		}
		head = binary.AppendUvarint(head, uint64(s.number)<<1|1)
		head = binary.AppendUvarint(head, uint64(s.off))
		head = binary.AppendUvarint(head, uint64(s.length))
	}
	head = binary.AppendUvarint(head, uint64(len(f.operations)))
	var at stretch
	for _, op := range f.operations {
		head = binary.AppendUvarint(head, uint64(op.literal))
		head = binary.AppendVarint(head, int64(op.copied.number-at.number))
		if op.copied.number != at.number {
			at = stretch{number: op.copied.number}
		}
		head = binary.AppendVarint(head, op.copied.off-at.off)
		head = binary.AppendUvarint(head, uint64(op.copied.length))
		at.off = op.copied.off + op.copied.length
	}
	body := pack(nil, head)
	if len(f.literal) == 0 {
		return body
	}
	return append(body, press(f.literal, slices.Concat(f.old, f.copied))...)
}

// decodeFrame reads what a body says; packed is what comes after. What it refers
// to is there, and not more than a device has memory for.
func decodeFrame(body []byte, known []Entry) (f frame, packed []byte, err error) {
	outer := &fields{rest: body}
	head := &fields{rest: outer.unpack(maxBody)}
	var referred int64
	for range head.number(int64(len(head.rest))) {
		mark := head.number(int64(len(known))<<1 | 1)
		s := stretch{number: int(mark >> 1)}
		if mark&1 == 1 {
			s.off, s.length = head.number(1<<50), head.number(maxDictionary)
		} else if s.number < len(known) {
			s.length = known[s.number].Size
		}
		if referred += s.length; !s.within(known) || referred > maxDictionary {
			head.bad = true
			break
		}
		f.dictionary = append(f.dictionary, s)
	}
	var at stretch
	for range head.number(int64(len(head.rest))) {
		op := operation{literal: head.number(maxPiece)}
		op.copied.number = at.number + int(head.signed())
		if op.copied.number != at.number {
			at = stretch{number: op.copied.number}
		}
		op.copied.off = at.off + head.signed()
		op.copied.length = head.number(maxDictionary)
		if referred += op.copied.length; !op.copied.within(known) || referred > maxDictionary {
			head.bad = true
			break
		}
		at.off = op.copied.off + op.copied.length
		f.operations = append(f.operations, op)
	}
	if outer.bad || !head.done() {
		return f, nil, protocol("a frame of its stream does not fit together")
	}
	return f, outer.rest, nil
}

// within says whether there is such a stretch.
func (s stretch) within(known []Entry) bool {
	return s.number >= 0 && s.number < len(known) && known[s.number].Kind == KindFile &&
		s.off >= 0 && s.length >= 0 && s.off+s.length <= known[s.number].Size
}

func (f *fields) signed() int64 {
	n, size := binary.Varint(f.rest)
	if size <= 0 || n > 1<<50 || n < -1<<50 || f.bad {
		f.bad, f.rest = true, nil
		return 0
	}
	f.rest = f.rest[size:]
	return n
}
