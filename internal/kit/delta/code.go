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
func (c Code) Straighten(b []byte, at int64) { c.call().turn(b, uint32(at/4), 1) }

// bend is the other way round: what was straightened is as it was.
func (c Code) bend(b []byte, at int64) { c.call().turn(b, uint32(at/4), ^uint32(0)) }

// call is what an instruction looks like that calls a function (BL): some of its
// bits, and those of the others that say how far it goes, in words.
type call struct{ bits, distance uint32 }

// call is the zero one where no calls are known: it moves none.
func (c Code) call() call {
	switch c {
	case ARM:
		return call{0xEB << 24, 1<<24 - 1}
	case ARM64:
		return call{0b100101 << 26, 1<<26 - 1}
	}
	return call{}
}

// moved is a word with so many more words to go, if it is a call.
func (c call) moved(word, more uint32) uint32 {
	if word&^c.distance == c.bits {
		word = c.bits | (word+more)&c.distance
	}
	return word
}

// turn adds to each call where it stands, or takes it away again. A byte of each
// word is looked at, two words at once: small machines read a word byte by byte.
func (c call) turn(b []byte, place, sign uint32) {
	if c.distance == 0 {
		return
	}
	is := func(highest byte) bool { return highest&^byte(c.distance>>24) == byte(c.bits>>24) }
	place *= sign
	for ; len(b) >= 8; b, place = b[8:], place+2*sign {
		if is(b[3]) {
			c.move(b, place)
		}
		if is(b[7]) {
			c.move(b[4:], place+sign)
		}
	}
	if len(b) >= 4 && is(b[3]) {
		c.move(b, place)
	}
}

func (c call) move(b []byte, more uint32) {
	binary.LittleEndian.PutUint32(b, c.moved(binary.LittleEndian.Uint32(b), more))
}
