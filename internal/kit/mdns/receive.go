package mdns

import (
	"errors"
	"net"
	"net/netip"
	"slices"
)

// mostFailures of a socket, one after the other, are passed over: they say that
// something which was sent has not arrived or, on Windows, that a packet was too
// large, and the next one may come all the same.
const mostFailures = 100

// receive hands over what comes, until the socket is closed, or fails again and
// again, or take does not want any more.
func receive(conn *net.UDPConn, take func(from netip.AddrPort, data []byte) (wantsMore bool)) {
	buffer := make([]byte, mostBytes)
	for failures := 0; failures < mostFailures; {
		size, from, err := conn.ReadFromUDPAddrPort(buffer)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			failures++
			continue
		}
		failures = 0
		if !take(from, slices.Clone(buffer[:size])) {
			return
		}
	}
}
