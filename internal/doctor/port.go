package doctor

import (
	"encoding/hex"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// listener is a TCP socket that waits for connections.
type listener struct {
	address netip.AddrPort
	inode   string
}

// listeners reads /proc/net/tcp or tcp6 (proc_pid_net(5)). Lines that are none
// are left out.
func listeners(table string) []listener {
	const listening = "0A"
	var found []listener
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 10 || fields[3] != listening {
			continue
		}
		if address, ok := hexAddress(fields[1]); ok {
			found = append(found, listener{address, fields[9]})
		}
	}
	return found
}

// hexAddress reads "0100007F:2124": words of the address in the order of bytes
// of this machine, which is little-endian wherever ota runs, and the port.
func hexAddress(text string) (netip.AddrPort, bool) {
	host, port, _ := strings.Cut(text, ":")
	number, err := strconv.ParseUint(port, 16, 16)
	bytes, hexErr := hex.DecodeString(host)
	if err != nil || hexErr != nil || len(bytes) != 4 && len(bytes) != 16 {
		return netip.AddrPort{}, false
	}
	for word := range slices.Chunk(bytes, 4) {
		slices.Reverse(word)
	}
	ip, ok := netip.AddrFromSlice(bytes)
	return netip.AddrPortFrom(ip.Unmap(), uint16(number)), ok
}

// inTheWay reports whether a listener keeps another from listening on host:port.
func (l listener) inTheWay(listen string) bool {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port != strconv.Itoa(int(l.address.Port())) {
		return false
	}
	wanted, err := netip.ParseAddr(host)
	if err != nil { // a name, or nothing: any address
		return host == "" || l.address.Addr().IsUnspecified() || host == "localhost" && l.address.Addr().IsLoopback()
	}
	return wanted.IsUnspecified() || l.address.Addr().IsUnspecified() || wanted.Unmap() == l.address.Addr()
}
