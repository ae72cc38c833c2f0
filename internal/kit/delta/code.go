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

// turn adds to each call where it stands, or takes it away again.
func (c Code) turn(b []byte, place, sign uint32) {
	switch c {
	case ARM: // BL: a byte of operation, 24 bits of distance in words
		for i := 0; i+4 <= len(b); i += 4 {
			if b[i+3] == 0xEB {
				word := binary.LittleEndian.Uint32(b[i:])
				binary.LittleEndian.PutUint32(b[i:], word&^0xFFFFFF|(word+sign*(place+uint32(i/4)))&0xFFFFFF)
			}
		}
	case ARM64: // BL: 6 bits of operation, 26 bits of distance in words
		for i := 0; i+4 <= len(b); i += 4 {
			if b[i+3]>>2 == 0b100101 {
				word := binary.LittleEndian.Uint32(b[i:])
				binary.LittleEndian.PutUint32(b[i:], word&^0x3FFFFFF|(word+sign*(place+uint32(i/4)))&0x3FFFFFF)
			}
		}
	}
}
