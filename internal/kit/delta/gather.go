package delta

import "errors"

const (
	// window is how much of the old content is read at once, and overlap how much of
	// the next window with it, so that few stretches lie in two.
	window  = 8 << 10
	overlap = 512
	// mostStretches are gathered together, and mostBlocks is how many parts the old
	// content has in which they are looked for.
	mostStretches = 32 << 10
	mostBlocks    = 64 << 10
)

// stretch is a part of the old content that belongs into the new one.
type stretch struct {
	place      int64 // in the old content
	at, length int32 // in what is made at once
	before     int32 // the one before it in the same block, plus one
}

// aligned says whether the words of the new content are words of the old one, too:
// all that happens to them is done at once then.
func (s stretch) aligned() bool { return (s.place-int64(s.at))%4 == 0 }

// gatherer brings stretches of the old content to their places in the new one. What
// lies side by side there comes from all over the old content: so it is brought
// block by block of that. Up to mostBlocks windows, which is 512 MB, a block is a
// window, and is read once unless a stretch reaches far beyond it. In a larger
// content a block is several windows, which may be read again and again.
type gatherer struct {
	Old
	stretches []stretch
	last      []int32 // by block: its last stretch, plus one
	block     int64   // bytes of a block

	buffer []byte // a window of the old content
	from   int64  // where it lies
	word   [4]byte
}

func (g *gatherer) begin(old Old) {
	g.Old, g.block = old, window
	for g.block*mostBlocks < old.Size {
		g.block *= 2
	}
	if blocks := int(old.Size/g.block) + 1; cap(g.last) < blocks {
		g.last = make([]int32, blocks)
	} else {
		g.last = g.last[:blocks]
	}
	if g.buffer == nil {
		g.buffer = make([]byte, 0, window+overlap)
		g.stretches = make([]stretch, 0, mostStretches)
	}
	g.buffer = g.buffer[:0]
	g.forget()
}

func (g *gatherer) full() bool { return len(g.stretches) == mostStretches }

// forget begins with no stretches.
func (g *gatherer) forget() {
	g.stretches = g.stretches[:0]
	clear(g.last)
}

// want adds a stretch to those that are gathered.
func (g *gatherer) want(place int64, at, length int) {
	last := &g.last[place/g.block]
	g.stretches = append(g.stretches, stretch{place, int32(at), int32(length), *last})
	*last = int32(len(g.stretches))
}

// gather brings the stretches into the new content, their calls straightened: but
// not those of words that are whole in both, see [stretch.aligned].
func (g *gatherer) gather(into []byte) error {
	for _, i := range g.last {
		for ; i > 0; i = g.stretches[i-1].before {
			s := g.stretches[i-1]
			if err := g.straight(into[s.at:][:s.length], s.place, !s.aligned()); err != nil {
				return err
			}
		}
	}
	return nil
}

// straight is the old content from a place on, its calls straightened: those of
// words that are whole in part only if it is wanted.
func (g *gatherer) straight(part []byte, place int64, whole bool) error {
	if g.Code == Plain {
		return g.read(part, place)
	}
	for len(part) > 0 {
		if place%4 == 0 && len(part) >= 4 {
			words := len(part) &^ 3
			if err := g.read(part[:words], place); err != nil {
				return err
			}
			if whole {
				g.Code.Straighten(part[:words], place)
			}
			part, place = part[words:], place+int64(words)
			continue
		}
		word, in := &g.word, place%4
		n := min(int64(len(word)), g.Size-place+in)
		if err := g.read(word[:n], place-in); err != nil {
			return err
		}
		g.Code.Straighten(word[:n], place-in)
		copied := copy(part, word[in:n])
		part, place = part[copied:], place+int64(copied)
	}
	return nil
}

// read is the old content from a place on, by way of the window unless it is longer.
func (g *gatherer) read(part []byte, place int64) error {
	for len(part) > 0 {
		if len(part) >= window {
			return g.readAt(part, place)
		}
		if place < g.from || place >= g.from+int64(len(g.buffer)) {
			g.from = place / window * window
			g.buffer = g.buffer[:min(int64(cap(g.buffer)), g.Size-g.from)]
			if err := g.readAt(g.buffer, g.from); err != nil {
				g.buffer = g.buffer[:0]
				return err
			}
		}
		n := copy(part, g.buffer[place-g.from:])
		part, place = part[n:], place+int64(n)
	}
	return nil
}

func (g *gatherer) readAt(part []byte, place int64) error {
	if n, err := g.File.ReadAt(part, place); n < len(part) {
		return errors.Join(ErrPatch, err)
	}
	return nil
}
