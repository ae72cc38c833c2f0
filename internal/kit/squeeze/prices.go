package squeeze

import "math/bits"

// prices are what things cost by a model that does not learn meanwhile.
type prices struct {
	literals    *literals
	isMatch     [4][2]int
	which       [4][reps + 1]int
	moved, back [reps][2]int
	shift       [reps]priceList
	far         priceList
	length      [kinds]priceList
}

func newPrices(m *model) *prices {
	p := &prices{literals: &m.literals, far: m.far.prices()}
	for i := range p.isMatch {
		p.isMatch[i] = m.isMatch[i].prices()
		for k := range p.which[i] {
			c := &coder{mode: measuring}
			c.symbol(m.which[i][:], k)
			p.which[i][k] = c.cost
		}
	}
	for i := range reps {
		p.moved[i], p.back[i], p.shift[i] = m.moved[i].prices(), m.back[i].prices(), m.shift[i].prices()
	}
	for i := range p.length {
		p.length[i] = m.length[i].prices()
	}
	return p
}

func (p chance) prices() (both [2]int) {
	for bit := range both {
		c := &coder{mode: measuring}
		c.bit(p.of(), bit)
		both[bit] = c.cost
	}
	return both
}

// priceList has what numbers cost, by how many bits they have and the first of those.
type priceList [largest + 1][1 << heads]int

func (s *sized) prices() (list priceList) {
	for size := range list {
		for head := range list[size] {
			c := &coder{mode: measuring}
			known := min(size, heads)
			s.code(c, (1<<known|head&(1<<known-1))<<(size-known))
			list[size][head] = c.cost
		}
	}
	return list
}

func (l *priceList) of(number int) int {
	size := bits.Len(uint(number)) - 1
	known := min(size, heads)
	return l[size][number>>(size-known)&(1<<known-1)]
}
