//go:build unix

package program

import (
	"errors"

	"golang.org/x/sys/unix"
)

// handOver hands the stream over until its end. Two pipes do not tell what was
// written first, but a program that complains on stderr has flushed stdout before,
// if it cares: so whatever is in stdout once a piece of stderr has been read goes
// before that piece, and nothing that was written earlier comes later.
func (s *stream) handOver() {
	raw, err := s.out.SyscallConn()
	if err != nil {
		return
	}
	for isOpen := true; isOpen && err == nil; {
		err = raw.Read(func(fd uintptr) bool {
			s.turn.Lock()
			defer s.turn.Unlock()
			n, err := s.read(fd)
			if errors.Is(err, unix.EAGAIN) {
				return false
			}
			if isOpen = n > 0; isOpen {
				s.before.flush()
				s.hand(n)
			}
			return true
		})
	}
}

// finish hands over what handOver has not come to within its limit, as who takes
// the output had something else to do.
func (s *stream) finish() {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.before.flush()
	s.flush()
}

// flush hands over what is in the pipe now, which is a piece at most. Its own
// reader may be waiting meanwhile, or have closed it.
func (s *stream) flush() {
	if s == nil || s.out == nil {
		return
	}
	raw, err := s.out.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		if n, _ := s.read(fd); n > 0 {
			s.hand(n)
		}
	})
}

// read reads a piece without waiting for it.
func (s *stream) read(fd uintptr) (n int, err error) {
	for {
		if n, err = unix.Read(int(fd), s.piece[:]); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
