package mdns

import (
	"net"
	"net/netip"
)

// face is an interface that is up, connected to something, and carries multicast.
type face struct {
	index    int
	name     string
	prefixes []netip.Prefix
}

// faces are those that there are now.
func faces() ([]face, error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var found []face
	const wanted = net.FlagUp | net.FlagRunning | net.FlagMulticast
	for _, one := range list {
		if one.Flags&wanted != wanted || one.Flags&net.FlagPointToPoint != 0 {
			continue
		}
		addresses, err := one.Addrs()
		if err != nil {
			continue // it has gone meanwhile
		}
		f := face{index: one.Index, name: one.Name}
		for _, address := range addresses {
			if network, ok := address.(*net.IPNet); ok {
				if ip, ok := netip.AddrFromSlice(network.IP); ok {
					bits, _ := network.Mask.Size()
					f.prefixes = append(f.prefixes, netip.PrefixFrom(ip.Unmap(), bits))
				}
			}
		}
		found = append(found, f)
	}
	return found, nil
}

// speaks tells whether it has an address of a family.
func (f *face) speaks(isIPv6 bool) bool {
	for _, prefix := range f.prefixes {
		if prefix.Addr().Is6() == isIPv6 {
			return true
		}
	}
	return false
}
