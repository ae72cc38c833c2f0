package mdns

import (
	"net"
	"net/netip"
	"slices"
	"testing"
)

// earOf is that of an interface in the network of the tests.
func earOf(name string) *ear {
	return &ear{face: face{name: name, prefixes: []netip.Prefix{netip.MustParsePrefix(here)}}, isShared: true}
}

func told(service Service, prefixes ...string) []byte {
	var list []netip.Prefix
	for _, one := range prefixes {
		list = append(list, netip.MustParsePrefix(one))
	}
	all := records(&service, namesOf(&service), list)
	return (&message{response: true, answers: all[atPointer : atPointer+1], more: all[atServer:]}).pack()
}

var neighbours = netip.AddrPortFrom(netip.MustParseAddr(neighbour), sharedPort)

// TestOneDeviceIsFoundOnce, however many ways lead to it, with the address first
// that most clients get along with.
func TestOneDeviceIsFoundOnce(t *testing.T) {
	b := &browser{service: local("_ota._tcp")}
	for _, face := range []string{"eth0", "wlan0"} {
		from := netip.MustParseAddrPort("[fe80::1%" + face + "]:5353")
		b.hear(heard{earOf(face), from, told(greenhouse(), "fe80::1/64", "192.168.1.20/24", "2001:db8::20/64")})
	}
	found := b.found()
	if len(found) != 1 || found[0].Instance != "greenhouse" || found[0].Port != 8484 || found[0].Value("TXTVERS") != "1" {
		t.Fatalf("found: %+v", found)
	}
	want := []string{"192.168.1.20", "2001:db8::20", "fe80::1%eth0", "fe80::1%wlan0"}
	for i, address := range found[0].Addresses {
		if len(found[0].Addresses) != len(want) || address.String() != want[i] {
			t.Fatalf("addresses: %v, not %v", found[0].Addresses, want)
		}
	}
}

// TestWhatIsNotBelieved: answers of other networks and other ports, other
// questions' answers, and who has said good-bye.
func TestWhatIsNotBelieved(t *testing.T) {
	own := earOf("eth0")
	own.isShared = false
	other := message{id: 5, response: true, answers: records(new(greenhouse()), namesOf(new(greenhouse())), nil)}
	for name, one := range map[string]heard{
		"from another network": {earOf("eth0"), netip.MustParseAddrPort("203.0.113.1:5353"), told(greenhouse(), here)},
		"from another port":    {earOf("eth0"), netip.MustParseAddrPort("192.168.1.7:5000"), told(greenhouse(), here)},
		"to another question":  {own, neighbours, other.pack()},
	} {
		b := &browser{service: local("_ota._tcp"), id: 4}
		if b.hear(one); len(b.found()) != 0 {
			t.Errorf("%s: %v", name, b.found())
		}
	}
	b := &browser{service: local("_ota._tcp")}
	b.hear(heard{earOf("eth0"), neighbours, told(greenhouse(), here)})
	n := namesOf(new(greenhouse()))
	bye := message{response: true, answers: []record{{n.service, typePTR, false, 0, []byte(n.instance)}}}
	if b.hear(heard{earOf("eth0"), neighbours, bye.pack()}); len(b.found()) != 0 {
		t.Errorf("after its good-bye: %v", b.found())
	}
}

// TestAnAddressOfTheLinkIsThatOfTheLink over which it came, whichever socket has
// got it.
func TestAnAddressOfTheLinkIsThatOfTheLink(t *testing.T) {
	own := earOf("eth0")
	own.isShared = false
	for _, test := range []struct {
		name string
		one  heard
		want []string
	}{
		{"over IPv6, by the socket of another", heard{ear: earOf("eth0"), from: netip.MustParseAddrPort("[fe80::1%wlan0]:5353")}, []string{"fe80::1%wlan0"}},
		{"over IPv4, by any of them", heard{ear: earOf("eth0"), from: neighbours}, nil},
		{"over IPv4, to who has asked", heard{ear: own, from: neighbours}, []string{"fe80::1%eth0"}},
	} {
		b := &browser{service: local("_ota._tcp")}
		test.one.data = told(greenhouse(), "fe80::1/64")
		b.hear(test.one)
		var got []string
		for _, address := range b.found()[0].Addresses {
			got = append(got, address.String())
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, not %q", test.name, got, test.want)
		}
	}
}

// TestGoodByes take back what they name, and nothing is learnt from them.
func TestGoodByes(t *testing.T) {
	b := &browser{service: local("_ota._tcp")}
	b.hear(heard{earOf("eth0"), neighbours, told(greenhouse(), here, "10.0.0.20/8")})
	host := namesOf(new(greenhouse())).host
	for _, last := range [][]byte{{10, 0, 0, 20}, {10, 0, 0, 21}} {
		bye := message{response: true, answers: []record{{host, typeA, true, 0, last}}}
		b.hear(heard{earOf("eth0"), neighbours, bye.pack()})
	}
	if got := b.found()[0].Addresses; len(got) != 1 || got[0] != netip.MustParsePrefix(here).Addr() {
		t.Errorf("addresses: %v", got)
	}
	b = &browser{service: local("_ota._tcp")}
	gone := records(new(greenhouse()), namesOf(new(greenhouse())), nil)
	for i := range gone {
		gone[i].ttl = 0
	}
	b.hear(heard{earOf("eth0"), neighbours, (&message{response: true, answers: gone[atServer:]}).pack()})
	if got := b.found(); len(got) != 0 {
		t.Errorf("found: %v", got)
	}
}

// TestWhatIsKnownIsNotAskedForAgain, though the answer to plain DNS says that it
// is true for ten seconds only.
func TestWhatIsKnownIsNotAskedForAgain(t *testing.T) {
	conn := listenLocally(t)
	defer conn.Close()
	to := listenLocally(t)
	defer to.Close()
	asked := earOf("eth0")
	asked.conn, asked.group = to, conn.LocalAddr().(*net.UDPAddr).AddrPort()
	b := &browser{service: local("_ota._tcp"), ears: []*ear{asked}}
	b.hear(heard{asked, neighbours, told(greenhouse(), here)})
	n := namesOf(new(greenhouse()))
	plain := message{response: true, answers: []record{{n.service, typePTR, false, ttlLegacy, []byte(n.instance)}}}
	b.hear(heard{asked, neighbours, plain.pack()})
	if err := b.ask(); err != nil {
		t.Fatal(err)
	}
	packet := make([]byte, mostBytes)
	size, err := conn.Read(packet)
	if err != nil {
		t.Fatal(err)
	}
	if m, ok := parse(packet[:size]); !ok || len(m.answers) != 1 || m.answers[0].ttl != ttlOther {
		t.Errorf("asked: %+v", m)
	}
}

// TestNobodyFillsTheMemory: what others claim is kept up to a bound.
func TestNobodyFillsTheMemory(t *testing.T) {
	b := &browser{service: local("_ota._tcp")}
	for i := range 3 * mostFound {
		service := greenhouse()
		service.Instance = another("x", i)
		service.Host = another("h", i%7)
		b.hear(heard{earOf("eth0"), neighbours, told(service, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 8).String())})
	}
	if len(b.found()) > mostFound || len(b.hosts) > 7*mostAddressesOf {
		t.Errorf("%d devices and %d addresses are kept", len(b.found()), len(b.hosts))
	}
}
