package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// addressBytes is the size of sun_path, its ending NUL included (unix(7)).
const addressBytes = len(unix.RawSockaddrUnix{}.Path)

// listen makes the socket at path. It has its mode from the first moment on:
// bind(2) gives the name the mode that the socket itself has, less the umask.
func listen(ctx context.Context, path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	address, done, err := shortAddress(path)
	if err != nil {
		return nil, err
	}
	defer done()
	config := net.ListenConfig{Control: makePrivate}
	listener, err := config.Listen(ctx, "unix", address)
	if err != nil {
		return nil, err
	}
	// The address may be one that holds during this function only.
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	return listener, nil
}

func makePrivate(_, _ string, conn syscall.RawConn) error {
	var failed error
	err := conn.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), socketMode) })
	return errors.Join(err, failed)
}

func dial(ctx context.Context, path string) (net.Conn, error) {
	address, done, err := shortAddress(path)
	if err != nil {
		return nil, err
	}
	defer done()
	return new(net.Dialer).DialContext(ctx, "unix", address)
}

// shortAddress returns a path for the same socket that fits into an address,
// and holds until done is called: if need be, through the open folder in /proc.
func shortAddress(path string) (address string, done func(), err error) {
	if len(path) < addressBytes {
		return path, func() {}, nil
	}
	dir, name := filepath.Split(path)
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	return "/proc/self/fd/" + strconv.Itoa(fd) + "/" + name, func() { unix.Close(fd) }, nil
}

// refused reports whether a socket is there, and nobody behind it.
func refused(err error) bool { return errors.Is(err, unix.ECONNREFUSED) }

// checkPeer refuses everybody but our own user and root, even where the
// socket's mode has been opened. The kernel vouches for who it is.
func checkPeer(conn net.Conn) error {
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return fmt.Errorf("cannot tell who asks: %w", err)
	}
	var peer *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) {
		peer, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, failed); err != nil {
		return fmt.Errorf("cannot tell who asks: %w", err)
	}
	if uid := int(peer.Uid); uid != 0 && uid != os.Geteuid() {
		return fmt.Errorf("ota runs as user %d and answers to that user and root only, not to user %d", os.Geteuid(), uid)
	}
	return nil
}
