package program

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// longestDatagram is as with systemd; what is longer is thrown away.
	longestDatagram = 4096
	// longestQueue is more than any system lets wait for us
	// (net.unix.max_dgram_qlen is 10, with systemd 512).
	longestQueue = 4096
)

// notifier is the socket on which members of the tree tell of the program. The
// zero value has none.
type notifier struct {
	path string // of the socket, if it has one in the file system
	conn *net.UnixConn
	raw  syscall.RawConn
	done chan struct{} // closed when nobody listens any more

	mu   sync.Mutex // guards what follows and is held while datagrams are taken
	run  *Run       // of whom is told; nil: of nobody
	user uint32     // whose programs are heard besides our own user's and root's
}

// open opens the socket, if there is to be one. Without it the program runs as
// well.
func (n *notifier) open(path string, log *slog.Logger) {
	if path != "" {
		n.serve(path, log)
	}
}

// serve opens the socket, at an abstract address if the path is empty or too
// long, and listens.
func (n *notifier) serve(path string, log *slog.Logger) {
	if err := n.listen(path); err != nil {
		log.Warn("the program can't tell of itself: no socket for it", "error", err)
		return
	}
	n.attend()
}

// attend takes what comes.
func (n *notifier) attend() {
	n.done = make(chan struct{})
	go func(raw syscall.RawConn, done chan struct{}) {
		defer close(done)
		// An error is the end of the socket.
		_ = raw.Read(func(fd uintptr) bool {
			for n.take(int(fd)) {
			}
			return false // wait until there is more
		})
	}(n.raw, n.done)
}

func (n *notifier) listen(path string) error {
	name := ""
	if path != "" && len(path) <= longestPath {
		// One that a killed ota has left keeps the name.
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		name = path
	}
	// With an empty name the kernel gives an abstract address that is in use
	// nowhere else, and that nobody can take before us.
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
		})
		return errors.Join(err, os.NewSyscallError("setsockopt", failed))
	}}
	conn, err := config.ListenPacket(context.Background(), "unixgram", name)
	if err != nil {
		return err
	}
	n.conn, n.path = conn.(*net.UnixConn), name
	raw, err := n.conn.SyscallConn()
	n.mu.Lock()
	n.raw = raw // which a watchdog may want at any time
	n.mu.Unlock()
	if err == nil && name != "" {
		err = os.Chmod(name, 0o600)
	}
	if err != nil {
		return errors.Join(err, n.shut())
	}
	return nil
}

// address is the value of NOTIFY_SOCKET, or empty.
func (n *notifier) address() string {
	if n.conn == nil {
		return ""
	}
	return n.conn.LocalAddr().String() // an abstract one begins with "@", as it should
}

// expect makes what comes from now on count for run. What has come before is
// of an earlier program and is thrown away.
func (n *notifier) expect(run *Run) {
	if n.conn == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.run = run
	_ = n.raw.Control(func(fd uintptr) {
		for range longestQueue {
			if _, err := receive(int(fd), n.user); err != nil {
				return
			}
		}
	})
}

// take takes one datagram, and says whether there may be more.
func (n *notifier) take(fd int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	said, err := receive(fd, n.user)
	if err == nil && n.run != nil {
		n.run.hear(said)
	}
	return err == nil
}

// catchUp takes what is waiting.
func (n *notifier) catchUp() {
	n.mu.Lock()
	raw := n.raw
	n.mu.Unlock()
	if raw == nil {
		return
	}
	// An error is the end of the socket.
	_ = raw.Control(func(fd uintptr) {
		for range longestQueue {
			if !n.take(int(fd)) {
				return
			}
		}
	})
}

// receive takes one datagram and returns what somebody who may say it has
// said. The buffer for what comes beside the data has room for credentials,
// which come first, and for nothing else: files that somebody sends are closed
// by the kernel and never become ours.
func receive(fd int, user uint32) (said message, err error) {
	var datagram [longestDatagram]byte
	beside := make([]byte, unix.CmsgSpace(unix.SizeofUcred))
	// That of package unix knows the addresses of every kind of socket, 30 kB.
	size, besideSize, flags, _, err := syscall.Recvmsg(fd, datagram[:], beside, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	switch {
	case errors.Is(err, unix.EINTR):
		return message{}, nil
	case err != nil:
		return message{}, err
	}
	if flags&unix.MSG_TRUNC != 0 || !mayNotify(beside[:besideSize], user) {
		return message{}, nil
	}
	return parseMessage(datagram[:size]), nil
}

// mayNotify says whether a datagram is from our own user, from root or from
// the program's user. An abstract address is open to every user of the machine.
func mayNotify(beside []byte, user uint32) bool {
	messages, err := unix.ParseSocketControlMessage(beside)
	if err != nil {
		return false
	}
	for _, message := range messages {
		if sender, err := unix.ParseUnixCredentials(&message); err == nil {
			return sender.Uid == 0 || sender.Uid == uint32(os.Getuid()) || sender.Uid == user
		}
	}
	return false
}

// close ends the listening and removes the socket.
func (n *notifier) close() error {
	if n.conn == nil {
		return nil
	}
	err := n.shut()
	<-n.done
	return err
}

func (n *notifier) shut() error {
	err := n.conn.Close()
	n.conn = nil
	if n.path == "" {
		return err
	}
	if removeErr := os.Remove(n.path); !errors.Is(removeErr, fs.ErrNotExist) {
		err = errors.Join(err, removeErr)
	}
	return err
}

// admit makes the socket one that a program of this user reaches and is heard
// on. The folder of a path is for our own user alone; an abstract address is in
// no folder.
func (n *notifier) admit(credential *Credential, log *slog.Logger) {
	if n.conn == nil {
		return
	}
	user := uint32(os.Getuid())
	if credential != nil {
		user = credential.UID
	}
	n.mu.Lock()
	n.user = user
	n.mu.Unlock()
	if n.path == "" || user == 0 || user == uint32(os.Getuid()) {
		return
	}
	if err := n.close(); err != nil {
		log.Warn("cannot close the program's socket", "error", err)
	}
	n.serve("", log)
}
