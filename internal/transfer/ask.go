package transfer

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/bits"
	"slices"
)

// A sender that does not know the device's tree asks three times.
//
// Folders: the answer is a short hash of the entries of each folder, in the order
// of the hashes. The sender knows the hashes of its own folders; one that is the
// same tells it all about that folder.
//
// Entries: of the folders whose hashes the sender picks, by their place in that
// answer. These entries, by path, are those that both sides know; a content is
// told by a short hash.
//
// Blocks: of the files that the sender picks, by their numbers among those
// entries; and then, where few of the bytes of a file were not found, smaller
// blocks of just those.
//
// A short hash may be wrong once in a long while. The listing that comes out is
// not the sender's then; all is asked again, with another salt and longer hashes.

// salting is by what the hashes of one attempt differ from those of another.
type salting struct {
	salt  Digest
	width int // bytes of the hash of a folder or a content
}

const (
	widthFirst = 5
	widthAgain = 8
)

func newSalting(target Digest, attempt byte) salting {
	s := salting{sha256.Sum256(append(target[:], attempt)), widthFirst}
	if attempt > 0 {
		s.width = widthAgain
	}
	return s
}

func (s salting) content(sum Digest) string {
	long := sha256.Sum256(append(s.salt[:], sum[:]...))
	return string(long[:s.width])
}

// folders are the entries of a listing by the hash of the folder that they lie in.
func (s salting) folders(l Listing) map[string][]Entry {
	within := map[string]Listing{}
	for _, entry := range l {
		within[parent(entry.Path)] = append(within[parent(entry.Path)], entry)
	}
	all := map[string][]Entry{}
	for path, entries := range within {
		digest := entries.Digest()
		long := sha256.Sum256(slices.Concat(s.salt[:], []byte(path), digest[:]))
		hash := string(long[:s.width])
		all[hash] = append(all[hash], entries...)
	}
	return all
}

// encodeEntries is what the device tells of its entries.
func (s salting) encodeEntries(entries []Entry) []byte {
	b := binary.AppendUvarint(nil, uint64(len(entries)))
	before := ""
	for _, entry := range entries {
		shared := common(before, entry.Path)
		b = binary.AppendUvarint(b, uint64(shared))
		b = appendString(b, entry.Path[shared:])
		before = entry.Path
		mark := uint64(entry.Mode)<<2 | uint64(slices.Index(kinds, entry.Kind))
		b = binary.AppendUvarint(b, mark)
		switch entry.Kind {
		case KindFile:
			b = binary.AppendUvarint(b, uint64(entry.Size))
			b = append(b, s.content(entry.Sum)...)
		case KindLink:
			b = appendString(b, entry.Target)
		}
	}
	return pack(nil, b)
}

// decodeEntries reads what encodeEntries made; keys are the hashes of contents.
func (s salting) decodeEntries(answer []byte) (known []Entry, keys []string, err error) {
	outer := &fields{rest: answer}
	f := &fields{rest: outer.unpack(maxAnswer)}
	var l Listing
	before := ""
	for range f.number(int64(len(f.rest))) {
		shared := f.number(int64(len(before)))
		before = before[:shared] + f.text()
		mark := f.number(int64(fs.ModePerm)<<2 | 3)
		if f.bad || mark&3 >= int64(len(kinds)) {
			f.bad = true
			break
		}
		entry := Entry{Path: before, Kind: kinds[mark&3], Mode: fs.FileMode(mark >> 2)}
		key := ""
		switch entry.Kind {
		case KindFile:
			entry.Size = f.number(1 << 50)
			key = string(f.bytes(int64(s.width)))
		case KindLink:
			entry.Target = f.text()
		}
		l, keys = append(l, entry), append(keys, key)
	}
	if !outer.done() || !f.done() || l.Check() != nil {
		return nil, nil, protocol("what it tells of its files does not fit together")
	}
	return l, keys, nil
}

// asker asks on the sender.
type asker struct {
	line *line
	salting
}

// entries asks for those folders that differ. It returns the device's entries in
// them, the keys of their contents, and the sender's own entries in its folders
// that differ.
func (a *asker) entries(target Listing) (known []Entry, keys []string, differ Listing, err error) {
	mine := a.folders(target)
	if err := a.line.say(askFolders, append([]byte{byte(a.width)}, a.salt[:]...)); err != nil {
		return nil, nil, nil, err
	}
	hashes, err := a.line.answered()
	if err != nil {
		return nil, nil, nil, err
	}
	if len(hashes)%a.width != 0 {
		return nil, nil, nil, protocol("what it tells of its folders does not fit together")
	}
	var picked []byte
	last := 0
	for i := 0; i*a.width < len(hashes); i++ {
		hash := string(hashes[i*a.width : (i+1)*a.width])
		if _, same := mine[hash]; same {
			delete(mine, hash)
			continue
		}
		picked = binary.AppendUvarint(picked, uint64(i-last))
		last = i
	}
	for _, entries := range mine {
		differ = append(differ, entries...)
	}
	sortByPath(differ)
	if err := a.line.say(askEntries, pack(nil, picked)); err != nil {
		return nil, nil, nil, err
	}
	answer, err := a.line.answered()
	if err != nil {
		return nil, nil, nil, err
	}
	known, keys, err = a.decodeEntries(answer)
	return known, keys, differ, err
}

// question asks for the blocks of a file.
type question struct {
	number, size, width int
	spans               []span
}

// blocks asks for blocks of those entries that the contents of a plan are like,
// and for fine ones where the large ones are not found.
func (a *asker) blocks(e *encoder) error {
	e.blocks = map[int]*blockMap{}
	contents := map[int][]int{} // planned entries, by the number of what they are like
	for _, i := range slices.Sorted(maps.Keys(e.paired)) {
		if number := e.paired[i]; e.known[number].Size > 0 {
			contents[number] = append(contents[number], i)
		}
	}
	var large, fine []question
	for _, number := range slices.Sorted(maps.Keys(contents)) {
		var length int64
		for _, i := range contents[number] {
			length += e.plan.changed[i].entry.Size
		}
		size := e.known[number].Size
		block := blockSizeOf(size)
		large = append(large, question{number, block, a.blockWidth(size/int64(block)+1, length), []span{{0, size}}})
	}
	if err := a.ask(large, func(q question, m *blockMap) { e.blocks[q.number] = m }); err != nil {
		return err
	}
	for _, q := range large {
		hits, literal, err := e.hits(contents[q.number], e.blocks[q.number])
		if err != nil {
			return err
		}
		spans, total := unfound(e.known[q.number].Size, hits)
		if literal >= fineBlock && total >= fineBlock && total <= mostUnfound {
			fine = append(fine, question{q.number, fineBlock, a.blockWidth(total/fineBlock+1, literal), spans})
		}
	}
	return a.ask(fine, func(q question, m *blockMap) { e.blocks[q.number].fine = m })
}

// hits are the blocks that are found in some contents: the length by the place.
// Literal is how much of the contents is none of them.
func (e *encoder) hits(contents []int, m *blockMap) (hits map[int64]int64, literal int64, err error) {
	hits = map[int64]int64{}
	for _, i := range contents {
		entry := e.plan.changed[i].entry
		for at := int64(0); at < entry.Size; at += maxPiece {
			content, err := read(e.target, entry.Path, at, min(maxPiece, entry.Size-at))
			if err != nil {
				return nil, 0, err
			}
			literal += int64(len(content))
			for _, hit := range m.search(content) {
				hits[hit.off] = hit.length
				literal -= hit.length
			}
		}
	}
	return hits, literal, nil
}

// ask asks for the blocks of some files, in as many messages as it takes.
func (a *asker) ask(questions []question, take func(question, *blockMap)) error {
	for len(questions) > 0 {
		var body []byte
		asked := 0
		for last := 0; asked < len(questions) && len(body) < maxMessage/4; asked++ {
			q := questions[asked]
			body = binary.AppendUvarint(body, uint64(q.number-last))
			body = append(body, byte(q.width))
			body = binary.AppendUvarint(body, uint64(q.size))
			body = binary.AppendUvarint(body, uint64(len(q.spans)))
			at := int64(0)
			for _, span := range q.spans {
				body = binary.AppendUvarint(body, uint64(span.from-at))
				body = binary.AppendUvarint(body, uint64(span.to-span.from))
				at = span.to
			}
			last = q.number
		}
		if err := a.line.say(askBlocks, pack(nil, body)); err != nil {
			return err
		}
		answer, err := a.line.answered()
		if err != nil {
			return err
		}
		for _, q := range questions[:asked] {
			blocks := 0
			for _, span := range q.spans {
				blocks += int((span.to - span.from + int64(q.size) - 1) / int64(q.size))
			}
			if len(answer) < blocks*q.width {
				return protocol("it tells of fewer blocks than there are")
			}
			m, err := newBlockMap(newRoller(a.salt, q.size, q.width), q.spans, answer[:blocks*q.width])
			if err != nil {
				return err
			}
			take(q, m)
			answer = answer[blocks*q.width:]
		}
		questions = questions[asked:]
	}
	return nil
}

// blockWidth is how many bytes the hash of a block has: as many as leave one
// chance in some ten thousand that any place in a content is taken for a block.
func (a *asker) blockWidth(blocks, content int64) int {
	if a.width == widthAgain {
		return widthAgain
	}
	return min((bits.Len64(uint64(blocks))+bits.Len64(uint64(content))+14+7)/8, widthAgain)
}

// answerer answers on the device.
type answerer struct {
	line   *line
	device Tree
	salting
	hashes  []string           // of the folders, in order
	folders map[string][]Entry // by hash
	known   []Entry            // told in the last answer
}

// answer answers a question, if it is one.
func (a *answerer) answer(what signal, body []byte) (bool, error) {
	switch what {
	case askFolders:
		if len(body) != 1+len(a.salt) || body[0] < widthFirst || body[0] > widthAgain {
			return true, protocol("a question does not fit together")
		}
		a.width, a.salt = int(body[0]), Digest(body[1:])
		a.folders = a.salting.folders(a.device.Listing())
		a.hashes = slices.Sorted(maps.Keys(a.folders))
		var all bytes.Buffer
		for _, hash := range a.hashes {
			all.WriteString(hash)
		}
		return true, a.line.answer(all.Bytes())
	case askEntries:
		return true, a.tellEntries(body)
	case askBlocks:
		return true, a.tellBlocks(body)
	}
	return false, nil
}

func (a *answerer) tellEntries(body []byte) error {
	f := &fields{rest: (&fields{rest: body}).unpack(maxMessage)}
	a.known = nil
	at := 0
	for len(f.rest) > 0 {
		if at += int(f.number(int64(len(a.hashes)))); at >= len(a.hashes) || f.bad {
			return protocol("it asks for a folder that there is not")
		}
		a.known = append(a.known, a.folders[a.hashes[at]]...)
	}
	sortByPath(a.known)
	a.known = slices.CompactFunc(a.known, func(a, b Entry) bool { return a.Path == b.Path })
	a.folders, a.hashes = nil, nil
	return a.line.answer(a.encodeEntries(a.known))
}

// nothing is in place of a file that should be there.
type nothing struct{}

func (nothing) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
func (nothing) Close() error                      { return nil }

// tellBlocks answers part by part, so that no more than a part is held.
func (a *answerer) tellBlocks(body []byte) error {
	f := &fields{rest: (&fields{rest: body}).unpack(maxMessage)}
	at := 0
	var answer []byte
	for len(f.rest) > 0 {
		at += int(f.number(int64(len(a.known))))
		width, size := int(f.number(widthAgain)), int(f.number(1<<30))
		if f.bad || at >= len(a.known) || a.known[at].Kind != KindFile || width < 2 || size < fineBlock || size > blockSizeOf(a.known[at].Size) {
			return protocol("it asks for a file that there is not")
		}
		var file File = nothing{}
		if opened, err := a.device.Open(a.known[at].Path); err == nil {
			file = opened
		}
		var err error
		answer, err = a.tellFile(f, newRoller(a.salt, size, width), file, a.known[at].Size, answer)
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
	}
	return a.line.say(sayLast, answer)
}

// tellFile says the hashes of the ranges of a file that are asked for; what is not
// said yet it returns.
func (a *answerer) tellFile(f *fields, r roller, file File, size int64, answer []byte) ([]byte, error) {
	at := int64(0)
	for range f.number(int64(len(f.rest))) {
		from := at + f.number(size-at)
		at = from + f.number(size-from)
		if f.bad || r.size != fineBlock && r.size != blockSizeOf(size) {
			return nil, protocol("it asks for a part of a file that there is not")
		}
		answer = r.hashes(answer, file, from, at)
		for len(answer) >= partSize {
			if err := a.line.say(sayPart, answer[:partSize]); err != nil {
				return nil, err
			}
			answer = answer[partSize:]
		}
	}
	return answer, nil
}
