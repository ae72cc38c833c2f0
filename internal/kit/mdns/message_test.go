package mdns

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var everything = cmp.AllowUnexported(message{}, question{}, record{})

// TestPackets: what is written is read as it was.
func TestPackets(t *testing.T) {
	service := greenhouse()
	n := namesOf(&service)
	want := message{
		id: 7, response: true,
		questions: []question{{n.service, typePTR, true}},
		answers:   records(&service, n, []netip.Prefix{netip.MustParsePrefix("192.168.1.20/24"), netip.MustParsePrefix("fe80::1/64")}),
	}
	got, ok := parse(want.pack())
	if diff := cmp.Diff(want, got, everything); !ok || diff != "" {
		t.Errorf("%v (-want +got)\n%s", ok, diff)
	}
}

// TestCompressedNames are what others send: avahi points back at each name that
// it has written.
func TestCompressedNames(t *testing.T) {
	packet := []byte("\x00\x00\x84\x00\x00\x00\x00\x02\x00\x00\x00\x00" +
		"\x04_ota\x04_tcp\x05local\x00\x00\x0c\x00\x01\x00\x00\x11\x94\x00\x07\x04here\xc0\x0c" + // 12
		"\xc0\x27\x00\x21\x80\x01\x00\x00\x00\x78\x00\x0c\x00\x00\x00\x00\x21\x24\x03pi\x2e\xc0\x16")
	m, ok := parse(packet)
	if !ok || len(m.answers) != 2 {
		t.Fatalf("%v, %v", ok, m)
	}
	if got := domain(m.answers[0].data); got != domainOf("here", "_ota", "_tcp", "local") {
		t.Errorf("the pointer leads to %q", got)
	}
	if got := domain(m.answers[1].data[6:]); got != domainOf("pi.", "local") || m.answers[1].name.first() != "here" {
		t.Errorf("the server of %q is %q", m.answers[1].name, got)
	}
}

// TestPacketsThatAreNone are refused, each for its reason.
func TestPacketsThatAreNone(t *testing.T) {
	head := "\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"
	for name, packet := range map[string]string{
		"too short":                      head[:11],
		"another opcode":                 "\x00\x00\x28\x00" + head[4:] + "\x00\x00\x01\x00\x01",
		"a pointer to itself":            head + "\xc0\x0c\x00\x01\x00\x01",
		"a pointer forward":              head + "\xc0\x0e\x00\x01\x00\x01\x00",
		"a pointer into the header":      head + "\xc0\x00\x00\x01\x00\x01",
		"a circle":                       head + "\x01a\xc0\x0c\x00\x01\x00\x01",
		"a kind of label that is none":   head + "\x41a\x00\x00\x01\x00\x01",
		"a label that is cut off":        head + "\x09abc",
		"no end":                         head + "\x03abc",
		"a question that is cut off":     head + "\x00\x00\x01",
		"more questions than bytes":      head[:5] + "\x09" + head[6:] + "\x00\x00\x01\x00\x01",
		"a name that is too long":        head + strings.Repeat("\x3f"+strings.Repeat("a", 63), 4) + "\x00\x00\x01\x00\x01",
		"more records than anybody has":  head[:6] + "\xff\xff" + head[8:] + "\x00\x00\x01\x00\x01",
		"a pointer that ends elsewhere":  "\x00\x00\x84\x00\x00\x00\x00\x01\x00\x00\x00\x00" + "\x00\x00\x0c\x00\x01\x00\x00\x00\x00\x00\x02\x01a\x00",
		"data longer than the packet is": "\x00\x00\x84\x00\x00\x00\x00\x01\x00\x00\x00\x00" + "\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00\x05abcd",
	} {
		if m, ok := parse([]byte(packet)); ok {
			t.Errorf("%s: was read as %v", name, m)
		}
	}
}

// TestPointersToPointers are followed as often as a name can have labels.
func TestPointersToPointers(t *testing.T) {
	for _, jumps := range []int{mostJumps, mostJumps + 1} {
		packet := []byte("\x00\x00\x84\x00\x00\x00\x00\x02\x00\x00\x00\x00" + "\x00\x00\xff\x00\x01\x00\x00\x00\x00")
		packet = binary.BigEndian.AppendUint16(packet, uint16(3+2*(jumps-1)))
		at := len(packet)
		packet = append(packet, "\x01a\x00"...)
		for range jumps - 1 {
			next := len(packet)
			packet = binary.BigEndian.AppendUint16(packet, 0xc000|uint16(at))
			at = next
		}
		packet = append(binary.BigEndian.AppendUint16(packet, 0xc000|uint16(at)), "\x00\xff\x00\x01\x00\x00\x00\x00\x00\x00"...)
		m, ok := parse(packet)
		if ok != (jumps <= mostJumps) || ok && m.answers[1].name.first() != "a" {
			t.Errorf("%d pointers: %v, %v", jumps, ok, m)
		}
	}
}

// TestNames compares as the DNS does, and cuts off what has no room.
func TestNames(t *testing.T) {
	if !domainOf("Greenhouse", "local").is(domainOf("gREENHOUSE", "LOCAL")) || domainOf("a").is(domainOf("b")) || domainOf("\xe4").is(domainOf("\xc4")) {
		t.Error("names are not compared as they should be")
	}
	if got := domainOf(strings.Repeat("a", 62) + "ü").first(); got != strings.Repeat("a", 62) {
		t.Errorf("cut off: %q", got)
	}
	if got := another(strings.Repeat("a", 70), 12); len(got) != longestLabel || !strings.HasSuffix(got, "a-12") {
		t.Errorf("another one: %q", got)
	}
}

// FuzzParse: anybody in the network sends anything.
func FuzzParse(f *testing.F) {
	service := greenhouse()
	n := namesOf(&service)
	f.Add((&message{questions: []question{{n.service, typePTR, true}}, answers: records(&service, n, nil)}).pack())
	f.Add([]byte("\x00\x00\x84\x00\x00\x00\x00\x01\x00\x00\x00\x00\x04here\xc0\x0c\x00\x21\x80\x01\x00\x00\x00\x78\x00\x09\x00\x00\x00\x00\x21\x24\xc0\x0c"))
	f.Fuzz(func(t *testing.T, packet []byte) {
		m, ok := parse(packet)
		if !ok {
			return
		}
		again, ok := parse(m.pack())
		if size := len(m.pack()); !ok && size <= mostBytes {
			t.Errorf("what was written of it is no packet: %x", m.pack())
		} else if diff := cmp.Diff(m, again, everything); ok && diff != "" && m.truncated == again.truncated {
			t.Errorf("it is another one when it is read again:\n%s", diff)
		}
	})
}

// FuzzHear: whatever is said to a responder and to who looks for one, they live
// on, and the responder says no packet that is none.
func FuzzHear(f *testing.F) {
	service := greenhouse()
	n := namesOf(&service)
	probe := message{questions: asks(typeAny, n.instance).questions, authority: records(&service, n, nil)}
	f.Add(probe.pack(), uint16(sharedPort), false)
	f.Add((&message{response: true, answers: records(&service, n, nil)}).pack(), uint16(sharedPort), true)
	f.Add((&message{questions: asks(typePTR, n.service).questions, truncated: true}).pack(), uint16(40000), true)
	f.Fuzz(func(t *testing.T, packet []byte, port uint16, isSettled bool) {
		w := &wireOf{t: t, began: time.Now()}
		w.add(1, here)
		r := &responder{options: Options{Service: service}, wire: w, names: n}
		r.wished.instance, r.wished.host = service.Instance, service.Host
		if err := r.look(); err != nil {
			t.Fatal(err)
		}
		if isSettled {
			r.step = probes
			r.act(time.Now().Add(time.Minute))
		}
		from := netip.AddrPortFrom(netip.MustParseAddr(neighbour), port)
		r.hear(arrival{index: 1, from: from, data: packet})
		r.act(time.Now().Add(time.Hour))
		b := &browser{service: n.service}
		b.hear(heard{&ear{face: face{name: "eth0", prefixes: w.on[0].prefixes}, isShared: true}, from, packet})
		b.found()
	})
}
