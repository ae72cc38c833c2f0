//go:build unix

package program

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"ota/internal/kit/hint"
)

const (
	// longestPath is what fits into a socket's address with a zero behind it,
	// which not every client of sd_notify can do without.
	longestPath = 107
	// lookupLimit is how long a start may wait for the address of a name.
	lookupLimit = 5 * time.Second
)

// tcpAddress returns the address of "host:port".
func tcpAddress(address string) (family int, to unix.Sockaddr, err error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return 0, nil, hint.With(errors.New("it is no host:port"), `an address is "0.0.0.0:8000", "[::1]:8000" or "localhost:8000"`)
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupLimit)
	defer cancel()
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", service)
	if err != nil {
		return 0, nil, err
	}
	found, err := hostAddress(ctx, host)
	if err != nil {
		return 0, nil, err
	}
	if found.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: port, Addr: found.As4()}, nil
	}
	zone, err := zoneNumber(found.Zone())
	if err != nil {
		return 0, nil, err
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: port, Addr: found.As16(), ZoneId: zone}, nil
}

// hostAddress returns the address on which to listen for a host.
func hostAddress(ctx context.Context, host string) (netip.Addr, error) {
	if found, err := netip.ParseAddr(host); err == nil || host == "" {
		if host == "" {
			found = netip.IPv6Unspecified()
		}
		if found == netip.IPv6Unspecified() && !hasIPv6() {
			found = netip.IPv4Unspecified() // it stands for both
		}
		return found.Unmap(), nil
	}
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, err
	}
	// Proxies that are told 127.0.0.1 are more than those that are told ::1,
	// and other servers take the same.
	for _, one := range all {
		if one = one.Unmap(); one.Is4() {
			return one, nil
		}
	}
	return all[0], nil
}

func hasIPv6() bool {
	fd, err := newSocket(unix.AF_INET6)
	if err != nil {
		return false
	}
	_ = unix.Close(fd) // nothing was done with it
	return true
}

func zoneNumber(zone string) (uint32, error) {
	if zone == "" {
		return 0, nil
	}
	if number, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(number), nil
	}
	found, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, fmt.Errorf("network interface %q: %w", zone, err)
	}
	return uint32(found.Index), nil
}

// unixAddress returns the address of a path, and clears away a socket there
// that nobody answers on any more.
func unixAddress(path string) (unix.Sockaddr, error) {
	if len(path) > longestPath {
		return nil, hint.With(
			fmt.Errorf("the path has %d bytes, and no more than %d are possible", len(path), longestPath),
			"name a socket in a folder with a shorter path, such as /run/app.sock")
	}
	address := &unix.SockaddrUnix{Name: path}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return address, nil
	case err != nil:
		return nil, err
	case info.Mode().Type() != fs.ModeSocket:
		return nil, hint.With(errors.New("there is a file at this path that is no socket"), "move it away, or listen on another path")
	}
	if err := answers(address); !errors.Is(err, unix.ECONNREFUSED) {
		if err == nil || errors.Is(err, unix.EAGAIN) {
			err = unix.EADDRINUSE // also with a full queue
		}
		return nil, os.NewSyscallError("connect", err)
	}
	return address, os.Remove(path)
}

// answers connects to a socket and says what came of it, without waiting.
func answers(address unix.Sockaddr) error {
	fd, err := newSocket(unix.AF_UNIX)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	return unix.Connect(fd, address)
}

// describe makes an error of err, with what can be done about it.
func describe(socket Socket, err error) *SocketError {
	described := &SocketError{Socket: socket, Err: err, hint: hint.Of(err)}
	_, service, _ := net.SplitHostPort(socket.Address)
	port, _ := strconv.Atoi(service)
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		described.hint = "another program listens there: end it, or choose another address in [program] listen"
		if who := holder(socket.Network, socket.Address, port); who != "" {
			described.hint = who + " listens there: end it, or choose another address in [program] listen"
		}
	case errors.Is(err, unix.EACCES) && socket.Network == "tcp" && port < 1024:
		described.hint = `ports below 1024 are for root: listen on a higher one, or "sudo setcap cap_net_bind_service=+ep" on the ota binary`
	case errors.Is(err, unix.EADDRNOTAVAIL):
		described.hint = "this machine does not have that address (yet): 0.0.0.0 stands for all that it has"
	}
	return described
}
