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
// entries, each as an answer of its own.
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
	slices.SortFunc(differ, byPath)
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

// blocks asks for those of the entries that the contents of a plan are like.
func (a *asker) blocks(e *encoder) error {
	like := map[int]int64{} // by number: the size of the largest content like it
	for i, number := range e.paired {
		if size := e.plan.changed[i].entry.Size; e.known[number].Size > 0 {
			like[number] = max(like[number], size)
		}
	}
	numbers := slices.Sorted(maps.Keys(like))
	if len(numbers) == 0 {
		return nil
	}
	var question []byte
	last := 0
	for _, number := range numbers {
		question = binary.AppendUvarint(question, uint64(number-last))
		question = append(question, byte(blockWidth(a.width, e.known[number].Size, like[number])))
		last = number
	}
	if err := a.line.say(askBlocks, pack(nil, question)); err != nil {
		return err
	}
	e.blocks = map[int]found{}
	for _, number := range numbers {
		answer, err := a.line.answered()
		if err != nil {
			return err
		}
		size := e.known[number].Size
		e.blocks[number], err = newBlockMap(newRoller(a.salt, size, blockWidth(a.width, size, like[number])), size, answer)
		if err != nil {
			return err
		}
	}
	return nil
}

// blockWidth is how many bytes the hash of a block has: as many as leave one
// chance in some ten thousand that any place in a content is taken for a block.
func blockWidth(width int, old, content int64) int {
	if width == widthAgain {
		return widthAgain
	}
	blocks := min((old+leastBlock-1)/leastBlock, mostBlocks)
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
	slices.SortFunc(a.known, byPath)
	a.known = slices.CompactFunc(a.known, func(a, b Entry) bool { return a.Path == b.Path })
	a.folders, a.hashes = nil, nil
	return a.line.answer(a.encodeEntries(a.known))
}

// nothing is in place of a file that should be there.
type nothing struct{}

func (nothing) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
func (nothing) Close() error                      { return nil }

func (a *answerer) tellBlocks(body []byte) error {
	f := &fields{rest: (&fields{rest: body}).unpack(maxMessage)}
	at := 0
	for len(f.rest) > 0 {
		at += int(f.number(int64(len(a.known))))
		width := int(f.number(widthAgain))
		if f.bad || at >= len(a.known) || a.known[at].Kind != KindFile || width < 2 {
			return protocol("it asks for a file that there is not")
		}
		entry := a.known[at]
		var file File = nothing{}
		if opened, err := a.device.Open(entry.Path); err == nil {
			file = opened
		}
		err := a.line.answer(newRoller(a.salt, entry.Size, width).hashes(file, entry.Size))
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
	}
	return nil
}
