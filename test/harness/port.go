//go:build linux

package harness

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// FreePort is a TCP port on which nobody listens, and which nobody is given until
// the test ends: a socket has it. As that does not listen either, and says
// SO_REUSEADDR, who names the port and says so too can listen on it (socket(7));
// almost every server does.
func FreePort(t testing.TB) int {
	t.Helper()
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(socket) })
	if err := errors.Join(unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1), unix.Bind(socket, &unix.SockaddrInet4{})); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(socket)
	if err != nil {
		t.Fatal(err)
	}
	return name.(*unix.SockaddrInet4).Port
}
