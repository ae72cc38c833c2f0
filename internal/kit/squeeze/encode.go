package squeeze

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"sort"

	"ota/internal/kit/prefix"
)

// Encode makes data small with the help of a dictionary: both together are less than
// a gigabyte. It also says of how many bytes of data there is nothing older: what
// [Decoder] has to do grows with these. The same in gives the same out. It takes
// seconds for a megabyte, and some 20 times the memory.
func Encode(data, dictionary []byte) (packed []byte, literals int) {
	e := &encoder{all: slices.Concat(dictionary, data), start: len(dictionary)}
	e.words = words(data)
	for i, length := range seeds {
		e.indexes[i] = newIndex(e.all, length)
	}
	// What the first parse learns is what the second one measures by. The literals
	// that it leaves say how large the tables for them are to be.
	e.prices = newPrices(newModel(leastBits))
	e.prices.literals = nil // nothing is known of them yet
	steps := e.parse()
	literals = literalsOf(steps)
	e.bits = uint(min(max(bits.Len(uint(literals))+4, leastBits), mostBits))
	packed, learnt := e.write(steps)
	e.prices = newPrices(learnt)
	steps = e.parse()
	if again, _ := e.write(steps); len(again) < len(packed) {
		packed, literals = again, literalsOf(steps)
	}
	return append(binary.AppendUvarint([]byte{Mark, byte(e.bits)}, uint64(len(data))), packed...), literals
}

// words has for each byte a hash of the letters before it.
func words(data []byte) []uint32 {
	words := make([]uint32, len(data))
	word := uint32(0)
	for i := range words {
		words[i] = word
		word = nextWord(word, data[i])
	}
	return words
}

func literalsOf(steps []step) (count int) {
	for _, step := range steps {
		if step.length == 1 {
			count++
		}
	}
	return count
}

// seeds are how many bytes must be the same for a place to be looked at.
var seeds = [...]int{24, 12, 6, 4}

type encoder struct {
	all     []byte // the dictionary, then the content
	start   int    // of the content
	words   []uint32
	indexes [len(seeds)]index
	prices  *prices
	bits    uint // of the tables for literals
}

// step is a match, or with length 1 a literal.
type step struct {
	way
	match
}

func (e *encoder) write(steps []step) ([]byte, *model) {
	c := &coder{high: math.MaxUint32}
	s := newState(e.all[:e.start], newModel(e.bits))
	s.out = make([]byte, 0, len(e.all)-e.start)
	for _, one := range steps {
		next := e.start + len(s.out)
		if one.length == 1 {
			c.adaptive(&s.model.isMatch[s.literals], 0)
			s.model.literals.code(c, s.before, s.word, s.foreseen(), int(e.all[next]))
			s.push(e.all[next])
			s.place = s.afterLiteral()
			continue
		}
		c.adaptive(&s.model.isMatch[s.literals], 1)
		s.model.match(c, s.place, one.way, one.match)
		s.copy(next-one.distance, one.length)
		s.place = s.after(one.way, one.distance)
	}
	return c.end(), s.model
}

// node is a place in the content, and the cheapest way to it.
type node struct {
	cost int
	step step
	from int
	place
}

const (
	enough  = 192  // a match so long is taken without a look at others
	plenty  = 32   // with a match so long, no shorter seeds are looked for
	horizon = 2048 // how many places are weighed together
	never   = math.MaxInt / 2
)

// parse finds a cheap way through the content.
func (e *encoder) parse() []step {
	var steps []step
	nodes := make([]node, horizon+enough+2)
	at := e.start
	here := newState(e.all[:e.start], nil).place
	reached := len(nodes) - 1
	for at < len(e.all) {
		for i := range nodes[:reached+1] {
			nodes[i].cost = never
		}
		nodes[0] = node{place: here}
		end := 0 // the last node that is reached
		var long *step
		i := 0
		for ; i <= end && at+i < len(e.all) && i < horizon; i++ {
			if i > 0 {
				settle(nodes, i)
			}
			if i == end && i > horizon/2 {
				break // all ways lead through here
			}
			if long = e.weigh(nodes, i, at+i, &end); long != nil {
				break
			}
		}
		if long == nil {
			settle(nodes, i)
		}
		here, reached = nodes[i].place, end
		steps = append(steps, path(nodes, i)...)
		at += i
		if long != nil {
			steps = append(steps, *long)
			here = here.after(long.way, long.distance)
			at += long.length
		}
	}
	return steps
}

// settle tells node i its place: the way to it is the cheapest that there will be.
func settle(nodes []node, i int) {
	n := &nodes[i]
	before := nodes[n.from].place
	if n.step.length == 1 {
		n.place = before.afterLiteral()
	} else {
		n.place = before.after(n.step.way, n.step.distance)
	}
}

// path is the cheapest way to node i.
func path(nodes []node, i int) (steps []step) {
	for ; i > 0; i = nodes[i].from {
		steps = append(steps, nodes[i].step)
	}
	slices.Reverse(steps)
	return steps
}

// weigh tries all that can come next at node i, which is place at. A match that is
// long enough is returned.
func (e *encoder) weigh(nodes []node, i, at int, end *int) *step {
	n := &nodes[i]
	reach := func(to, cost int, s step) {
		if cost < nodes[to].cost {
			nodes[to].cost, nodes[to].step, nodes[to].from = cost, s, i
		}
		*end = max(*end, to)
	}
	reach(i+1, n.cost+e.prices.isMatch[n.literals][0]+e.literal(n, at), step{match: match{0, 1}})

	best := 0
	tried := make([]int, 0, 64)
	try := func(from int) *step {
		distance := at - from
		if slices.Contains(tried, distance) {
			return nil
		}
		if len(tried) < cap(tried) {
			tried = append(tried, distance)
		}
		length := prefix.Shared(e.all[from:], e.all[at:])
		best = max(best, length)
		if length < least {
			return nil
		}
		s := step{match: match{distance, length}}
		base, price := e.cheapest(n.place, distance, &s.way)
		base += n.cost
		if length >= enough {
			return &s
		}
		if s.rep == isFar && length < 3 {
			return nil
		}
		for l := least; l <= length; l++ {
			if l > 40 && l < length-8 {
				continue
			}
			s.length = l
			reach(i+l, base+price.of(l-least+1), s)
		}
		return nil
	}
	for _, d := range n.distances {
		if d > 0 && d <= at {
			if s := try(at - d); s != nil {
				return s
			}
		}
	}
	for k := range e.indexes {
		if best >= plenty {
			break
		}
		var found *step
		e.indexes[k].near(e.all, at, at-n.distances[0], at-n.distances[1], func(from int) {
			if s := try(from); s != nil && (found == nil || s.length > found.length) {
				found = s
			}
		})
		if found != nil {
			return found
		}
	}
	return nil
}

// literal is what the literal at a place costs.
func (e *encoder) literal(n *node, at int) int {
	if e.prices.literals == nil {
		return 5 * oneBit
	}
	var before uint64
	for k := max(e.start, at-4); k < at; k++ {
		before = before<<8 | uint64(e.all[k])
	}
	foreseen := -1
	if d := n.distances[0]; d > 0 && d <= at {
		foreseen = int(e.all[at-d])
	}
	c := coder{mode: measuring}
	e.prices.literals.code(&c, before, e.words[at-e.start], foreseen, int(e.all[at]))
	return c.cost
}

// cheapest is the cheapest way to tell a distance, without the length.
func (e *encoder) cheapest(p place, distance int, best *way) (int, *priceList) {
	x := e.prices
	cost, kind := never, 0
	for rep := range reps {
		shift := distance - p.distances[rep]
		if shift > maxShift || shift < -maxShift {
			continue
		}
		c, k := x.which[p.literals][rep], kindOf(rep, shift)
		if shift == 0 {
			c += x.moved[rep][0]
		} else {
			c += x.moved[rep][1] + x.back[rep][bool2int(shift < 0)] + x.shift[rep].of(max(shift, -shift))
		}
		if c < cost {
			cost, kind, *best = c, k, way{rep, shift}
		}
	}
	if c := x.which[p.literals][isFar] + x.far.of(distance); c < cost {
		cost, kind, *best = c, 0, way{rep: isFar}
	}
	return cost + x.isMatch[p.literals][1], &x.length[kind]
}

// index has the places of a content by a hash of some bytes that begin there.
type index struct {
	length int
	shift  uint
	starts []int32 // by hash: where its places begin
	places []int32 // ascending for each hash
}

func newIndex(all []byte, length int) index {
	size := min(max(bits.Len(uint(len(all))), 10), 21)
	x := index{length: length, shift: uint(64 - size), starts: make([]int32, 1<<size+1)}
	count := max(len(all)-length+1, 0)
	x.places = make([]int32, count)
	hashes := make([]uint32, count)
	for i := range hashes {
		hashes[i] = x.hash(all[i:])
		x.starts[hashes[i]+1]++
	}
	for i := 1; i < len(x.starts); i++ {
		x.starts[i] += x.starts[i-1]
	}
	next := append([]int32{}, x.starts...)
	for i, hash := range hashes {
		x.places[next[hash]] = int32(i)
		next[hash]++
	}
	return x
}

func (x *index) hash(b []byte) uint32 {
	h := uint64(0)
	for i := 0; i+4 <= x.length; i += 4 {
		h = (h ^ uint64(binary.LittleEndian.Uint32(b[i:]))) * 0x9E3779B97F4A7C15
		h ^= h >> 29
	}
	if x.length&3 != 0 {
		h = (h ^ uint64(binary.LittleEndian.Uint32(b[x.length-4:]))) * 0x9E3779B97F4A7C15
	}
	return uint32(h * 0x9E3779B97F4A7C15 >> x.shift)
}

// near gives the places before at that are nearest to those that are expected, and
// the last ones.
func (x *index) near(all []byte, at, expected1, expected2 int, take func(from int)) {
	if at+x.length > len(all) {
		return
	}
	hash := x.hash(all[at:])
	group := x.places[x.starts[hash]:x.starts[hash+1]]
	group = group[:sort.Search(len(group), func(i int) bool { return int(group[i]) >= at })]
	const each = 5
	for _, expected := range []int{expected1, expected2, at} {
		middle := sort.Search(len(group), func(i int) bool { return int(group[i]) >= expected })
		for i := max(0, middle-each); i < min(len(group), middle+each); i++ {
			take(int(group[i]))
		}
	}
}
