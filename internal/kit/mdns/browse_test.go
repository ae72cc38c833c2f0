package mdns

import (
	"net/netip"
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

var neighbours = netip.AddrPortFrom(netip.MustParseAddr(neighbour), Port)

// TestOneDeviceIsFoundOnce, however many ways lead to it, with the address first
// that most clients get along with.
func TestOneDeviceIsFoundOnce(t *testing.T) {
	b := &browser{service: local("_ota._tcp")}
	for _, face := range []string{"eth0", "wlan0"} {
		b.hear(heard{earOf(face), neighbours, told(greenhouse(), "fe80::1/64", "192.168.1.20/24", "2001:db8::20/64")})
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
