package transfer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sort"

	"ota/internal/kit/delta"
)

// encoder makes the stream on the sender. The same trees give the same stream.
type encoder struct {
	target Tree
	known  []Entry           // what both sides know of the device
	old    Tree              // the device's contents, nil if only their blocks are known
	blocks map[int]*blockMap // those blocks by number, if so

	plan   plan
	paired map[int]int // by planned entry: the number of the entry that its content is like
	out    *streamWriter

	windows
}

// located is a stretch of a new content that the device has.
type located struct {
	at, off, length int64
}

func sortByPath(entries []Entry) {
	sort.Slice(entries, func(i, j int) bool { return entries[i].Path < entries[j].Path })
}

// makePlan compares what both sides know of the device with what shall be there.
// Two contents are the same if their keys are.
func makePlan(known, target []Entry, keyKnown func(int) string, keyTarget func(Entry) string) plan {
	byName, byKey := map[string]int{}, map[string]int{}
	for i, entry := range known {
		byName[entry.Path] = i
		if entry.Kind == KindFile {
			if _, there := byKey[keyKnown(i)]; !there {
				byKey[keyKnown(i)] = i
			}
		}
	}
	var p plan
	stays := make([]bool, len(known))
	fresh := map[Digest]int{}
	for _, entry := range target {
		planned := planned{entry: entry, number: -1, from: -1, same: -1}
		number, there := byName[entry.Path]
		if there {
			planned.number, stays[number] = number, true
		}
		sameContent := there && known[number].Kind == entry.Kind && known[number].Target == entry.Target
		if entry.Kind == KindFile {
			from, has := byKey[keyTarget(entry)]
			if sameContent = sameContent && keyKnown(number) == keyTarget(entry); sameContent {
				from = number
			}
			if has {
				planned.from = from
			} else if first, has := fresh[entry.Sum]; has {
				planned.same = first
			} else {
				fresh[entry.Sum] = len(p.changed)
			}
		}
		if !sameContent || known[number].Mode != entry.Mode {
			p.changed = append(p.changed, planned)
		}
	}
	for i, stays := range stays {
		if !stays {
			p.removed = append(p.removed, i)
		}
	}
	return p
}

// encode writes the stream for a plan.
func (e *encoder) encode() error {
	if err := e.arrange(); err != nil {
		return err
	}
	if err := e.out.section(sectionPlan, pack(nil, e.plan.encode(e.known))); err != nil {
		return err
	}
	early, late := []int{}, []int{}
	for _, i := range e.plan.contents() {
		if e.plan.changed[i].late {
			late = append(late, i)
		} else {
			early = append(early, i)
		}
	}
	encode := e.together
	if e.old == nil {
		encode = e.fromBlocks
	}
	if err := encode(early); err != nil {
		return err
	}
	for _, i := range late {
		if err := e.alone(i); err != nil {
			return fmt.Errorf("cannot compare %s: %w", e.plan.changed[i].entry.Path, err)
		}
	}
	return e.out.flush()
}

// arrange finds for each new content the old one that it is like, and which
// contents go alone: executables and what is too large for a frame.
func (e *encoder) arrange() error {
	e.paired = map[int]int{}
	removed := map[string]int{}
	for _, number := range e.plan.removed {
		if e.known[number].Kind == KindFile {
			removed[name(e.known[number].Path)] = number
		}
	}
	for i := range e.plan.changed {
		planned := &e.plan.changed[i]
		if !planned.fresh() {
			continue
		}
		number, there := planned.number, planned.number >= 0 && e.known[planned.number].Kind == KindFile
		if !there {
			number, there = removed[name(planned.entry.Path)]
		}
		if there {
			e.paired[i] = number
		}
		if e.old == nil {
			continue
		}
		planned.late = planned.entry.Size > maxPiece || there && e.known[number].Size > maxDictionary
		if there && !planned.late && planned.entry.Size >= leastDelta {
			head, err := read(e.target, planned.entry.Path, 0, 8)
			if err != nil {
				return err
			}
			planned.late = executable(head)
		}
	}
	return nil
}

// leastDelta is the size from which an executable is compared by itself. Smaller
// ones, and whatever else there is of binary files, do better in the company of
// the others: compiled messages beside those that they were compiled from.
const leastDelta = 16 << 10

// executable tells executables and libraries by their first bytes: ELF, PE, Mach-O
// for one machine or several, WebAssembly, and archives for a linker.
func executable(head []byte) bool {
	for _, magic := range []string{"\x7fELF", "MZ", "\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf", "\xce\xfa\xed\xfe", "\xcf\xfa\xed\xfe",
		"\xca\xfe\xba\xbe", "\x00asm", "!<arch>\n"} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return true
		}
	}
	return false
}

// together makes frames of many contents, in the order of their paths, whose
// dictionary is the old contents of just the changed and removed files: one frame
// if they fit.
func (e *encoder) together(contents []int) error {
	type item struct {
		path    string
		content int // planned entry, -1: none
		old     int // number, -1: none
	}
	var items []item
	used := map[int]bool{}
	for _, i := range contents {
		one := item{e.plan.changed[i].entry.Path, i, -1}
		if number, there := e.paired[i]; there && !used[number] {
			one.old, used[number] = number, true
		}
		items = append(items, one)
	}
	for _, number := range e.plan.removed {
		if entry := e.known[number]; entry.Kind == KindFile && !used[number] && entry.Size <= maxDictionary {
			items = append(items, item{entry.Path, -1, number})
		}
	}
	sort.SliceStable(items, func(i, j int) bool { return items[i].path < items[j].path })
	var f frame
	for _, one := range items {
		var oldSize, newSize int64
		if one.old >= 0 {
			oldSize = e.known[one.old].Size
		}
		if one.content >= 0 {
			newSize = e.plan.changed[one.content].entry.Size
		}
		if !f.fits(oldSize, newSize) {
			if err := e.flush(&f); err != nil {
				return err
			}
		}
		if one.old >= 0 {
			content, err := read(e.old, e.known[one.old].Path, 0, oldSize)
			if err != nil {
				return err
			}
			f.refer(stretch{one.old, 0, oldSize}, content)
		}
		if one.content >= 0 {
			content, err := read(e.target, one.path, 0, newSize)
			if err != nil {
				return err
			}
			f.add(content)
		}
	}
	return e.flush(&f)
}

func (e *encoder) flush(f *frame) error {
	defer func() { *f = frame{} }()
	if f.empty() {
		return nil
	}
	return e.out.section(sectionFrame, f.encode(e.known, shortest))
}

// fromBlocks makes frames of contents of which the device has some blocks: those
// are copied there, and they are the dictionary for the rest.
func (e *encoder) fromBlocks(contents []int) error {
	var f frame
	for _, i := range contents {
		entry := e.plan.changed[i].entry
		for at := int64(0); at < entry.Size; at += maxPiece {
			content, err := read(e.target, entry.Path, at, min(maxPiece, entry.Size-at))
			if err != nil {
				return err
			}
			if err := e.piece(&f, i, content); err != nil {
				return err
			}
		}
	}
	return e.flush(&f)
}

func (e *encoder) piece(f *frame, i int, content []byte) error {
	number, there := e.paired[i]
	blocks, has := e.blocks[number]
	var located []located
	if there && has {
		located = blocks.search(content)
	}
	var at int64
	literal := func(to int64) error {
		for at < to {
			if !f.fits(0, 1) {
				if err := e.flush(f); err != nil {
					return err
				}
			}
			n := min(to-at, maxPiece-int64(len(f.literal)))
			f.add(content[at : at+n])
			at += n
		}
		return nil
	}
	for _, hit := range located {
		if err := literal(hit.at); err != nil {
			return err
		}
		if !f.fits(hit.length, 0) {
			if err := e.flush(f); err != nil {
				return err
			}
		}
		f.copy(stretch{number, hit.off, hit.length}, content[hit.at:hit.at+hit.length])
		at += hit.length
	}
	return literal(int64(len(content)))
}

// alone makes one content piece by piece, each the smaller of a difference and a
// frame of zstd: where there is a difference, it mostly is, so the sender does not
// spend seconds on the other.
func (e *encoder) alone(i int) error {
	entry := e.plan.changed[i].entry
	number, there := e.paired[i]
	for at := int64(0); at < entry.Size; at += maxPiece {
		piece, err := read(e.target, entry.Path, at, min(maxPiece, entry.Size-at))
		if err != nil {
			return err
		}
		var f frame
		f.add(piece)
		if there {
			size := e.known[number].Size
			middle := at + int64(len(piece))/2
			s := stretch{number, 0, min(size, maxDictionary)}
			s.off = max(0, min(middle-s.length/2, size-s.length))
			content, err := read(e.old, e.known[number].Path, s.off, s.length)
			if err != nil {
				return err
			}
			f.refer(s, content)
		}
		kind, body := byte(sectionFrame), f.encode(e.known, compress)
		if there {
			difference, err := e.difference(number, piece, at)
			if err != nil {
				return err
			}
			if difference != nil && len(difference) < len(body) {
				kind, body = sectionDelta, difference
			}
		}
		if err := e.out.section(kind, body); err != nil {
			return err
		}
	}
	return nil
}

// windows holds the index of that part of an old content which is compared with a
// piece of the new one: an index takes five times its size.
type windows struct {
	number int // of the entry
	code   delta.Code
	from   int64
	old    []byte
	index  *delta.Index
}

const (
	windowSize = 32 << 20
	windowStep = 8 << 20
)

// difference is the body of a section that makes piece, which lies at at and is
// not the caller's any more; nil if none is short enough.
func (e *encoder) difference(number int, piece []byte, at int64) ([]byte, error) {
	size := e.known[number].Size
	from := max(0, min(at-windowSize/2, size-windowSize)) / windowStep * windowStep
	if e.index == nil || e.windows.number != number || e.from != from {
		path := e.known[number].Path
		head, err := read(e.old, path, 0, min(size, 64))
		if err != nil {
			return nil, err
		}
		old, err := read(e.old, path, from, min(size-from, windowSize+windowStep))
		if err != nil {
			return nil, err
		}
		code := delta.CodeOf(head)
		code.Straighten(old, from)
		e.windows = windows{number, code, from, old, delta.NewIndex(old)}
	}
	e.code.Straighten(piece, at)
	patch := delta.Encode(e.windows.old, piece, e.index.Steps(piece), from)
	body := binary.AppendUvarint(nil, uint64(number))
	body = append(body, byte(e.code))
	body = binary.AppendUvarint(body, uint64(at))
	var all []byte
	for _, part := range patch.Parts() {
		body = binary.AppendUvarint(body, uint64(len(*part)))
		all = append(all, *part...)
	}
	if len(all) > maxBody {
		return nil, nil
	}
	return append(body, compress(all, nil)...), nil
}

// read is a part of the content of a file.
func read(tree Tree, path string, off, length int64) ([]byte, error) {
	file, err := tree.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content := make([]byte, length)
	if n, err := file.ReadAt(content, off); int64(n) < length {
		if errors.Is(err, io.EOF) {
			err = errors.New("it is shorter than listed")
		}
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	return content, nil
}
