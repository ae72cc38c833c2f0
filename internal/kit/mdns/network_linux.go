package mdns

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Respond announces a service until ctx ends, on every interface that is connected,
// carries multicast and has an address at which the service is; those that come
// later are told by the kernel. Its error means that this machine does not let it.
func Respond(ctx context.Context, options Options) error {
	events, err := watchNetworks()
	if err != nil {
		return fmt.Errorf("cannot watch the addresses of this machine: %w", err)
	}
	inside, end := context.WithCancel(context.Background())
	n := &network{open: map[key]*socket{}, packets: make(chan arrival), ended: inside.Done()}
	changed := make(chan struct{}, 1)
	n.reading.Go(func() { tellChanges(events, changed) })
	defer func() {
		end()
		events.Close()
		for _, s := range n.open {
			s.Close()
		}
		n.reading.Wait()
	}()
	return respond(ctx, n, n.packets, changed, options)
}

// network is the lanes of this machine.
type network struct {
	open    map[key]*socket
	packets chan arrival
	names   []domain // that are heeded
	ended   <-chan struct{}
	reading sync.WaitGroup
}

// key names a lane.
type key struct {
	index  int
	isIPv6 bool
}

// socket is that of a lane.
type socket struct {
	*net.UDPConn
	key
	group netip.AddrPort
}

// lanes opens what is new, and closes what is gone or not wanted any more.
func (n *network) lanes(wanted func([]netip.Prefix) bool) ([]lane, error) {
	faces, err := faces()
	if err != nil {
		return nil, err
	}
	var list []lane
	var refused error
	there := map[key]bool{}
	for _, face := range faces {
		if !wanted(face.prefixes) {
			continue
		}
		for _, isIPv6 := range []bool{false, true} {
			at := key{face.index, isIPv6}
			if !face.speaks(isIPv6) {
				continue
			}
			s := n.open[at]
			if s == nil {
				if s, err = n.join(at); err != nil {
					refused = err // it has gone meanwhile, or others want the port for themselves
					continue
				}
			}
			there[at] = true
			list = append(list, lane{face.index, isIPv6, face.prefixes, s.send})
		}
	}
	for at, s := range n.open {
		if !there[at] {
			s.Close()
			delete(n.open, at)
		}
	}
	if len(list) == 0 && refused != nil {
		return nil, fmt.Errorf("cannot listen for questions: %w", refused)
	}
	return list, nil
}

// join opens the socket of a lane and reads from it.
func (n *network) join(at key) (*socket, error) {
	conn, err := listenOn(at)
	if err != nil {
		return nil, err
	}
	s := &socket{conn, at, netip.AddrPortFrom(groupOf(at.isIPv6), sharedPort)}
	n.open[at] = s
	s.heed(n.names)
	n.reading.Go(func() { n.read(s) })
	return s, nil
}

// read hands over what comes, until the socket is closed.
func (n *network) read(s *socket) {
	receive(s.UDPConn, func(from netip.AddrPort, data []byte) bool {
		select {
		case n.packets <- arrival{s.index, s.isIPv6, from, data}:
			return true
		case <-n.ended:
			return false
		}
	})
}

func (s *socket) send(packet []byte, to netip.AddrPort) error {
	if !to.IsValid() {
		to = s.group
	}
	_, err := s.WriteToUDPAddrPort(packet, to)
	return err
}

// listenOn opens a socket for one lane. It is bound to the group, not to all
// addresses: so what is sent to this machine alone goes to the others who listen
// at this port, such as avahi-daemon, and what is sent to the group to all.
func listenOn(at key) (*net.UDPConn, error) {
	family, level := unix.AF_INET, unix.IPPROTO_IP
	var bound unix.Sockaddr = &unix.SockaddrInet4{Port: sharedPort, Addr: group4.As4()}
	if at.isIPv6 {
		family, level = unix.AF_INET6, unix.IPPROTO_IPV6
		bound = &unix.SockaddrInet6{Port: sharedPort, Addr: group6.As16(), ZoneId: uint32(at.index)}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "mdns")
	defer file.Close() // the connection has its own
	for _, option := range optionsOf(at.isIPv6) {
		if option.level == 0 {
			option.level = level
		}
		if err := unix.SetsockoptInt(fd, option.level, option.name, option.value); err != nil {
			return nil, err
		}
	}
	if at.isIPv6 {
		err = unix.SetsockoptInt(fd, level, unix.IPV6_MULTICAST_IF, at.index)
		if err == nil {
			err = unix.SetsockoptIPv6Mreq(fd, level, unix.IPV6_JOIN_GROUP, &unix.IPv6Mreq{Multiaddr: group6.As16(), Interface: uint32(at.index)})
		}
	} else {
		member := &unix.IPMreqn{Multiaddr: group4.As4(), Ifindex: int32(at.index)}
		err = unix.SetsockoptIPMreqn(fd, level, unix.IP_MULTICAST_IF, member)
		if err == nil {
			err = unix.SetsockoptIPMreqn(fd, level, unix.IP_ADD_MEMBERSHIP, member)
		}
	}
	if err == nil {
		err = unix.Bind(fd, bound)
	}
	if err != nil {
		return nil, err
	}
	conn, err := net.FilePacketConn(file)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// option is one of a socket; level 0 is that of its family.
type option struct{ level, name, value int }

// optionsOf share the port, and send so that whoever gets it can tell that it has
// passed no router (11).
func optionsOf(isIPv6 bool) []option {
	const hops = 255
	list := []option{{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1}, {unix.SOL_SOCKET, unix.SO_REUSEPORT, 1}}
	if isIPv6 {
		return append(list, option{0, unix.IPV6_V6ONLY, 1}, option{0, unix.IPV6_MULTICAST_HOPS, hops}, option{0, unix.IPV6_UNICAST_HOPS, hops})
	}
	// Without the last one a socket hears what any other has joined for.
	return append(list, option{0, unix.IP_MULTICAST_TTL, hops}, option{0, unix.IP_TTL, hops}, option{0, unix.IP_MULTICAST_ALL, 0})
}

// watchNetworks opens what tells when an address comes or goes, or an interface.
func watchNetworks() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	const groups = unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_LINK
	err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups})
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "networks"), nil
}

// tellChanges says that something has changed, not what: all of it is looked at
// then, also where the kernel had more to say than there was room for.
func tellChanges(events *os.File, changed chan<- struct{}) {
	buffer := make([]byte, 4096)
	known := states{}
	for {
		switch size, err := events.Read(buffer); {
		case isOverrun(err):
			clear(known)
		case err != nil:
			return
		case !known.areChanged(buffer[:size]):
			continue
		}
		select {
		case changed <- struct{}{}:
		default:
		}
	}
}

// states are those of the interfaces, by their numbers: whether they are up, and
// whether there is a cable in them, or a wifi around them.
type states map[uint32]uint32

// areChanged tells whether messages of rtnetlink(7) are about an address, or about
// an interface with another state. A wifi says something of itself all the time.
// What is cut off at the end is not needed.
func (s states) areChanged(messages []byte) (are bool) {
	for len(messages) >= unix.SizeofNlMsghdr {
		length := int(binary.NativeEndian.Uint32(messages))
		body := messages[unix.SizeofNlMsghdr:]
		if kind := binary.NativeEndian.Uint16(messages[4:]); kind != unix.RTM_NEWLINK || len(body) < unix.SizeofIfInfomsg {
			are = true
		} else {
			index, state := binary.NativeEndian.Uint32(body[4:]), binary.NativeEndian.Uint32(body[8:])&(unix.IFF_UP|unix.IFF_RUNNING)
			before, isKnown := s[index]
			are = are || !isKnown || before != state
			s[index] = state
		}
		next := (length + unix.NLMSG_ALIGNTO - 1) &^ (unix.NLMSG_ALIGNTO - 1)
		if next < unix.SizeofNlMsghdr || next > len(messages) {
			break
		}
		messages = messages[next:]
	}
	return are
}
