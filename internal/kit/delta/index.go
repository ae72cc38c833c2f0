package delta

import (
	"encoding/binary"
	"math/bits"

	"ota/internal/kit/prefix"
)

const (
	// seed is how many bytes must be the same for a place to be looked at.
	seed = 8
	// depth is how many places with the same seed are compared, the nearest to
	// the end of the old content first.
	depth = 48
	// gain is how many bytes more a new place must bring than going on.
	gain = 8
	// long is a stretch that is taken without looking for a longer one, and patience
	// how often places that bring longer stretches than gain, but not enough more
	// than going on, are looked at in a row: in long runs of zeros each look takes
	// as long as the run.
	long     = 4096
	patience = 16
)

// Index finds in an old content the places that are like a part of a new one. It
// takes 4 bytes of memory for each of the old content, and 4 MB.
type Index struct {
	old    []byte
	head   []int32 // by hash of a seed: the last place with it, plus one
	before []int32 // for each place: the one before it with the same hash, plus one
	shift  uint
}

// NewIndex is an index of old, which must not change. Old is shorter than 2 GB.
func NewIndex(old []byte) *Index {
	size := min(max(bits.Len(uint(len(old))), 10), 22)
	x := &Index{old: old, head: make([]int32, 1<<size), before: make([]int32, len(old)), shift: uint(64 - size)}
	for at := 0; at+seed <= len(old); at++ {
		hash := x.hash(old[at:])
		x.before[at] = x.head[hash]
		x.head[hash] = int32(at + 1)
	}
	return x
}

func (x *Index) hash(b []byte) uint64 {
	return binary.LittleEndian.Uint64(b) * 0x9E3779B97F4A7C15 >> x.shift
}

// search is the longest stretch of the old content that next begins with.
func (x *Index) search(next []byte) (place, length int) {
	if len(next) < seed {
		return 0, 0
	}
	at := x.head[x.hash(next)]
	for range depth {
		if at == 0 {
			break
		}
		here := int(at - 1)
		if length == 0 || here+length < len(x.old) && length < len(next) && x.old[here+length] == next[length] {
			if n := prefix.Shared(x.old[here:], next); n > length {
				if place, length = here, n; n >= long {
					break
				}
			}
		}
		at = x.before[here]
	}
	return place, length
}

// match is where a stretch of the new content begins, and where the old one that
// lies beside it.
type match struct{ next, old int }

// Steps makes next from the old content.
func (x *Index) Steps(next []byte) []Step {
	var steps []Step
	var last match
	for scan := 0; ; {
		found, end := x.following(next, scan, last)
		forward := x.forward(next, last, found.next)
		backward := 0
		if !end {
			backward = x.backward(next, last, found)
		}
		if overlap := last.next + forward - (found.next - backward); overlap > 0 {
			cut := x.cut(next, last, found, forward, backward, overlap)
			forward, backward = forward+cut-overlap, backward-cut
		}
		if step := (Step{int64(last.old), forward, found.next - backward - last.next - forward}); step.Add+step.Insert > 0 {
			steps = append(steps, step)
		}
		if end {
			return steps
		}
		last = match{found.next - backward, found.old - backward}
		scan = found.next + 1
		if n := prefix.Shared(x.old[found.old:], next[found.next:]); n > 0 {
			scan = found.next + n
		}
	}
}

// following is the next place, from scan on, at which leaving the stretch last is
// worth more than going on with it.
func (x *Index) following(next []byte, scan int, last match) (found match, end bool) {
	counted, score, tried := scan, 0, 0
	goesOn := func(at int) bool {
		old := at - last.next + last.old
		return old < len(x.old) && x.old[old] == next[at]
	}
	for scan < len(next) {
		place, length := x.search(next[scan:])
		for ; counted < scan+length; counted++ {
			if goesOn(counted) {
				score++
			}
		}
		if length > 0 && length == score {
			// The stretch goes on as it is.
			scan += length
			counted, score, tried = scan, 0, 0
			continue
		}
		if length > 4*gain {
			tried++
		}
		if length > score+gain || tried > patience && length > 4*gain {
			return match{scan, place}, false
		}
		if counted > scan {
			if goesOn(scan) {
				score--
			}
		} else {
			counted = scan + 1
		}
		scan++
	}
	return match{len(next), 0}, true
}

// forward is how far the stretch last is worth going on, up to end.
func (x *Index) forward(next []byte, last match, end int) int {
	score, best, length := 0, 0, 0
	for i := 0; last.next+i < end && last.old+i < len(x.old); {
		if x.old[last.old+i] == next[last.next+i] {
			score++
		}
		i++
		if score*2-i > best*2-length {
			best, length = score, i
		}
	}
	return length
}

// backward is how far the stretch found is worth beginning earlier.
func (x *Index) backward(next []byte, last, found match) int {
	score, best, length := 0, 0, 0
	for i := 1; found.next-i >= last.next && found.old >= i; i++ {
		if x.old[found.old-i] == next[found.next-i] {
			score++
		}
		if score*2-i > best*2-length {
			best, length = score, i
		}
	}
	return length
}

// cut is how much of the overlap of two stretches is the first one's.
func (x *Index) cut(next []byte, last, found match, forward, backward, overlap int) int {
	score, best, length := 0, 0, 0
	for i := range overlap {
		at := last.next + forward - overlap + i
		if next[at] == x.old[last.old+forward-overlap+i] {
			score++
		}
		if next[found.next-backward+i] == x.old[found.old-backward+i] {
			score--
		}
		if score > best {
			best, length = score, i+1
		}
	}
	return length
}
