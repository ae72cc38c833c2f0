package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ota/internal/kit/hint"
)

// A socket's path, with the 18 bytes after the folder's, has room for 107.
func TestLongPaths(t *testing.T) {
	for _, bytes := range []int{88, 89, 90, 91, 150, 1000} {
		dir := folder(t, 0)
		if pad := bytes - len(dir) - 1; pad > 0 && pad < 256 {
			dir = filepath.Join(dir, strings.Repeat("d", pad))
			mkdir(t, filepath.Join(dir, ".ota"))
		} else {
			dir = folder(t, bytes)
		}
		t.Run(fmt.Sprint(len(dir)), func(t *testing.T) {
			client := serveHouse(t, &fakeHouse{status: Status{Version: "here"}}, dir)
			status, err := client.Status(t.Context())
			if err != nil || status.Version != "here" {
				t.Errorf("status %+v, %v", status, err)
			}
			if info, err := os.Lstat(client.socket); err != nil || info.Mode().Type() != os.ModeSocket {
				t.Errorf("at the socket's path: %v, %v", info, err)
			}
		})
	}
}

// The umask says what a name gets that nobody restricts: all.
func TestSocketIsPrivateFromTheStart(t *testing.T) {
	old := unix.Umask(0)
	defer unix.Umask(old)
	socket := filepath.Join(folder(t, 0), ".ota", SocketName)
	listener, err := listen(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	info, err := os.Lstat(socket)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != socketMode {
		t.Errorf("mode %v, want %v", mode, os.FileMode(socketMode))
	}
}

// A killed ota leaves its socket.
func TestStaleSocketIsReplaced(t *testing.T) {
	dir := folder(t, 0)
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, ".ota", SocketName)})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	if err := Dial(dir).Start(t.Context()); !errors.As(err, new(*NotRunning)) {
		t.Errorf("error %v, want NotRunning", err)
	}
	client := serveHouse(t, &fakeHouse{}, dir)
	if err := client.Start(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestStranger opens the mode by hand, so that only the look at the peer keeps
// another user out.
func TestStranger(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	dir, err := os.MkdirTemp("", "ota-api-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	mkdir(t, filepath.Join(dir, ".ota"))
	house := &fakeHouse{}
	server := serveHouse(t, house, dir)
	const nobody = 65534

	for _, open := range []string{dir, filepath.Dir(server.socket)} {
		if err := os.Chmod(open, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	err = clientOf(server, nobody).Stop(t.Context())
	if !errors.Is(err, os.ErrPermission) || hint.Of(err) == "" {
		t.Errorf("closed socket: error %v with hint %q, want permission denied and a hint", err, hint.Of(err))
	}

	if err := os.Chmod(server.socket, 0o666); err != nil {
		t.Fatal(err)
	}
	err = clientOf(server, nobody).Stop(t.Context())
	var problem *Problem
	if !errors.As(err, &problem) || problem.Status != http.StatusForbidden {
		t.Errorf("open socket: error %v, want status 403", err)
	}
	raw, err := asOther(server.socket, nobody)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	fmt.Fprint(raw, "OPTIONS * HTTP/1.1\r\nHost: ota\r\n\r\n")
	if answer, err := http.ReadResponse(bufio.NewReader(raw), nil); err != nil || answer.StatusCode != http.StatusForbidden {
		t.Errorf("what net/http could answer itself: %v, %v", answer, err)
	}
	if len(house.asked) > 0 {
		t.Errorf("the house was asked to %v by a stranger", house.asked)
	}
	if err := clientOf(server, 0).Stop(t.Context()); err != nil {
		t.Errorf("root: %v", err)
	}
}

// clientOf is a client whose connections another user makes.
func clientOf(server *served, uid int) *Client {
	dialAs := func(context.Context, string, string) (net.Conn, error) { return asOther(server.socket, uid) }
	return &Client{dir: server.dir, http: &http.Client{Transport: &http.Transport{DialContext: dialAs, DisableKeepAlives: true}}}
}

// asOther is a connection that another user makes.
func asOther(socket string, uid int) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result)
	go func() {
		// The thread is never unlocked, and so ends with the goroutine: it
		// alone has the other user's rights.
		runtime.LockOSThread()
		conn, err := connectAs(socket, uid)
		done <- result{conn, err}
	}()
	made := <-done
	return made.conn, made.err
}

func connectAs(socket string, uid int) (net.Conn, error) {
	const unchanged = ^uintptr(0)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, unchanged, uintptr(uid), unchanged); errno != 0 {
		return nil, errno
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "socket")
	defer file.Close()
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: socket}); err != nil {
		return nil, os.NewSyscallError("connect", err)
	}
	return net.FileConn(file)
}
