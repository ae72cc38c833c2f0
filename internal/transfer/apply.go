package transfer

import (
	"errors"
	"fmt"
	"io"

	"ota/internal/kit/delta"
	"ota/internal/kit/squeeze"
)

// sink takes the new contents, one after the other.
type sink interface {
	io.Writer
	// end ends a content and says its digest.
	end() (Digest, error)
}

// maker makes the new listing and the new contents from a stream. Its buffers are
// used again for each section: they are what a device needs of memory.
type maker struct {
	device Tree
	known  []Entry // what the stream refers to
	out    sink
	room   func(bytes int64) error

	plan     plan
	contents []int // the contents of the plan that are still to come
	left     int64 // bytes of the first of them

	total                   int64 // of all contents
	dictionary, piece, body []byte
	unpacker                unpacker
	squeezed                squeeze.Decoder
	applier                 delta.Applier
}

// make reads the whole stream. The listing that it returns is made from what was
// written, so its digest says whether all of that is right.
func (m *maker) make(in *sections) (Listing, error) {
	kind, body, err := in.next(nil)
	if err != nil || kind != sectionPlan {
		return nil, errors.Join(protocol("its stream does not begin with a plan"), err)
	}
	m.body = body
	if m.plan, err = decodePlan((&fields{rest: body}).unpack(maxPlan), m.known); err != nil {
		return nil, err
	}
	m.contents = m.plan.contents()
	for _, i := range m.contents {
		if m.total += m.plan.changed[i].entry.Size; m.total > 1<<50 {
			return nil, protocol("its plan is for more than any disk holds")
		}
	}
	if err := m.room(m.total); err != nil {
		return nil, err
	}
	if err := m.begin(); err != nil {
		return nil, err
	}
	for {
		kind, body, err := in.next(m.body)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		m.body = body
		switch kind {
		case sectionFrame:
			err = m.frame(body)
		case sectionDelta:
			err = m.delta(body)
		default:
			err = protocol("there is no such section")
		}
		if err != nil {
			return nil, err
		}
	}
	if len(m.contents) > 0 {
		return nil, protocol("its stream ends before the last content does")
	}
	for i, planned := range m.plan.changed {
		if planned.same >= 0 {
			m.plan.changed[i].entry.Sum = m.plan.changed[planned.same].entry.Sum
		}
	}
	listing := m.plan.listing(m.device.Listing(), m.known)
	return listing, listing.Check()
}

// begin begins the next content, and ends those that are empty.
func (m *maker) begin() error {
	for len(m.contents) > 0 {
		if m.left = m.plan.changed[m.contents[0]].entry.Size; m.left > 0 {
			return nil
		}
		if err := m.end(); err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) end() error {
	sum, err := m.out.end()
	m.plan.changed[m.contents[0]].entry.Sum = sum
	m.contents = m.contents[1:]
	return err
}

// Write appends to the contents.
func (m *maker) Write(data []byte) (int, error) {
	written := len(data)
	for len(data) > 0 {
		if len(m.contents) == 0 {
			return 0, protocol("its stream makes more than its plan says")
		}
		n := min(m.left, int64(len(data)))
		if _, err := m.out.Write(data[:n]); err != nil {
			return 0, err
		}
		data = data[n:]
		if m.left -= n; m.left > 0 {
			continue
		}
		if err := errors.Join(m.end(), m.begin()); err != nil {
			return 0, err
		}
	}
	return written, nil
}

func (m *maker) frame(body []byte) error {
	f, packed, err := decodeFrame(body, m.known)
	if err != nil {
		return err
	}
	all := f.dictionary
	for _, op := range f.operations {
		all = append(all, op.copied)
	}
	if err := m.collect(all); err != nil {
		return err
	}
	var literal []byte
	if len(packed) > 0 {
		if literal, err = m.unpack(packed, m.dictionary); err != nil {
			return errors.Join(protocol("a frame of its stream does not unpack"), err)
		}
	}
	var copied int64
	for _, s := range f.dictionary {
		copied += s.length
	}
	for _, op := range f.operations {
		if op.literal > int64(len(literal)) {
			return protocol("a frame of its stream is too short")
		}
		if _, err := m.Write(literal[:op.literal]); err != nil {
			return err
		}
		literal = literal[op.literal:]
		if _, err := m.Write(m.dictionary[copied : copied+op.copied.length]); err != nil {
			return err
		}
		copied += op.copied.length
	}
	_, err = m.Write(literal)
	return err
}

// collect reads stretches of the device's own files into the dictionary.
func (m *maker) collect(stretches []stretch) error {
	var total int64
	for _, s := range stretches {
		total += s.length
	}
	m.dictionary = roomFor(m.dictionary, total, min(m.listed(), maxDictionary))
	for len(stretches) > 0 {
		number := stretches[0].number
		file, err := m.device.Open(m.known[number].Path)
		if err != nil {
			return m.lost(number, err)
		}
		for len(stretches) > 0 && stretches[0].number == number {
			from, n := int64(len(m.dictionary)), stretches[0].length
			m.dictionary = m.dictionary[:from+n]
			if _, err := file.ReadAt(m.dictionary[from:], stretches[0].off); err != nil && n > 0 && !(errors.Is(err, io.EOF) && m.whole(number, stretches[0])) {
				file.Close()
				return m.lost(number, err)
			}
			stretches = stretches[1:]
		}
		file.Close()
	}
	return nil
}

// listed is the size of all the device's files.
func (m *maker) listed() (size int64) {
	for _, entry := range m.known {
		size += entry.Size
	}
	return size
}

// unpack is the content of a frame, in the buffer for pieces.
func (m *maker) unpack(packed, dictionary []byte) (content []byte, err error) {
	// A difference has a little more than what it makes.
	m.piece = roomFor(m.piece, min(m.total+64<<10, maxBody), 0)
	if len(packed) > 0 && packed[0] == squeeze.Mark {
		return m.squeezed.Decode(packed, dictionary, m.piece, cap(m.piece))
	}
	return m.unpacker.unpack(packed, dictionary, m.piece)
}

// whole says whether a stretch goes to the end of its file, where a reader may say
// so together with the last bytes.
func (m *maker) whole(number int, s stretch) bool { return s.off+s.length == m.known[number].Size }

// lost is the error for a file of the device that is not as its listing says.
func (m *maker) lost(number int, err error) error {
	return fmt.Errorf("cannot read %s of the release in place: %w", m.known[number].Path, errors.Join(errNotAsListed, err))
}

func (m *maker) delta(body []byte) error {
	head := &fields{rest: body}
	s := stretch{number: int(head.number(int64(len(m.known))))}
	code, at := delta.Code(head.number(int64(delta.ARM64))), head.number(1<<50)
	var patch delta.Patch
	var lengths [delta.Parts]int64
	var total int64
	for i := range lengths {
		lengths[i] = head.number(maxBody)
		total += lengths[i]
	}
	if head.bad || !s.within(m.known) || total > maxBody || at%4 != 0 {
		return protocol("a difference in its stream does not fit together")
	}
	all, err := m.unpack(head.rest, nil)
	if err != nil || int64(len(all)) != total {
		return errors.Join(protocol("a difference in its stream does not unpack"), err)
	}
	file, err := m.device.Open(m.known[s.number].Path)
	if err != nil {
		return m.lost(s.number, err)
	}
	defer file.Close()
	for i, part := range patch.Parts() {
		*part, all = all[:lengths[i]], all[lengths[i]:]
	}
	old := delta.Old{File: file, Size: m.known[s.number].Size, Code: code}
	return m.applier.Apply(m, at, old, patch, maxPiece)
}

// errNotAsListed is in the error if a file of the device is not what its own
// listing says: somebody changed it, or the disk has.
var errNotAsListed = errors.New("the file is not as listed")
