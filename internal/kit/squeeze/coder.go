package squeeze

import (
	"math"
	"math/bits"
	"sync"
)

// mode is what a coder does with the bits that it is given.
type mode byte

const (
	encoding  mode = iota // it writes them
	decoding              // it reads them, and what it is given does not matter
	measuring             // it adds up what they would cost
)

// coder is an arithmetic coder for bits, of the kind without carry (Mahoney, "Adaptive
// weighing of context models for lossless data compression", 2005): low and high are
// the ends of the range in which the number lies that the bytes are.
type coder struct {
	mode      mode
	low, high uint32
	number    uint32 // the first four bytes of what is read
	bytes     []byte // what was written, or is still to be read
	missing   int    // bytes read after the end
	broken    bool   // a number was read that no coder writes
	cost      int    // measured, in 1/256 of a bit
}

// Chances are in 1/4096.
const (
	chanceBits = 12
	even       = 1 << (chanceBits - 1)
)

// bit codes one bit; chance is that of a 1.
func (c *coder) bit(chance uint32, bit int) int {
	if c.mode == measuring {
		if bit == 0 {
			chance = 1<<chanceBits - chance
		}
		c.cost += int(costs[chance])
		return bit
	}
	middle := c.low + (c.high-c.low)>>chanceBits*chance
	if c.mode == decoding {
		bit = 0
		if c.number <= middle {
			bit = 1
		}
	}
	if bit == 1 {
		c.high = middle
	} else {
		c.low = middle + 1
	}
	for (c.low^c.high)>>24 == 0 {
		if c.mode == decoding {
			c.number = c.number<<8 | c.next()
		} else {
			c.bytes = append(c.bytes, byte(c.high>>24))
		}
		c.low, c.high = c.low<<8, c.high<<8|0xff
	}
	return bit
}

// next is the next byte that is read. After the end there are some zeros.
func (c *coder) next() uint32 {
	if len(c.bytes) == 0 {
		c.missing++
		return 0
	}
	b := c.bytes[0]
	c.bytes = c.bytes[1:]
	return uint32(b)
}

// newDecoder reads packed.
func newDecoder(packed []byte) *coder {
	c := &coder{mode: decoding, high: math.MaxUint32, bytes: packed}
	for range 4 {
		c.number = c.number<<8 | c.next()
	}
	return c
}

// end is all that was written: as many bytes as say in which range the number lies.
func (c *coder) end() []byte {
	return append(c.bytes, byte(c.low>>24)+1)
}

// chance is how likely a bit is a 1, in 1/2²² in the upper bits, and how many bits
// were seen in the lower ten. The fewer that were, the more each of them counts.
type chance uint32

const (
	seenBits  = 10
	unknown   = chance(1 << 31)
	mostCount = 250
)

var (
	rates  [mostCount + 1]int32      // by how many were seen, in 1/65536
	logits [1 << chanceBits]int32    // of chances, in 1/256
	costs  [1<<chanceBits + 1]uint16 // by chance, in 1/256 of a bit
)

// prepare makes the tables, of whole numbers only: they are the same on all machines.
var prepare = sync.OnceFunc(func() {
	for i := range rates {
		rates[i] = int32(65536 * 10 / (10*i + 16))
	}
	next := 0
	for x := int32(-mostLogit); x <= mostLogit; x++ {
		for to := int(squash(x)); next <= to; next++ {
			logits[next] = x
		}
	}
	for ; next < len(logits); next++ {
		logits[next] = mostLogit
	}
	for i := range costs {
		costs[i] = uint16(chanceBits*oneBit - logarithm(uint64(max(i, 1))))
	}
})

// oneBit is what a bit costs of which nothing is known.
const oneBit = 256

// logarithm is that of n to the base of two, in 1/256.
func logarithm(n uint64) int {
	whole := bits.Len64(n) - 1
	log, x := whole*oneBit, n<<30>>whole // x is between 1 and 2, in 1/2³⁰
	for part := oneBit / 2; part > 0; part /= 2 {
		if x = x * x >> 30; x >= 2<<30 {
			log, x = log+part, x/2
		}
	}
	return log
}

// mostLogit is as far as chances are told apart.
const mostLogit = 2047

// curve has the chance for every 128th logit.
var curve = [...]int32{1, 2, 3, 6, 10, 16, 27, 45, 73, 120, 194, 310, 488, 747, 1101, 1546, 2047,
	2549, 2994, 3348, 3607, 3785, 3901, 3975, 4024, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094}

// squash is the chance whose logit is x: 4096/(1+e^(-x/256)), nearly.
func squash(x int32) uint32 {
	x = min(max(x, -mostLogit), mostLogit)
	i, between := (x>>7)+16, x&127
	return uint32((curve[i]*(128-between) + curve[i+1]*between + 64) >> 7)
}

// of is a chance in 1/4096, never 0.
func (p chance) of() uint32 { return max(uint32(p>>(32-chanceBits)), 1) }

func (p *chance) learn(bit int, most chance) {
	seen := *p & (1<<seenBits - 1)
	now := int32(*p >> seenBits)
	target := int32(bit) << 22
	now += int32(int64(target-now) * int64(rates[seen]) >> 16)
	now = min(max(now, 0), 1<<22-1)
	if seen < most {
		seen++
	}
	*p = chance(now)<<seenBits | seen
}

// adaptive codes a bit by its own chance, which learns from it.
func (c *coder) adaptive(p *chance, bit int) int {
	bit = c.bit(p.of(), bit)
	if c.mode != measuring {
		p.learn(bit, 60)
	}
	return bit
}

// tree codes a number of so many bits, each by those before it.
func (c *coder) tree(chances []chance, bits, number int) int {
	node := 1
	for i := bits - 1; i >= 0; i-- {
		node = node<<1 | c.adaptive(&chances[node], number>>i&1)
	}
	return node - 1<<bits
}

// direct codes the lowest bits of a number of which nothing is known.
func (c *coder) direct(bits, number int) int {
	n := 0
	for i := bits - 1; i >= 0; i-- {
		n = n<<1 | c.bit(even, number>>i&1)
	}
	return n
}

const (
	largest = 29 // how many bits a number has after its first at most: all are below 1<<30
	heads   = 3  // how many of them are told by those before
)

// sized codes numbers: how many bits it has after the first, some of them by those
// before, the rest directly.
type sized struct {
	size [1 << 5]chance
	head [1 << 5][1 << heads]chance
}

func (s *sized) init() {
	fill(s.size[:])
	for i := range s.head {
		fill(s.head[i][:])
	}
}

func fill(chances []chance) {
	for i := range chances {
		chances[i] = unknown
	}
}

// code codes number, which is 1 at least.
func (s *sized) code(c *coder, number int) int {
	bits := 0
	for number>>bits > 1 {
		bits++
	}
	if bits = c.tree(s.size[:], 5, bits); bits > largest {
		c.broken = true // and an int of 32 bits could not hold it
		return 1
	}
	head := min(bits, heads)
	n := 1<<head | c.tree(s.head[bits][:], head, number>>(bits-head)&(1<<head-1))
	return n<<(bits-head) | c.direct(bits-head, number)
}
