package squeeze

// literals foretells bytes by several contexts, whose opinions are weighed by how
// good they were: a small network (Mahoney, as above).
type literals struct {
	tables  [inputs][]chance
	weights [sets][inputs]int32 // in 1/65536
	shift   uint                // what a hash is shifted by to be a place in a table
}

const (
	inputs    = 6
	leastBits = 8  // the smallest table has 1<<leastBits chances
	mostBits  = 17 // and the largest
	sets      = 3 * 8
)

// reset forgets all, and has tables of 1<<bits chances: small ones for few literals,
// as they are cleared first.
func (l *literals) reset(bits uint) {
	l.shift = 32 - bits
	for i := range l.tables {
		if cap(l.tables[i]) < 1<<bits {
			l.tables[i] = make([]chance, 1<<bits)
		}
		l.tables[i] = l.tables[i][:1<<bits]
		fill(l.tables[i])
	}
	for i := range l.weights {
		for k := range l.weights[i] {
			l.weights[i][k] = 22000
		}
	}
}

// confidence is how much an opinion counts that rests on so few bits, in 1/16.
var confidence = [...]int32{0, 10, 13, 15, 16}

// code codes a byte. Before are the bytes before it, the last in the lowest bits;
// word is a hash of the letters before it, and foreseen what came next in the old
// content, -1 if nothing did.
func (l *literals) code(c *coder, before uint64, word uint32, foreseen int, byte int) int {
	hashes := [inputs]uint32{
		uint32(before&0xff) * 0x9E3779B1,
		uint32(before&0xffff)*0x85EBCA6B + 1,
		uint32(before&0xffffff)*0xC2B2AE35 + 2,
		uint32(before)*0x27D4EB2F + 3,
		word*0x165667B1 + 4,
		uint32(foreseen+1)*0x9E3779B1 + uint32(before&0xff)*0x85EBCA6B + 5,
	}
	node := 1
	for i := 7; i >= 0; i-- {
		set := 0
		if foreseen >= 0 {
			set = 8
			if (foreseen|256)>>(i+1) == node {
				set = 16
			}
		}
		weights := &l.weights[set+i]
		var slots [inputs]*chance
		var opinions [inputs]int32
		var sum int64
		for k := range slots {
			slots[k] = &l.tables[k][(hashes[k]+uint32(node)*0x2C1B3C6D)*0x297A2D39>>l.shift]
			seen := *slots[k] & (1<<seenBits - 1)
			opinions[k] = logits[slots[k].of()] * confidence[min(seen, 4)] / 16
			sum += int64(opinions[k]) * int64(weights[k])
		}
		p := squash(int32(sum >> 16))
		bit := c.bit(p, byte>>i&1)
		if c.mode != measuring {
			wrong := int32(bit<<chanceBits) - int32(p)
			for k := range slots {
				weights[k] += opinions[k] * wrong >> 6
				slots[k].learn(bit, mostCount)
			}
		}
		node = node<<1 | bit
	}
	return node & 0xff
}
