//go:build !linux

package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// addressBytes is the size of sun_path on macOS and the BSDs, the smallest one.
const addressBytes = 104

// connectionRefused is what Windows calls ECONNREFUSED.
const connectionRefused = syscall.Errno(10061)

// listen makes the socket at path. Until its mode is set the folder, which ota
// made for itself alone, keeps others out.
func listen(ctx context.Context, path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	address, err := shortAddress(path)
	if err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", address)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

func dial(ctx context.Context, path string) (net.Conn, error) {
	address, err := shortAddress(path)
	if err != nil {
		return nil, err
	}
	return new(net.Dialer).DialContext(ctx, "unix", address)
}

// shortAddress returns path as seen from the current folder if only that fits
// into an address.
func shortAddress(path string) (string, error) {
	if len(path) < addressBytes {
		return path, nil
	}
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	relative, err := filepath.Rel(here, path)
	if err != nil || len(relative) >= addressBytes {
		return "", fmt.Errorf("%s is too long for a socket: at most %d bytes, also as seen from the current folder", path, addressBytes-1)
	}
	return relative, nil
}

// refused reports whether a socket is there, and nobody behind it.
func refused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, connectionRefused)
}

// checkPeer leaves it to the socket's mode.
func checkPeer(net.Conn) error { return nil }
