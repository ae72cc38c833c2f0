package transfer

import (
	"encoding/binary"
	"io"
	"maps"
	"math/bits"
	"slices"
)

// Blocks are hashed by a polynomial whose base is the salt's: it can be rolled
// over a content byte by byte, and two different blocks have the same hash as
// seldom as its length allows.

// prime is 2⁶¹−1.
const prime = 1<<61 - 1

// roller hashes blocks of one size.
type roller struct {
	base, top uint64 // top is base to the power of size-1
	size      int
	width     int // bytes of a hash
}

// leastBlock is the size of a block of a file up to 16 MB; of larger ones it is so
// large that there are mostBlocks.
const (
	leastBlock = 1 << 10
	mostBlocks = 16 << 10
)

// fineBlock is the size of the blocks of those parts of a file of which no larger
// one was found, if they are mostUnfound together at most.
const (
	fineBlock   = 128
	mostUnfound = 256 << 10
)

// newRoller hashes blocks of size bytes.
func newRoller(salt Digest, size, width int) roller {
	r := roller{base: binary.LittleEndian.Uint64(salt[:])%(prime-1000) + 500, size: size, width: width, top: 1}
	for range size - 1 {
		r.top = multiply(r.top, r.base)
	}
	return r
}

// blockSizeOf is the size of the blocks of a file.
func blockSizeOf(size int64) int {
	block := leastBlock
	for size > int64(block)*mostBlocks {
		block *= 2
	}
	return block
}

func multiply(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	sum := low&prime + (high<<3 | low>>61)
	if sum >= prime {
		sum -= prime
	}
	return sum
}

func (r roller) sum(block []byte) uint64 {
	var h uint64
	for _, c := range block {
		h = multiply(h, r.base) + uint64(c) + 1
		if h >= prime {
			h -= prime
		}
	}
	return h
}

// roll is the sum one byte further.
func (r roller) roll(h uint64, out, in byte) uint64 {
	h += prime - multiply(uint64(out)+1, r.top)
	if h >= prime {
		h -= prime
	}
	h = multiply(h, r.base) + uint64(in) + 1
	if h >= prime {
		h -= prime
	}
	return h
}

// short is as much of a sum as is sent.
func (r roller) short(h uint64) uint64 {
	h ^= h >> 29
	h *= 0xBF58476D1CE4E5B9
	h ^= h >> 32
	return h >> (64 - 8*r.width)
}

// hashes are those of all blocks in a range of a file, the last of which may be
// shorter. What cannot be read is like nothing: the file is not what its listing
// says, and that shows when all has come.
func (r roller) hashes(all []byte, file io.ReaderAt, from, to int64) []byte {
	block := make([]byte, r.size)
	for at := from; at < to; at += int64(r.size) {
		n := min(int64(r.size), to-at)
		if got, _ := file.ReadAt(block[:n], at); int64(got) < n {
			clear(block)
		}
		short := r.short(r.sum(block[:n]))
		for i := range r.width {
			all = append(all, byte(short>>(8*i)))
		}
	}
	return all
}

// span is a range of a file.
type span struct{ from, to int64 }

// blockMap finds the blocks of a file of the device in a new content.
type blockMap struct {
	roller
	blocks []uint64
	places []int64        // of the blocks in the file
	first  map[uint64]int // the first block with a hash
	filter [1 << 10]uint64
	tail   int64 // length of the last block, if it is a shorter one
	fine   *blockMap
}

// newBlockMap takes the hashes of the blocks of some ranges of a file.
func newBlockMap(r roller, spans []span, hashes []byte) (*blockMap, error) {
	m := &blockMap{roller: r, first: map[uint64]int{}}
	for _, span := range spans {
		for at := span.from; at < span.to; at += int64(r.size) {
			if len(hashes) < r.width {
				return nil, protocol("it tells of fewer blocks than there are")
			}
			var hash uint64
			for k := range r.width {
				hash |= uint64(hashes[k]) << (8 * k)
			}
			hashes = hashes[r.width:]
			i := len(m.blocks)
			m.blocks, m.places = append(m.blocks, hash), append(m.places, at)
			if m.tail = 0; span.to-at < int64(r.size) {
				m.tail = span.to - at
				continue
			}
			m.filter[hash>>6&1023] |= 1 << (hash & 63)
			if _, there := m.first[hash]; !there {
				m.first[hash] = i
			}
		}
	}
	if len(hashes) > 0 {
		return nil, protocol("it tells of more blocks than there are")
	}
	return m, nil
}

// search says which stretches of content are blocks of the file: the large ones,
// and between them the fine ones.
func (m *blockMap) search(content []byte) []located {
	large := m.one(content)
	if m.fine == nil {
		return large
	}
	var all []located
	at := int64(0)
	for _, hit := range append(large, located{int64(len(content)), 0, 0}) {
		for _, fine := range m.fine.one(content[at:hit.at]) {
			fine.at += at
			all = append(all, fine)
		}
		if hit.length > 0 {
			all = append(all, hit)
		}
		at = hit.at + hit.length
	}
	return all
}

// one searches for blocks of one size.
func (m *blockMap) one(content []byte) []located {
	var hits []located
	at, expected, size := 0, 0, m.size
	if len(content) >= size {
		h := m.sum(content[:size])
		for {
			if block := m.look(m.short(h), expected); block >= 0 {
				hits = append(hits, located{int64(at), m.places[block], int64(size)})
				at, expected = at+size, block+1
				if at+size > len(content) {
					break
				}
				h = m.sum(content[at : at+size])
				continue
			}
			if at+size >= len(content) {
				break
			}
			h = m.roll(h, content[at], content[at+size])
			at++
		}
	}
	// The end of the file may be a block that is shorter.
	done := int64(0)
	if len(hits) > 0 {
		done = hits[len(hits)-1].at + int64(size)
	}
	last, from := len(m.blocks)-1, int64(len(content))-m.tail
	if m.tail > 0 && from >= done && m.short(m.sum(content[from:])) == m.blocks[last] {
		hits = append(hits, located{from, m.places[last], m.tail})
	}
	return hits
}

// look is the block with a hash, the expected one if it is that; -1 if there is none.
func (m *blockMap) look(hash uint64, expected int) int {
	if m.filter[hash>>6&1023]&(1<<(hash&63)) == 0 {
		return -1
	}
	block, there := m.first[hash]
	if !there {
		return -1
	}
	if expected < len(m.blocks) && m.blocks[expected] == hash {
		return expected
	}
	return block
}

// unfound are the ranges of a file of which no block was hit, size bytes in all.
func unfound(size int64, hits map[int64]int64) (spans []span, total int64) {
	at := int64(0)
	for _, from := range append(slices.Sorted(maps.Keys(hits)), size) {
		if from > at {
			spans = append(spans, span{at, from})
			total += from - at
		}
		at = from + hits[from]
	}
	return spans, total
}
