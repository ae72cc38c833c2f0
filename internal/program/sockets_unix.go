//go:build unix

package program

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// backlog is how many connections may wait while no program runs; the kernel
// cuts it to net.core.somaxconn.
const backlog = 4096

// sockets are those of a room. They are opened by system calls of our own: a
// socket of package net is non-blocking, and that is of the open file, which
// the program shares.
type sockets struct {
	mu      sync.Mutex // guards all
	open    []*opened
	noShell sync.Once // says once that there is none
}

// opened is a socket that listens.
type opened struct {
	Socket
	file *os.File
	// made is the file that bind has made, for a path.
	made fs.FileInfo
}

func (o *opened) fd() int { return int(o.file.Fd()) }

func (o *opened) is(other Socket) bool {
	return o.Network == other.Network && o.Address == other.Address
}

// keep opens the wanted sockets that are not open, and closes the others. Only
// to be called while no program has them.
func (s *sockets) keep(wanted []Socket, log *slog.Logger) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Those that go first: a new one may be for the same port.
	s.open = slices.DeleteFunc(s.open, func(one *opened) bool {
		if slices.ContainsFunc(wanted, one.is) {
			return false
		}
		one.drop(log)
		return true
	})
	for i, socket := range wanted {
		same := func(other Socket) bool { return other.Network == socket.Network && other.Address == socket.Address }
		if slices.ContainsFunc(wanted[:i], same) {
			return &SocketError{Socket: socket, Err: errors.New("it is named twice")}
		}
		one, err := s.refresh(socket, log)
		if err != nil {
			return err
		}
		// asyncio makes it non-blocking, which the next program would not
		// expect.
		if err := unix.SetNonblock(one.fd(), false); err != nil {
			return describe(socket, os.NewSyscallError("fcntl", err))
		}
	}
	return nil
}

// numbers returns the inodes of those of the wanted sockets that are open: one
// that was opened again has another.
func (s *sockets) numbers(wanted []Socket) []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var numbers []uint64
	for _, socket := range wanted {
		for _, one := range s.open {
			var stat unix.Stat_t
			if one.is(socket) && unix.Fstat(one.fd(), &stat) == nil {
				numbers = append(numbers, stat.Ino)
			}
		}
	}
	return numbers
}

// hold makes the queues long again when a program has ended or is about to:
// it may have shortened them (to 5 by Python's http.server) or shut them down.
func (s *sockets) hold(log *slog.Logger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range slices.Clone(s.open) {
		if _, err := s.refresh(one.Socket, log); err != nil {
			log.Warn("connections are refused until the program starts again", "error", err)
		}
	}
}

// refresh returns an open socket that has its full queue, or opens it.
func (s *sockets) refresh(socket Socket, log *slog.Logger) (*opened, error) {
	at := slices.IndexFunc(s.open, func(one *opened) bool { return one.is(socket) })
	if at >= 0 {
		one := s.open[at]
		err := one.renew()
		if err == nil {
			return one, nil
		}
		log.Warn("the program has made its socket useless: it is opened again", "socket", socket.Address, "reason", err)
		s.open = slices.Delete(s.open, at, at+1)
		one.drop(log)
	}
	one, err := open(socket)
	if err != nil {
		return nil, describe(socket, err)
	}
	s.open = append(s.open, one)
	return one, nil
}

// equip hands the sockets to a command, and makes it say its number. They have
// been opened by keep.
func (s *sockets) equip(cmd *exec.Cmd, wanted []Socket, log *slog.Logger, variables ...string) error {
	if len(wanted) == 0 {
		return nil
	}
	if err := mayExecute(cmd.Path, cmd.Dir); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, socket := range wanted {
		for _, one := range s.open {
			if one.is(socket) {
				cmd.ExtraFiles = append(cmd.ExtraFiles, one.file)
			}
		}
	}
	cmd.Env = append(cmd.Env, listenFor(wanted)...)
	if err := unix.Access(shell, unix.X_OK); err != nil {
		s.noShell.Do(func() {
			log.Warn("LISTEN_PID can't be set: some programs will not find their sockets", "error",
				&os.PathError{Op: "exec", Path: shell, Err: err})
		})
		return nil
	}
	cmd.Args = throughShell(cmd.Args, append(variables, listenPID)...)
	cmd.Path = shell
	return nil
}

func (s *sockets) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var failed error
	for _, one := range s.open {
		failed = errors.Join(failed, one.close())
	}
	s.open = nil
	return failed
}

// open opens a socket and listens.
func open(socket Socket) (*opened, error) {
	var address unix.Sockaddr
	var err error
	family := unix.AF_UNIX
	switch socket.Network {
	case "tcp":
		family, address, err = tcpAddress(socket.Address)
	case "unix":
		address, err = unixAddress(socket.Address)
	default:
		err = fmt.Errorf("%q is no kind of socket that a program can be given", socket.Network)
	}
	if err != nil {
		return nil, err
	}
	fd, err := newSocket(family)
	if err != nil {
		return nil, err
	}
	one := &opened{Socket: socket, file: os.NewFile(uintptr(fd), socket.Address)}
	if err := one.bind(family, address); err != nil {
		return nil, errors.Join(err, one.close())
	}
	return one, nil
}

// newSocket returns a socket that other children of ours don't inherit.
func newSocket(family int) (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	unix.CloseOnExec(fd)
	return fd, nil
}

func (o *opened) bind(family int, address unix.Sockaddr) error {
	if family != unix.AF_UNIX {
		// Connections of a program before must not keep us from the port.
		if err := unix.SetsockoptInt(o.fd(), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	if six, ok := address.(*unix.SockaddrInet6); ok {
		only := 1
		if six.Addr == [16]byte{} {
			only = 0 // all addresses of the machine, also of IPv4
		}
		if err := unix.SetsockoptInt(o.fd(), unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	if err := unix.Bind(o.fd(), address); err != nil {
		return os.NewSyscallError("bind", err)
	}
	if family == unix.AF_UNIX {
		// Whoever may enter the folder may connect, as with systemd.
		made, err := os.Lstat(o.Address)
		o.made = made
		if err = cmp.Or(err, os.Chmod(o.Address, 0o666)); err != nil {
			return err
		}
	}
	return os.NewSyscallError("listen", unix.Listen(o.fd(), backlog))
}

// renew takes back what a program may have done to an open socket. The error
// says why it is of no use any more.
func (o *opened) renew() error {
	// On one that listens it changes the queue's length alone; one of TCP
	// that was shut down listens again.
	if err := unix.Listen(o.fd(), backlog); err != nil {
		return os.NewSyscallError("listen", err)
	}
	if o.Network != "unix" {
		return nil
	}
	if found, err := os.Lstat(o.Address); err != nil {
		return err
	} else if !os.SameFile(found, o.made) {
		return errors.New("there is another file at its path")
	}
	state := []unix.PollFd{{Fd: int32(o.fd())}}
	if _, err := unix.Poll(state, 0); err == nil && state[0].Revents&unix.POLLHUP != 0 {
		return errors.New("it was shut down")
	}
	return nil
}

// drop is close for who goes on in any case.
func (o *opened) drop(log *slog.Logger) {
	if err := o.close(); err != nil {
		log.Warn("cannot close a socket of the program", "socket", o.Address, "error", err)
	}
}

// close closes the socket and removes the path that it has made.
func (o *opened) close() error {
	err := o.file.Close()
	if o.made == nil {
		return err
	}
	found, statErr := os.Lstat(o.Address)
	if statErr != nil || !os.SameFile(found, o.made) {
		return err // somebody else's, or gone
	}
	return errors.Join(err, os.Remove(o.Address))
}
