package transfer

import (
	"encoding/binary"
	"io"
	"math/bits"
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

// newRoller hashes blocks of a file of size bytes.
func newRoller(salt Digest, size int64, width int) roller {
	r := roller{base: binary.LittleEndian.Uint64(salt[:])%(prime-1000) + 500, size: leastBlock, width: width}
	for size > int64(r.size)*mostBlocks {
		r.size *= 2
	}
	r.top = 1
	for range r.size - 1 {
		r.top = multiply(r.top, r.base)
	}
	return r
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

// hashes are those of all blocks of a file, the last of which may be shorter. What
// cannot be read is like nothing: the file is not what its listing says, and that
// shows when all has come.
func (r roller) hashes(file io.ReaderAt, size int64) []byte {
	var all []byte
	block := make([]byte, r.size)
	for at := int64(0); at < size; at += int64(r.size) {
		n := min(int64(r.size), size-at)
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

// blockMap finds the blocks of a file of the device in a new content.
type blockMap struct {
	roller
	size   int64 // of the file
	blocks []uint64
	first  map[uint64]int // the first block with a hash
	filter [1 << 10]uint64
}

func newBlockMap(r roller, size int64, hashes []byte) (*blockMap, error) {
	count := (size + int64(r.size) - 1) / int64(r.size)
	if int64(len(hashes)) != count*int64(r.width) {
		return nil, protocol("it tells of more or fewer blocks than there are")
	}
	m := &blockMap{roller: r, size: size, first: map[uint64]int{}}
	for i := range int(count) {
		var hash uint64
		for k := range r.width {
			hash |= uint64(hashes[i*r.width+k]) << (8 * k)
		}
		m.blocks = append(m.blocks, hash)
		m.filter[hash>>6&1023] |= 1 << (hash & 63)
		if _, there := m.first[hash]; !there && int64(i+1)*int64(r.size) <= size {
			m.first[hash] = i
		}
	}
	return m, nil
}

func (m *blockMap) search(content []byte) []located {
	var hits []located
	at, expected := 0, 0
	size := m.roller.size
	if len(content) >= size {
		h := m.sum(content[:size])
		for {
			if block := m.look(m.short(h), expected); block >= 0 {
				hits = append(hits, located{int64(at), int64(block) * int64(size), int64(size)})
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
	last := int(m.size % int64(size))
	from := len(content) - last
	if len(hits) > 0 {
		at = int(hits[len(hits)-1].at) + size
	} else {
		at = 0
	}
	if last > 0 && from >= at && m.short(m.sum(content[from:])) == m.blocks[len(m.blocks)-1] {
		hits = append(hits, located{int64(from), m.size - int64(last), int64(last)})
	}
	return hits
}

// look is the block with a hash, the expected one if it is that; -1 if there is none.
func (m *blockMap) look(hash uint64, expected int) int {
	if m.filter[hash>>6&1023]&(1<<(hash&63)) == 0 {
		return -1
	}
	if expected < len(m.blocks) && m.blocks[expected] == hash && int64(expected+1)*int64(m.roller.size) <= m.size {
		return expected
	}
	if block, there := m.first[hash]; there {
		return block
	}
	return -1
}
