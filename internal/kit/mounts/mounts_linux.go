package mounts

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const tablePath = "/proc/self/mountinfo"

// Read reads the table.
func Read() ([]Mount, error) {
	table, err := os.ReadFile(tablePath)
	if err != nil {
		return nil, fmt.Errorf("cannot read what is mounted: %w", err)
	}
	return Parse(string(table))
}

// Of returns the ID of the mount through which a folder was opened.
func Of(folder *os.File) (id int, err error) {
	info, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(int(folder.Fd())))
	if err != nil {
		return 0, fmt.Errorf("cannot find out on which mount %s is: %w", folder.Name(), err)
	}
	for line := range bytes.Lines(info) {
		if value, found := strings.CutPrefix(string(line), "mnt_id:"); found {
			return strconv.Atoi(strings.TrimSpace(value))
		}
	}
	return 0, fmt.Errorf("cannot find out on which mount %s is: the kernel does not tell", folder.Name())
}

// Watcher tells when the table changes.
type Watcher struct {
	table int
	ended int // an eventfd(2), readable after Close
}

// Watch makes a Watcher, which has to be closed.
func Watch() (*Watcher, error) {
	table, err := unix.Open(tablePath, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot watch what is mounted: %w", err)
	}
	ended, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot watch what is mounted: %w", err), unix.Close(table))
	}
	return &Watcher{table, ended}, nil
}

// Wait returns when the table has changed since the last call, or with
// os.ErrClosed after Close. One goroutine may call it, until it returns an
// error; then nothing of the Watcher is left.
//
// It keeps a thread in poll(2). Go's own poller can't do it: it looks for
// readable and writable only, while the kernel marks the table as urgent, and
// forgets the mark when anybody asks for it.
func (w *Watcher) Wait() error {
	fds := []unix.PollFd{{Fd: int32(w.table), Events: unix.POLLPRI}, {Fd: int32(w.ended), Events: unix.POLLIN}}
	_, err := unix.Poll(fds, -1)
	for errors.Is(err, unix.EINTR) {
		_, err = unix.Poll(fds, -1)
	}
	if err == nil && fds[1].Revents == 0 {
		return nil
	}
	if err == nil {
		err = os.ErrClosed
	}
	return errors.Join(err, unix.Close(w.table), unix.Close(w.ended))
}

// Close makes Wait return. It is called once, while Wait is or will be called.
func (w *Watcher) Close() error {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, err := unix.Write(w.ended, one[:])
	return err
}
