// Package squeeze makes a text small that is much like an older one: the changed
// files of a release, with the old ones as a dictionary.
//
// In: a content and a dictionary. Out: some bytes, from which with the same
// dictionary the content is made again, on any machine. Never: files, or trust: a
// digest that this package does not know tells whether the content is right.
//
// It copies stretches from the dictionary and from what came before, as the family
// of LZ77 does, and codes each choice by how likely it is, as LZMA does. Two things
// are added. In a new version of a text, a stretch that was copied mostly goes on
// after a few bytes that were put in or left out: so where a stretch begins is told
// by how far that is from where one of the last four would go on. And the bytes of
// which there is no older stretch are foretold by several contexts at once, whose
// opinions are weighed by how good they were. The work is the sender's, who looks
// for the cheapest way to say it all; a device copies, and computes something for
// the few bytes that are new.
package squeeze

import (
	"encoding/binary"
	"errors"
)

// Mark is the first byte of what Encode packs. No frame of zstd begins with it.
const Mark = 0x01

// ErrPacked is returned for what Encode did not make.
var ErrPacked = errors.New("what is packed does not fit together")

// state is what coding goes on from: all bytes so far.
type state struct {
	model      *model
	dictionary []byte
	out        []byte
	place
	before uint64
	word   uint32
}

func newState(dictionary []byte, model *model) state {
	s := state{model: model, dictionary: dictionary}
	// So the first stretch goes on from the beginning of the dictionary.
	for i := range s.distances {
		s.distances[i] = len(dictionary)
	}
	return s
}

// at is the byte at a place in the dictionary with the content after it.
func (s *state) at(i int) byte {
	if i < len(s.dictionary) {
		return s.dictionary[i]
	}
	return s.out[i-len(s.dictionary)]
}

func (s *state) foreseen() int {
	from := len(s.dictionary) + len(s.out) - s.distances[0]
	if s.distances[0] <= 0 || from < 0 {
		return -1
	}
	return int(s.at(from))
}

func (s *state) push(b byte) {
	s.out = append(s.out, b)
	s.see(b)
}

func (s *state) see(b byte) {
	s.before = s.before<<8 | uint64(b)
	s.word = nextWord(s.word, b)
}

func nextWord(word uint32, b byte) uint32 {
	if b|32 >= 'a' && b|32 <= 'z' || b == '_' || b >= 0x80 {
		return (word + uint32(b) + 1) * 0x2F0B4F27
	}
	return 0
}

// Decoder keeps what it needs for the next content: that is 3 MB.
type Decoder struct{ model model }

// Decode returns in the room of into what Encode packed, limit bytes at most.
func (d *Decoder) Decode(packed, dictionary, into []byte, limit int) ([]byte, error) {
	if len(packed) < 2 || packed[0] != Mark || packed[1] < leastBits || packed[1] > mostBits {
		return nil, ErrPacked
	}
	size, n := binary.Uvarint(packed[2:])
	if n <= 0 || size > uint64(limit) {
		return nil, ErrPacked
	}
	c := newDecoder(packed[2+n:])
	d.model.reset(uint(packed[1]))
	s := newState(dictionary, &d.model)
	s.out = into[:0]
	for len(s.out) < int(size) && c.missing <= 8 {
		if c.adaptive(&s.model.isMatch[s.literals], 0) == 0 {
			s.push(byte(s.model.literals.code(c, s.before, s.word, s.foreseen(), 0)))
			s.place = s.afterLiteral()
			continue
		}
		w, t := s.model.match(c, s.place, way{}, match{length: least})
		from := len(dictionary) + len(s.out) - t.distance
		if c.broken || t.distance <= 0 || from < 0 || t.length > int(size)-len(s.out) {
			return nil, ErrPacked
		}
		s.copy(from, t.length)
		s.place = s.after(w, t.distance)
	}
	if len(s.out) < int(size) || len(c.bytes) > 0 {
		return nil, ErrPacked
	}
	return s.out, nil
}

// copy appends length bytes from a place on.
func (s *state) copy(from, length int) {
	first := len(s.out)
	for length > 0 {
		var part []byte
		if from < len(s.dictionary) {
			part = s.dictionary[from:]
		} else {
			part = s.out[from-len(s.dictionary):]
		}
		part = part[:min(len(part), length)]
		s.out = append(s.out, part...)
		from, length = from+len(part), length-len(part)
	}
	for _, b := range s.out[max(first, len(s.out)-16):] {
		s.see(b)
	}
}
