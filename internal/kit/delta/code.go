package delta

import "encoding/binary"

// Code is the kind of instructions in an executable. Its calls are straightened
// before they are compared: a call says how far it goes, so all of them change when
// something is put in between; where it goes stays the same.
type Code byte

// The kinds of instructions that are known.
const (
	Plain Code = 0 // none: bytes are as they are
	ARM   Code = 1
	ARM64 Code = 2
)

// CodeOf tells by the first bytes of a file what it holds.
func CodeOf(head []byte) Code {
	const littleEndian, machine = 1, 18
	if len(head) < machine+2 || string(head[:4]) != "\x7fELF" || head[5] != littleEndian {
		return Plain
	}
	switch binary.LittleEndian.Uint16(head[machine:]) {
	case 40:
		return ARM
	case 183:
		return ARM64
	}
	return Plain
}

// Straighten rewrites the calls in b, which lies at a multiple of four in its file.
// Bytes after the last whole word stay as they are.
func (c Code) Straighten(b []byte, at int64) { c.turn(b, uint32(at/4), 1) }

// bend is the other way round: what was straightened is as it was.
func (c Code) bend(b []byte, at int64) { c.turn(b, uint32(at/4), ^uint32(0)) }

// call is what an instruction looks like that calls a function (BL): the highest of
// its bytes, without the bits in it that belong to the distance, and the bits that
// say how far it goes, in words.
func (c Code) call() (high, distance uint32) {
	switch c {
	case ARM:
		return 0xEB, 1<<24 - 1
	case ARM64:
		return 0b100101 << 2, 1<<26 - 1
	}
	return 0, 0
}

// turn adds to each call where it stands, or takes it away again. A byte of each
// word is looked at, two words at once: small machines read a word byte by byte.
func (c Code) turn(b []byte, place, sign uint32) {
	high, distance := c.call()
	if distance == 0 {
		return
	}
	is := func(highest byte) bool { return highest&^byte(distance>>24) == byte(high) }
	place *= sign
	for ; len(b) >= 8; b, place = b[8:], place+2*sign {
		if is(b[3]) {
			add(b, place, distance)
		}
		if is(b[7]) {
			add(b[4:], place+sign, distance)
		}
	}
	if len(b) >= 4 && is(b[3]) {
		add(b, place, distance)
	}
}

// add adds to those bits of a word that the mask has.
func add(b []byte, more, mask uint32) {
	word := binary.LittleEndian.Uint32(b)
	binary.LittleEndian.PutUint32(b, word&^mask|(word+more)&mask)
}
