package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Signal sends a signal to one process and to no other that was given its
// number since. [os.ErrProcessDone] when it is gone.
func (id ID) Signal(signal syscall.Signal) error {
	fd, err := id.open()
	switch {
	case err == nil:
		defer unix.Close(fd)
		err = unix.PidfdSendSignal(fd, signal, nil, 0)
		if !errors.Is(err, unix.ENOSYS) {
			return id.describe(err)
		}
	case !errors.Is(err, errNoPidfd):
		return err
	}
	// Without a descriptor for it the number could be given again between
	// these two calls, but numbers go round: not within microseconds.
	if !id.is() {
		return os.ErrProcessDone
	}
	return id.describe(unix.Kill(id.PID, signal))
}

// Await returns when the process has ended, reaped or not, or with the error
// of ctx.
func (id ID) Await(ctx context.Context) error {
	fd, err := id.open()
	switch {
	case errors.Is(err, os.ErrProcessDone):
		return nil
	case err != nil:
		return id.awaitLooking(ctx)
	}
	defer unix.Close(fd)
	var wake [2]int
	if err := unix.Pipe2(wake[:], unix.O_CLOEXEC); err != nil {
		return id.awaitLooking(ctx)
	}
	defer unix.Close(wake[0])
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		unix.Close(wake[1])
		close(closed)
	})
	defer func() {
		if stop() {
			unix.Close(wake[1])
		} else {
			<-closed
		}
	}()
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(wake[0]), Events: unix.POLLIN}}
	if _, err := retry(func() (int, error) { return unix.Poll(fds, -1) }); err != nil {
		return id.awaitLooking(ctx)
	}
	if fds[0].Revents == 0 {
		return ctx.Err()
	}
	return nil
}

// Pauses between two looks at a process whose end nothing tells.
const (
	firstPause = time.Millisecond
	lastPause  = 50 * time.Millisecond
)

func (id ID) awaitLooking(ctx context.Context) error {
	for pause := firstPause; id.is(); pause = min(2*pause, lastPause) {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
	return nil
}

var errNoPidfd = errors.New("no descriptors for processes")

// open returns a descriptor of the process (pidfd_open(2), Linux 5.3).
func (id ID) open() (int, error) {
	if id.PID <= 1 {
		return -1, fmt.Errorf("process %d is not to be signalled", id.PID)
	}
	fd, err := unix.PidfdOpen(id.PID, 0)
	switch {
	case errors.Is(err, unix.ESRCH):
		return -1, os.ErrProcessDone
	case err != nil:
		return -1, errNoPidfd
	}
	// From here on the number can't change its meaning for fd.
	if !id.is() {
		unix.Close(fd)
		return -1, os.ErrProcessDone
	}
	return fd, nil
}

// is says whether the process is still there and alive.
func (id ID) is() bool {
	stat, err := Read(id.PID)
	return err == nil && stat.ID == id && stat.Alive()
}

func (id ID) describe(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ESRCH):
		return os.ErrProcessDone
	default:
		return fmt.Errorf("cannot signal process %d: %w", id.PID, err)
	}
}
