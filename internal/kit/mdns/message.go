package mdns

import (
	"encoding/binary"
)

// kind is that of a record.
type kind uint16

// The types that are used here (RFC 1035, 3.2.2; RFC 3596; RFC 2782; RFC 4034).
const (
	typeA    kind = 1
	typePTR  kind = 12
	typeTXT  kind = 16
	typeAAAA kind = 28
	typeSRV  kind = 33
	typeNSEC kind = 47
	typeAny  kind = 255
)

const (
	classIN  = 1
	classAny = 255
	// topBit is that of a class: a question is to be answered by unicast (5.4), a
	// record is all that there is of its name and type (10.2).
	topBit = 0x8000

	flagResponse  = 0x8000
	flagAuthority = 0x0400
	flagTruncated = 0x0200
	maskOpcode    = 0x7800
	maskFailed    = 0x000f

	headerBytes = 12
	// mostBytes is the largest packet (17).
	mostBytes = 9000
	// mostRecords is more than any honest packet holds.
	mostRecords = 256
	// mostJumps is one behind each label of the longest name. More of them would
	// only cost time: thousands have room in a packet, for each of its names.
	mostJumps = longestName / 2
)

// question is what somebody wants to know.
type question struct {
	name    domain
	kind    kind
	unicast bool // he alone wants the answer
}

// record is one thing that is said of a name. Names in its data are not
// compressed.
type record struct {
	name  domain
	kind  kind
	flush bool   // there is nothing else of this name and type
	ttl   uint32 // seconds; 0: it is gone
	data  []byte
}

// same tells whether both say the same.
func (r *record) same(other *record) bool {
	return r.kind == other.kind && string(r.data) == string(other.data) && r.name.is(other.name)
}

// message is a packet.
type message struct {
	id        uint16
	response  bool
	truncated bool // of a question: more known answers follow (7.2)
	questions []question
	// answers, of a question: what who asks knows already (7.1).
	answers   []record
	authority []record // of a probe: what it is going to claim (8.2)
	more      []record
}

// parse reads a packet; false: it is none, or none for us. What is not of the
// class of the Internet is left out.
func parse(packet []byte) (m message, ok bool) {
	if len(packet) < headerBytes || len(packet) > mostBytes {
		return m, false
	}
	half := func(at int) int { return int(binary.BigEndian.Uint16(packet[at:])) }
	flags := half(2)
	if flags&(maskOpcode|maskFailed) != 0 { // to be ignored (18.3, 18.11)
		return m, false
	}
	m.id, m.response, m.truncated = uint16(half(0)), flags&flagResponse != 0, flags&flagTruncated != 0
	r := &reader{packet: packet, at: headerBytes}
	if half(4)+half(6)+half(8)+half(10) > mostRecords {
		return m, false
	}
	for range half(4) {
		if one, is := r.question(); is {
			m.questions = append(m.questions, one)
		}
	}
	m.answers = r.records(half(6))
	m.authority = r.records(half(8))
	m.more = r.records(half(10))
	return m, !r.failed
}

// reader goes through a packet. After something that can't be, it has failed and
// returns nothing more.
type reader struct {
	packet []byte
	at     int
	failed bool
}

// take returns the next n bytes.
func (r *reader) take(n int) []byte {
	if r.failed || n > len(r.packet)-r.at {
		r.failed = true
		return nil
	}
	r.at += n
	return r.packet[r.at-n : r.at]
}

func (r *reader) question() (question, bool) {
	name, rest := r.name(), r.take(4)
	if r.failed {
		return question{}, false
	}
	class := binary.BigEndian.Uint16(rest[2:])
	one := question{name, kind(binary.BigEndian.Uint16(rest)), class&topBit != 0}
	class &^= topBit
	return one, class == classIN || class == classAny
}

func (r *reader) records(n int) (list []record) {
	for range n {
		one, is := r.record()
		if r.failed {
			return nil
		}
		if is {
			list = append(list, one)
		}
	}
	return list
}

func (r *reader) record() (one record, is bool) {
	name, rest := r.name(), r.take(10)
	if r.failed {
		return one, false
	}
	class := binary.BigEndian.Uint16(rest[2:])
	one = record{name: name, kind: kind(binary.BigEndian.Uint16(rest)), flush: class&topBit != 0, ttl: binary.BigEndian.Uint32(rest[4:])}
	begin := r.at
	one.data = r.take(int(binary.BigEndian.Uint16(rest[8:])))
	if !r.failed {
		one.data = r.expanded(one, begin)
	}
	return one, class&^topBit == classIN
}

// expanded is the data of a record with the name at its end in full, if it has
// one. It begins at a place of the packet.
func (r *reader) expanded(one record, begin int) []byte {
	before := 0
	switch one.kind {
	case typePTR:
	case typeSRV:
		before = 6 // priority, weight, port
	default:
		return one.data
	}
	inside := &reader{packet: r.packet[:r.at], at: begin}
	head := inside.take(before)
	name := inside.name()
	if inside.failed || inside.at != r.at {
		r.failed = true
		return nil
	}
	return append(append([]byte{}, head...), name...)
}

// name reads one that may be compressed (RFC 1035, 4.1.4). Each pointer has to
// lead before what was read of the name so far, so that none leads in a circle.
func (r *reader) name() domain {
	var name []byte
	at, limit, jumps := r.at, r.at, 0
	for !r.failed {
		if at >= len(r.packet) {
			break
		}
		length := int(r.packet[at])
		switch {
		case length == 0:
			if jumps == 0 {
				r.at = at + 1
			}
			return domain(append(name, 0))
		case length <= longestLabel:
			end := at + 1 + length
			if end > len(r.packet) || len(name)+1+length+1 > longestName {
				r.failed = true
				break
			}
			name = append(name, r.packet[at:end]...)
			at = end
		case length >= 0xc0 && at+1 < len(r.packet):
			to := (length&0x3f)<<8 | int(r.packet[at+1])
			if to >= limit || to < headerBytes || jumps == mostJumps {
				r.failed = true
				break
			}
			if jumps == 0 {
				r.at = at + 2
			}
			at, limit = to, to
			jumps++
		default:
			r.failed = true
		}
	}
	r.failed = true
	return ""
}

// pack writes a packet. Nothing in it is compressed: what is sent here fits
// without.
func (m *message) pack() []byte {
	var flags uint16
	if m.response {
		flags = flagResponse | flagAuthority
	}
	if m.truncated {
		flags |= flagTruncated
	}
	packet := make([]byte, 0, 512)
	for _, half := range []int{int(m.id), int(flags), len(m.questions), len(m.answers), len(m.authority), len(m.more)} {
		packet = binary.BigEndian.AppendUint16(packet, uint16(half))
	}
	for _, one := range m.questions {
		packet = appendHead(packet, one.name, one.kind, one.unicast)
	}
	for _, list := range [][]record{m.answers, m.authority, m.more} {
		for _, one := range list {
			packet = appendHead(packet, one.name, one.kind, one.flush)
			packet = binary.BigEndian.AppendUint32(packet, one.ttl)
			packet = binary.BigEndian.AppendUint16(packet, uint16(len(one.data)))
			packet = append(packet, one.data...)
		}
	}
	return packet
}

// appendHead writes what questions and records begin with.
func appendHead(packet []byte, name domain, kind kind, top bool) []byte {
	class := uint16(classIN)
	if top {
		class |= topBit
	}
	packet = binary.BigEndian.AppendUint16(append(packet, name...), uint16(kind))
	return binary.BigEndian.AppendUint16(packet, class)
}
