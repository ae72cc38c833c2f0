package squeeze

// model is what coder and decoder know after the same beginning of a content: how
// likely each next thing is.
type model struct {
	literals literals

	isMatch [4]chance // by how many literals came before, 3 or more
	which   [4][reps]chance
	moved   [reps]chance // whether a stretch begins beside where an earlier one went on
	back    [reps]chance // and before it
	shift   [reps]sized  // how far beside
	far     sized
	length  [kinds]sized
}

// reps is how many of the last distances are known.
const reps = 4

func newModel(bits uint) *model {
	m := &model{}
	m.reset(bits)
	return m
}

// reset forgets all that was learnt.
func (m *model) reset(bits uint) {
	prepare()
	m.literals.reset(bits)
	fill(m.isMatch[:])
	for i := range m.which {
		fill(m.which[i][:])
	}
	fill(m.moved[:])
	fill(m.back[:])
	m.far.init()
	for _, all := range [][]sized{m.shift[:], m.length[:]} {
		for i := range all {
			all[i].init()
		}
	}
}

// place is what the next thing is told by: where earlier stretches came from, and how
// many literals came since the last.
type place struct {
	distances [reps]int
	literals  int
}

// match is a stretch that came before: how far back it begins and how long it is.
type match struct{ distance, length int }

// least is the shortest match.
const least = 2

// way is how a distance is told: far, or by which of the last ones; shift is how much
// more it is.
type way struct{ rep, shift int }

const (
	isFar    = reps
	maxShift = 1 << 20
)

// after is what is known after a match.
func (p place) after(w way, distance int) place {
	q := place{}
	n := 1
	for i, d := range p.distances {
		if i != w.rep && n < reps {
			q.distances[n] = d
			n++
		}
	}
	q.distances[0] = distance
	return q
}

func (p place) afterLiteral() place {
	p.literals = min(p.literals+1, len(model{}.isMatch)-1)
	return p
}

// kinds is how many kinds of matches there are whose lengths differ: far ones, and
// for each of the last distances just that, and one beside it.
const kinds = 1 + 2*reps

func kindOf(rep, shift int) int {
	if rep == isFar {
		return 0
	}
	return 1 + 2*rep + bool2int(shift != 0)
}

// match codes a match.
func (m *model) match(c *coder, p place, w way, t match) (way, match) {
	w.rep = c.symbol(m.which[p.literals][:], w.rep)
	if w.rep == isFar {
		t.distance = m.far.code(c, t.distance)
	} else {
		w.shift = m.shifted(c, w)
		t.distance = p.distances[w.rep] + w.shift
	}
	t.length = m.length[kindOf(w.rep, w.shift)].code(c, t.length-least+1) + least - 1
	return w, t
}

// shifted codes how far beside one of the last distances a match is.
func (m *model) shifted(c *coder, w way) int {
	if c.adaptive(&m.moved[w.rep], bool2int(w.shift != 0)) == 0 {
		return 0
	}
	back := c.adaptive(&m.back[w.rep], bool2int(w.shift < 0))
	size := m.shift[w.rep].code(c, max(w.shift, -w.shift))
	if back == 1 {
		return -size
	}
	return size
}

// symbol codes a number up to 4: 0 or more, and so on.
func (c *coder) symbol(chances []chance, number int) int {
	for i := range isFar {
		// far is asked for second: most are the last distance or a far one.
		at := [...]int{0, isFar, 1, 2}[i]
		if c.adaptive(&chances[i], bool2int(number == at)) == 1 {
			return at
		}
	}
	return 3
}

func bool2int(b bool) int {
	if b {
		return 1
	}
	return 0
}
