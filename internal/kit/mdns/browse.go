package mdns

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// Found is a service that says it is there. All of it comes from the network, and
// anybody there can have said it.
type Found struct {
	Instance string // any bytes
	Host     string // the first label of the name that its addresses are announced under
	Port     uint16
	Text     []string // "key=value" each
	// Addresses are those that answer best first: IPv4, IPv6, and those of the link
	// only, with the zone in which they were heard.
	Addresses []netip.Addr
}

// Value is what is told under a key; "": nothing is.
func (f Found) Value(key string) string {
	for _, one := range f.Text {
		if name, value, _ := strings.Cut(one, "="); strings.EqualFold(name, key) {
			return value
		}
	}
	return ""
}

const (
	// askAgain is how long after the first question the second one is asked; each
	// further pause is twice as long (5.2).
	askAgain = time.Second
	// mostFound and mostAddressesOf bound what is kept of what others send.
	mostFound       = 512
	mostAddressesOf = 16
)

// Browse looks for services of a type until ctx ends, on every interface that is
// connected and carries multicast, and returns those that it knows of then, by their
// names. It asks twice each time: as plain DNS does, from a port of its own, so
// that the answers come to nobody else; and from the port of Multicast DNS, if
// that can be shared, as firewalls often let in only what comes back to it. The
// error says that nothing could be asked.
func Browse(ctx context.Context, service string) ([]Found, error) {
	faces, err := faces()
	if err != nil {
		return nil, err
	}
	b := &browser{service: local(service), id: uint16(1 + rand.N(0xffff)), heard: make(chan heard)}
	inside, end := context.WithCancel(ctx)
	var listening sync.WaitGroup
	defer func() {
		end()
		for _, ear := range b.ears {
			ear.conn.Close()
		}
		listening.Wait()
	}()
	if err := b.listen(faces); err != nil {
		return nil, err
	}
	for _, ear := range b.ears {
		listening.Go(func() { ear.listen(b.heard, inside.Done()) })
	}
	if err := b.ask(); err != nil {
		return nil, err
	}
	pause := askAgain
	again := time.NewTimer(pause)
	defer again.Stop()
	for {
		select {
		case packet := <-b.heard:
			b.hear(packet)
		case <-again.C:
			_ = b.ask() // it could be asked before
			pause *= 2
			again.Reset(pause)
		case <-ctx.Done():
			return b.found(), nil
		}
	}
}

// browser is one search.
type browser struct {
	service domain
	id      uint16 // of the questions from a port of our own
	ears    []*ear
	heard   chan heard
	known   []*known
	hosts   []host
}

// known is a service of which something was heard.
type known struct {
	pointer record
	isGone  bool
	server  []byte // data of the record; nil: not heard yet
	text    []byte
}

// host is the address of one.
type host struct {
	name    domain
	address netip.Addr
}

// ear is a socket for one interface in one family.
type ear struct {
	face     face
	conn     *net.UDPConn
	group    netip.AddrPort
	isShared bool // it is at the port of Multicast DNS
}

// heard is a packet.
type heard struct {
	ear  *ear
	from netip.AddrPort
	data []byte
}

// listen opens the sockets. Of those at the shared port none is needed.
func (b *browser) listen(faces []face) (err error) {
	for _, face := range faces {
		for _, isIPv6 := range []bool{false, true} {
			if !face.speaks(isIPv6) {
				continue
			}
			for _, port := range []int{0, sharedPort} {
				conn, failed := listenAt(face, isIPv6, port)
				if failed != nil {
					err = failed
					continue
				}
				b.ears = append(b.ears, &ear{face, conn, netip.AddrPortFrom(groupOf(isIPv6), sharedPort), port == sharedPort})
			}
		}
	}
	if len(b.ears) > 0 {
		return nil
	}
	return cmp.Or(err, errNoNetwork)
}

var errNoNetwork = errors.New("there is no network")

func listenAt(face face, isIPv6 bool, port int) (*net.UDPConn, error) {
	at, err := net.InterfaceByIndex(face.index)
	if err != nil {
		return nil, err
	}
	network := "udp4"
	if isIPv6 {
		network = "udp6"
	}
	conn, err := net.ListenMulticastUDP(network, at, &net.UDPAddr{IP: groupOf(isIPv6).AsSlice(), Port: port})
	if err != nil {
		return nil, err
	}
	raw, err := conn.SyscallConn()
	if err == nil {
		// Programs of this machine are to hear it too. Where that can't be said, all
		// others do.
		err = raw.Control(func(fd uintptr) { setLoop(fd, isIPv6) })
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// listen hands over what comes, until the socket is closed.
func (e *ear) listen(to chan<- heard, ended <-chan struct{}) {
	receive(e.conn, func(from netip.AddrPort, data []byte) bool {
		select {
		case to <- heard{e, from, data}:
			return true
		case <-ended:
			return false
		}
	})
}

// ask asks on all links. Of what is known whole nobody need tell all again; plain
// DNS can't say that, and avahi drops a plain question with more in it.
func (b *browser) ask() (err error) {
	plain := message{id: b.id, questions: []question{{name: b.service, kind: typePTR}}}
	m := message{questions: plain.questions}
	for _, one := range b.known {
		if one.pointer.ttl > 0 && !one.isGone && one.server != nil && one.text != nil && len(b.addressesOf(one)) > 0 && len(m.answers) < 20 {
			m.answers = append(m.answers, one.pointer)
		}
	}
	isAsked := false
	for _, ear := range b.ears {
		say := m
		if !ear.isShared {
			say = plain
		}
		if _, failed := ear.conn.WriteToUDPAddrPort(say.pack(), ear.group); failed != nil {
			err = failed
			continue
		}
		isAsked = true
	}
	if isAsked {
		return nil
	}
	return err
}

// hear keeps what a packet tells of services.
func (b *browser) hear(h heard) {
	m, ok := parse(h.data)
	if !ok || !m.response || h.from.Port() != sharedPort || !isOnLink(h.from.Addr(), h.ear.face.prefixes) {
		return
	}
	if !h.ear.isShared && m.id != b.id && m.id != 0 {
		return
	}
	for _, list := range [][]record{m.answers, m.more} {
		for _, one := range list {
			b.learn(one, h.zone())
		}
	}
}

// zone is the interface over which a packet came; "": who knows. A socket at the
// shared port hears what has come over others, too: Linux brings it to each that
// listens for the group. Only IPv6 tells it with the address of the sender. A port
// of our own was asked from over one interface, and is answered over that.
func (h *heard) zone() string {
	if h.from.Addr().Is4() && !h.ear.isShared {
		return h.ear.face.name
	}
	return h.from.Addr().Zone()
}

func (b *browser) learn(one record, zone string) {
	switch {
	case one.kind == typePTR && one.name.is(b.service):
		if name := domain(one.data); name.rest().is(b.service) {
			if about := b.about(name); about != nil {
				// An answer to plain DNS tells a shorter time than it is.
				about.pointer.ttl, about.isGone = max(about.pointer.ttl, one.ttl), one.ttl == 0
			}
		}
	case one.kind == typeA && len(one.data) == 4, one.kind == typeAAAA && len(one.data) == 16:
		b.learnAddress(one, zone)
	case one.ttl == 0: // so the pointer will say, too
	case one.kind == typeSRV && one.name.rest().is(b.service):
		if about := b.about(one.name); about != nil {
			about.server = one.data
		}
	case one.kind == typeTXT && one.name.rest().is(b.service):
		if about := b.about(one.name); about != nil {
			about.text = one.data
		}
	}
}

// about is what is known of a service; nil: there are too many.
func (b *browser) about(instance domain) *known {
	for _, one := range b.known {
		if domain(one.pointer.data).is(instance) {
			return one
		}
	}
	if len(b.known) == mostFound {
		return nil
	}
	one := &known{pointer: record{name: b.service, kind: typePTR, data: []byte(instance)}}
	b.known = append(b.known, one)
	return one
}

// learnAddress keeps an address, or forgets it. One of the link only is of no use
// where it is not known of which link.
func (b *browser) learnAddress(one record, zone string) {
	address, _ := netip.AddrFromSlice(one.data)
	if address.Is6() && address.IsLinkLocalUnicast() {
		if zone == "" {
			return
		}
		address = address.WithZone(zone)
	}
	b.hosts = slices.DeleteFunc(b.hosts, func(h host) bool { return h.address == address && h.name.is(one.name) })
	if one.ttl == 0 {
		return
	}
	number := 0
	for i := range b.hosts {
		if b.hosts[i].name.is(one.name) {
			number++
		}
	}
	if number < mostAddressesOf && len(b.hosts) < mostFound*4 {
		b.hosts = append(b.hosts, host{one.name, address})
	}
}

// addressesOf are those of a service, the best first.
func (b *browser) addressesOf(one *known) (list []netip.Addr) {
	target := one.target()
	for _, host := range b.hosts {
		if host.name.is(target) {
			list = append(list, host.address)
		}
	}
	sort.SliceStable(list, func(i, j int) bool {
		x, y := list[i], list[j]
		return cmp.Or(cmp.Compare(rank(x), rank(y)), x.Compare(y)) < 0
	})
	return list
}

// rank is the lower the more clients get along with an address.
func rank(address netip.Addr) int {
	switch {
	case address.IsLoopback():
		return 4
	case address.IsLinkLocalUnicast() && address.Is6():
		return 3
	case address.IsLinkLocalUnicast():
		return 2
	case address.Is6():
		return 1
	default:
		return 0
	}
}

// target is the name of the host.
func (k *known) target() domain {
	if len(k.server) < 6 {
		return ""
	}
	return domain(k.server[6:])
}

// found is what can be shown of it all.
func (b *browser) found() (list []Found) {
	for _, one := range b.known {
		if one.isGone || len(one.server) < 6 {
			continue
		}
		list = append(list, Found{
			Instance:  domain(one.pointer.data).first(),
			Host:      one.target().first(),
			Port:      binary.BigEndian.Uint16(one.server[4:]),
			Text:      texts(one.text),
			Addresses: b.addressesOf(one),
		})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Instance < list[j].Instance })
	return list
}

// texts are the strings of a record (RFC 6763, 6.1).
func texts(data []byte) (list []string) {
	for len(data) > 0 {
		end := min(1+int(data[0]), len(data))
		if end > 1 {
			list = append(list, string(data[1:end]))
		}
		data = data[end:]
	}
	return list
}
