package mqtt

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// kind is the type of a control packet (2.2.1).
type kind byte

// The types that a client sends or is sent, as long as nobody asks for QoS 2.
const (
	connect    kind = 1
	connack    kind = 2
	publish    kind = 3
	puback     kind = 4
	subscribe  kind = 8
	suback     kind = 9
	pingreq    kind = 12
	pingresp   kind = 13
	disconnect kind = 14
)

// packet is one control packet. Its body is what follows the fixed header (2.2).
type packet struct {
	kind  kind
	flags byte
	body  []byte
	cut   bool // the end of the body was too much and is not here
}

// errMalformed is the error for bytes that no MQTT 3.1.1 client may be sent; the
// connection has to be closed (4.8).
var errMalformed = errors.New("what it sends is not MQTT 3.1.1")

// largestLength is the most that a remaining length can say (2.2.3).
const largestLength = 268_435_455

// readPacket reads one packet. Of a body larger than most only the beginning is
// kept; the rest is read and thrown away, so that the next packet is found.
func readPacket(from *bufio.Reader, most int) (packet, error) {
	first, err := from.ReadByte()
	if err != nil {
		return packet{}, err
	}
	length, err := readLength(from)
	if err != nil {
		return packet{}, err
	}
	p := packet{kind: kind(first >> 4), flags: first & 0x0f, cut: length > most}
	p.body = make([]byte, min(length, most))
	if _, err := io.ReadFull(from, p.body); err != nil {
		return packet{}, unexpected(err)
	}
	if p.cut {
		if _, err := io.CopyN(io.Discard, from, int64(length-most)); err != nil {
			return packet{}, unexpected(err)
		}
	}
	return p, nil
}

// readLength reads a remaining length: seven bits in each of at most four bytes
// (2.2.3).
func readLength(from io.ByteReader) (int, error) {
	length := 0
	for shift := 0; shift < 28; shift += 7 {
		one, err := from.ReadByte()
		if err != nil {
			return 0, unexpected(err)
		}
		length |= int(one&0x7f) << shift
		if one&0x80 == 0 {
			return length, nil
		}
	}
	return 0, errMalformed
}

// unexpected is for the end of the connection in the middle of a packet.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// bytes is the packet as it is sent.
func (p packet) bytes() ([]byte, error) {
	if len(p.body) > largestLength {
		return nil, fmt.Errorf("%d bytes are too large for a message of MQTT", len(p.body))
	}
	header := append(make([]byte, 0, 5+len(p.body)), byte(p.kind)<<4|p.flags)
	for length := len(p.body); ; {
		one := byte(length & 0x7f)
		if length >>= 7; length > 0 {
			header = append(header, one|0x80)
			continue
		}
		return append(append(header, one), p.body...), nil
	}
}

// field appends a string with its length (1.5.3), or bytes in the same way.
func field(to []byte, text string) []byte {
	to = binary.BigEndian.AppendUint16(to, uint16(len(text)))
	return append(to, text...)
}

// longestField is what fits into one.
const longestField = 65_535

// connectPacket begins a connection (3.1), always with a clean session: what
// there was to say is said anew.
func connectPacket(o Options) (packet, error) {
	const cleanSession, willFlag, willRetain, password, user = 0x02, 0x04, 0x20, 0x40, 0x80
	flags := byte(cleanSession)
	body := field(nil, o.ClientID)
	fields := []string{o.ClientID, o.User, o.Password}
	if will := o.Will; will != nil {
		flags |= willFlag | will.QoS<<3
		if will.Retain {
			flags |= willRetain
		}
		body = field(field(body, will.Topic), string(will.Payload))
		fields = append(fields, will.Topic, string(will.Payload))
	}
	if o.User != "" {
		flags |= user
		body = field(body, o.User)
		if o.Password != "" { // never without a user (MQTT-3.1.2-22)
			flags |= password
			body = field(body, o.Password)
		}
	}
	for _, one := range fields {
		if len(one) > longestField {
			return packet{}, fmt.Errorf("%d bytes are too long for a field of MQTT", len(one))
		}
	}
	const level = 4 // 3.1.1
	header := append(field(nil, "MQTT"), level, flags)
	header = binary.BigEndian.AppendUint16(header, uint16(o.KeepAlive.Seconds()))
	return packet{kind: connect, body: append(header, body...)}, nil
}

// publishPacket is a message (3.3); id is 0 with QoS 0.
func publishPacket(m Message, id uint16) (packet, error) {
	if err := checkTopic(m.Topic); err != nil {
		return packet{}, err
	}
	p := packet{kind: publish, flags: m.QoS << 1, body: field(nil, m.Topic)}
	if m.Retain {
		p.flags |= 0x01
	}
	if m.QoS > 0 {
		p.body = binary.BigEndian.AppendUint16(p.body, id)
	}
	p.body = append(p.body, m.Payload...)
	return p, nil
}

// checkTopic refuses the name of a topic that no message can have (4.7.3).
func checkTopic(topic string) error {
	if topic == "" || len(topic) > longestField || !isText(topic) || strings.ContainsAny(topic, "+#") {
		return fmt.Errorf("%q can't be the name of an MQTT topic", topic)
	}
	return nil
}

// isText is true for what may stand in a string (1.5.3).
func isText(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }

// subscribePacket asks for the messages of one topic (3.8).
func subscribePacket(filter string, id uint16) (packet, error) {
	if filter == "" || len(filter) > longestField || !isText(filter) {
		return packet{}, fmt.Errorf("%q can't be the name of an MQTT topic", filter)
	}
	const most = 1 // QoS
	body := append(field(binary.BigEndian.AppendUint16(nil, id), filter), most)
	return packet{kind: subscribe, flags: 0x02, body: body}, nil
}

// acknowledgement confirms a message that came with QoS 1 (3.4).
func acknowledgement(id uint16) packet {
	return packet{kind: puback, body: binary.BigEndian.AppendUint16(nil, id)}
}

// asConnack is the answer to a connect (3.2); code 0 is a welcome.
func (p packet) asConnack() (code byte, err error) {
	if p.kind != connack || p.flags != 0 || len(p.body) != 2 || p.body[0]&^1 != 0 {
		return 0, errMalformed
	}
	return p.body[1], nil
}

// asPublish is a message, and its number where it came with QoS 1 (3.3).
func (p packet) asPublish() (m Message, id uint16, err error) {
	m = Message{QoS: p.flags >> 1 & 0x03, Retain: p.flags&0x01 != 0, Cut: p.cut}
	if m.QoS > 1 || len(p.body) < 2 { // nobody asked for QoS 2
		return m, 0, errMalformed
	}
	length, rest := int(binary.BigEndian.Uint16(p.body)), p.body[2:]
	if m.QoS > 0 {
		length += 2
	}
	if len(rest) < length {
		return m, 0, errMalformed
	}
	head := rest[:length]
	if m.QoS > 0 {
		id = binary.BigEndian.Uint16(head[length-2:])
		head = head[:length-2]
		if id == 0 { // MQTT-2.3.1-1
			return m, 0, errMalformed
		}
	}
	m.Topic, m.Payload = string(head), rest[length:]
	if checkTopic(m.Topic) != nil {
		return m, 0, errMalformed
	}
	return m, id, nil
}

// asAnswer is what confirms a message or a subscription: its number, and for the
// latter whether it was refused (3.4, 3.9).
func (p packet) asAnswer() (id uint16, refused bool, err error) {
	want := 2
	if p.kind == suback {
		want = 3
	}
	if p.flags != 0 || p.cut || len(p.body) != want {
		return 0, false, errMalformed
	}
	return binary.BigEndian.Uint16(p.body), want == 3 && p.body[2] > 1, nil
}
