//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The slow link joins two network namespaces. In each of them there is one TUN
// device (Documentation/networking/tuntap.rst in Linux), and what the kernel sends
// into one comes out of the other, later, or never: so both ends speak the
// kernel's own TCP, and lost packets are sent again as on a real link.
const (
	linkRate  = 256_000 / 8            // bytes in a second, each way
	linkDelay = 150 * time.Millisecond // each way
	linkLoss  = 0.05                   // of the packets, each by itself, each way
	linkQueue = 32 << 10               // bytes that wait at most; what comes then is lost
	linkTCP   = "cubic"                // Linux's own way to slow down, if nobody chose another
)

// link is such a link. Who made it closes it.
type link struct {
	sender, device *namespace
	listener       net.Listener // of the device
}

// newLink makes a link on which so much is lost. The same seed loses the same
// packets, counted each way. It needs the rights of root.
func newLink(loss float64, seed uint64) (*link, error) {
	l := &link{}
	for i, end := range []**namespace{&l.sender, &l.device} {
		made, err := newNamespace([4]byte{10, 77, 0, byte(i + 1)})
		if err != nil {
			l.close()
			return nil, fmt.Errorf("cannot make a network namespace with a TUN device: %w", err)
		}
		*end = made
	}
	err := l.device.do(func() (err error) {
		l.listener, err = net.Listen("tcp4", "10.77.0.2:0")
		return err
	})
	if err != nil {
		l.close()
		return nil, err
	}
	go relay(l.device.tun, l.sender.tun, loss, rand.New(rand.NewPCG(seed, 1)))
	go relay(l.sender.tun, l.device.tun, loss, rand.New(rand.NewPCG(seed, 2)))
	return l, nil
}

func (l *link) close() {
	if l.listener != nil {
		l.listener.Close()
	}
	for _, end := range []*namespace{l.sender, l.device} {
		if end != nil {
			end.close()
		}
	}
}

// relay carries packets one way, until one of the devices is closed.
func relay(to, from *os.File, loss float64, random *rand.Rand) {
	type packet struct {
		data []byte
		due  time.Time
	}
	under := make(chan packet, 4096)
	go func() {
		for one := range under {
			<-time.After(time.Until(one.due))
			// A device that is gone takes no packet, and nobody waits for one.
			_, _ = to.Write(one.data)
		}
	}()
	defer close(under)
	free := time.Now() // when all that waits has left
	buffer := make([]byte, 1<<16)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		const version4 = 4
		if n == 0 || buffer[0]>>4 != version4 {
			continue // what IPv6 says of itself when a device comes up
		}
		now := time.Now()
		if free.Before(now) {
			free = now
		}
		waiting := int(free.Sub(now).Seconds() * linkRate)
		if lost := random.Float64() < loss; lost || waiting+n > linkQueue {
			continue
		}
		free = free.Add(time.Duration(n) * time.Second / linkRate)
		under <- packet{bytes.Clone(buffer[:n]), free.Add(linkDelay)}
	}
}

// namespace is a thread in a network namespace of its own, with a TUN device. What
// is started or opened by that thread is in there.
type namespace struct {
	tun   *os.File
	tasks chan func()
}

func newNamespace(address [4]byte) (*namespace, error) {
	n := &namespace{tasks: make(chan func())}
	go func() {
		// Never unlocked: so the thread ends with this, and serves nobody else.
		runtime.LockOSThread()
		for task := range n.tasks {
			task()
		}
	}()
	err := n.do(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("unshare", err)
		}
		return n.open(address)
	})
	if err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// do runs something on the thread.
func (n *namespace) do(what func() error) error {
	done := make(chan error)
	n.tasks <- func() { done <- what() }
	return <-done
}

func (n *namespace) close() {
	close(n.tasks)
	if n.tun != nil {
		n.tun.Close()
	}
}

// open makes the TUN device and brings it up. Both ends are in 10.77.0.0/30.
func (n *namespace) open(address [4]byte) error {
	const name = "ota0"
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: "/dev/net/tun", Err: err}
	}
	device, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	device.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, device); err != nil {
		unix.Close(fd)
		return os.NewSyscallError("TUNSETIFF", err)
	}
	n.tun = os.NewFile(uintptr(fd), "/dev/net/tun")
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(socket)
	for _, step := range []struct {
		request uint
		set     func(*unix.Ifreq) error
	}{
		{unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr(address[:]) }},
		{unix.SIOCSIFNETMASK, func(r *unix.Ifreq) error { return r.SetInet4Addr([]byte{255, 255, 255, 252}) }},
		{unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING); return nil }},
	} {
		request, err := unix.NewIfreq(name)
		if err := errors.Join(err, step.set(request), unix.IoctlIfreq(socket, step.request, request)); err != nil {
			return fmt.Errorf("cannot set up the TUN device: %w", err)
		}
	}
	return nil
}

// answer runs the command that the first line of a connection names, with the
// connection as its input and output: a shell without a password.
func (l *link) answer(ctx context.Context) error {
	conn, err := l.listener.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, has := ctx.Deadline(); has {
		conn.SetDeadline(deadline)
	}
	var command []string
	if err := json.Unmarshal(readLine(conn), &command); err != nil || len(command) == 0 {
		return errors.Join(errors.New("the device heard no command"), err)
	}
	tcp := conn.(*net.TCPConn)
	file, err := tcp.File()
	if err := errors.Join(err, choose(tcp)); err != nil {
		return err
	}
	defer file.Close()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout = file, file
	var complaint strings.Builder
	cmd.Stderr = &complaint
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("on the device: %w: %s", err, strings.TrimSpace(complaint.String()))
	}
	return nil
}

// readLine reads byte by byte: what comes after the line is the command's.
func readLine(from io.Reader) (line []byte) {
	var one [1]byte
	for {
		if n, err := from.Read(one[:]); n == 0 || err != nil || one[0] == '\n' {
			return line
		}
		line = append(line, one[0])
	}
}

// choose chooses how a connection slows down, so that it is not the machine's
// choice.
func choose(conn *net.TCPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var chosen error
	err = raw.Control(func(fd uintptr) {
		chosen = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, linkTCP)
	})
	return errors.Join(err, chosen)
}

// call connects to a device and says the command that it shall run. It is called
// in the sender's namespace.
func call(address string, command []string) (*net.TCPConn, error) {
	conn, err := net.Dial("tcp4", address)
	if err != nil {
		return nil, err
	}
	tcp := conn.(*net.TCPConn)
	line, err := json.Marshal(command)
	if err == nil {
		err = choose(tcp)
	}
	if err == nil {
		_, err = conn.Write(append(line, '\n'))
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return tcp, nil
}

// callForRsync is what rsync takes for ssh: the device's address, the host, and the
// command.
func callForRsync(args []string) error {
	conn, err := call(args[0], args[2:])
	if err != nil {
		return err
	}
	defer conn.Close()
	go func() {
		// What fails here fails below too.
		_, _ = io.Copy(conn, os.Stdin)
		_ = conn.CloseWrite()
	}()
	_, err = io.Copy(os.Stdout, conn)
	return err
}
