package transfer

import (
	"encoding/binary"
	"io/fs"
	"slices"
)

// plan says how the new listing is made from the device's entries that both sides
// know, and in which order the new contents come. Both sides number those
// entries alike.
type plan struct {
	removed []int     // numbers of entries
	changed []planned // by path
}

// planned is an entry that is new or not as it was.
type planned struct {
	entry  Entry
	number int // of the entry that it replaces, -1 for a new path
	from   int // number of the entry whose content it has; -1: a content of its own
	same   int // number of the planned entry before it whose new content it shares; -1: none
	late   bool
}

// fresh says whether a content has to come for it.
func (p planned) fresh() bool { return p.entry.Kind == KindFile && p.from < 0 && p.same < 0 }

// contents are the numbers of the planned entries for which a content has to come,
// in the order in which the stream makes them.
func (p plan) contents() []int {
	var early, late []int
	for i, planned := range p.changed {
		switch {
		case !planned.fresh():
		case planned.late:
			late = append(late, i)
		default:
			early = append(early, i)
		}
	}
	return append(early, late...)
}

// bits of a planned entry's first byte.
const (
	bitKind    = 3
	bitOldMode = 4 // the mode is that of the entry it replaces, or the usual one
	bitLate    = 8
)

// usualMode is the mode of a new entry that has no other.
func usualMode(kind Kind) fs.FileMode {
	switch kind {
	case KindFile:
		return 0o644
	case KindFolder:
		return 0o755
	}
	return 0
}

func (p plan) modeOf(planned planned, known []Entry) fs.FileMode {
	if planned.number >= 0 && known[planned.number].Kind == planned.entry.Kind {
		return known[planned.number].Mode
	}
	return usualMode(planned.entry.Kind)
}

func (p plan) encode(known []Entry) []byte {
	b := binary.AppendUvarint(nil, uint64(len(p.removed)))
	last := -1
	for _, number := range p.removed {
		b = binary.AppendUvarint(b, uint64(number-last))
		last = number
	}
	b = binary.AppendUvarint(b, uint64(len(p.changed)))
	last, before := -1, ""
	for _, planned := range p.changed {
		if planned.number >= 0 {
			b = binary.AppendUvarint(b, uint64(planned.number-last))
			last = planned.number
		} else {
			shared := common(before, planned.entry.Path)
			b = append(b, 0)
			b = binary.AppendUvarint(b, uint64(shared))
			b = appendString(b, planned.entry.Path[shared:])
			before = planned.entry.Path
		}
		b = p.encodeRest(b, planned, known)
	}
	return b
}

func (p plan) encodeRest(b []byte, planned planned, known []Entry) []byte {
	entry := planned.entry
	bits := byte(slices.Index(kinds, entry.Kind))
	oldMode := entry.Mode == p.modeOf(planned, known)
	if oldMode {
		bits |= bitOldMode
	}
	if planned.late {
		bits |= bitLate
	}
	if b = append(b, bits); !oldMode {
		b = binary.AppendUvarint(b, uint64(entry.Mode))
	}
	switch {
	case entry.Kind == KindLink:
		b = appendString(b, entry.Target)
	case entry.Kind == KindFolder:
	case planned.from >= 0:
		b = binary.AppendUvarint(b, 1+2*uint64(planned.from))
	case planned.same >= 0:
		b = binary.AppendUvarint(b, 2+2*uint64(planned.same))
	default:
		b = append(b, 0)
		b = binary.AppendUvarint(b, uint64(entry.Size))
	}
	return b
}

// decodePlan reads what encode made. What it refers to is there.
func decodePlan(data []byte, known []Entry) (plan, error) {
	var p plan
	f := &fields{rest: data}
	last := -1
	for range f.number(int64(len(known))) {
		step := int(f.number(int64(len(known))))
		if last += step; step == 0 || last >= len(known) {
			return p, protocol("its plan does not fit together")
		}
		p.removed = append(p.removed, last)
	}
	last, before := -1, ""
	for range f.number(int64(len(data))) {
		planned := planned{number: -1, from: -1, same: -1}
		if step := int(f.number(int64(len(known)))); step > 0 {
			if last += step; last >= len(known) {
				f.bad = true
				break
			}
			planned.number, planned.entry.Path = last, known[last].Path
		} else {
			shared := f.number(int64(len(before)))
			before = before[:shared] + f.text()
			planned.entry.Path = before
		}
		if p.decodeRest(f, &planned, known); f.bad {
			break
		}
		p.changed = append(p.changed, planned)
	}
	if !f.done() {
		return p, protocol("its plan does not fit together")
	}
	return p, nil
}

func (p plan) decodeRest(f *fields, planned *planned, known []Entry) {
	bits := f.number(15)
	entry := &planned.entry
	kind := int(bits & bitKind)
	if kind >= len(kinds) {
		f.bad = true
		return
	}
	entry.Kind, planned.late = kinds[kind], bits&bitLate != 0
	if entry.Mode = p.modeOf(*planned, known); bits&bitOldMode == 0 {
		entry.Mode = fs.FileMode(f.number(int64(fs.ModePerm)))
	}
	if entry.Kind == KindLink {
		entry.Target = f.text()
	}
	if entry.Kind != KindFile {
		return
	}
	switch from := f.number(1<<31 - 1); {
	case from == 0:
		entry.Size = f.number(1 << 50)
	case from&1 == 1:
		if planned.from = int(from / 2); planned.from >= len(known) || known[planned.from].Kind != KindFile {
			f.bad = true
			return
		}
		entry.Size, entry.Sum = known[planned.from].Size, known[planned.from].Sum
	default:
		if planned.same = int(from/2 - 1); planned.same >= len(p.changed) || !p.changed[planned.same].fresh() {
			f.bad = true
			return
		}
		entry.Size = p.changed[planned.same].entry.Size
	}
}

// listing is the new listing: that of the device without what is removed or
// replaced, and with what changed, whose sums are known by now.
func (p plan) listing(device Listing, known []Entry) Listing {
	gone := map[string]bool{}
	for _, number := range p.removed {
		gone[known[number].Path] = true
	}
	for _, planned := range p.changed {
		gone[planned.entry.Path] = true
	}
	var l Listing
	for _, entry := range device {
		if !gone[entry.Path] {
			l = append(l, entry)
		}
	}
	for _, planned := range p.changed {
		l = append(l, planned.entry)
	}
	sortByPath(l)
	return l
}

// common is how many bytes a and b begin with together.
func common(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}
