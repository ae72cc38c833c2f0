package mdns

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// isOverrun tells whether the kernel had more to say than there was room for.
func isOverrun(err error) bool { return errors.Is(err, unix.ENOBUFS) }

// heed lets the kernel pass only what may be about these names; of none: all. In
// a network with many devices somebody speaks all the time, and nearly nothing of
// it is for us: so this machine is not woken by it.
func (n *network) heed(names ...domain) {
	n.names = names
	for _, s := range n.open {
		s.heed(names)
	}
}

// heed attaches the filter. A socket without one only hears more.
func (s *socket) heed(names []domain) {
	raw, err := s.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		program := filterFor(names)
		if program == nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
			return
		}
		_ = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	})
}

// filterFor is a program of the classic Berkeley Packet Filter, as in
// Documentation/networking/filter.rst of Linux. On a socket of UDP it sees the
// packet from the header of UDP on. It passes
//
//   - questions with several names, or with none, as in known answers that
//     follow (7.2): there is no loop in which to look through them;
//   - questions and answers whose first name begins like one of ours: its length
//     and three more bytes, in upper or lower case.
//
// What it may miss is somebody who takes a name of ours without having asked for
// it, and tells it behind others.
func filterFor(names []domain) []unix.SockFilter {
	if len(names) == 0 {
		return nil
	}
	const (
		udpHeader = 8
		loadHalf  = unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
		loadWord  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		orWith    = unix.BPF_ALU | unix.BPF_OR | unix.BPF_K
		jumpEqual = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		jumpSet   = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
		result    = unix.BPF_RET | unix.BPF_K
		lowercase = 0x20202020
		whole     = 0xffff
	)
	n := uint8(len(names))
	program := []unix.SockFilter{
		{Code: loadHalf, K: udpHeader + 2}, // the flags
		{Code: jumpSet, Jt: 2, K: flagResponse},
		{Code: loadHalf, K: udpHeader + 4}, // how many questions
		{Code: jumpEqual, Jf: n + 3, K: 1},
		{Code: loadWord, K: udpHeader + headerBytes}, // the first name
		{Code: orWith, K: lowercase},
	}
	for i, name := range names {
		begin := binary.BigEndian.Uint32([]byte(name)) | lowercase
		program = append(program, unix.SockFilter{Code: jumpEqual, Jt: n - uint8(i), K: begin})
	}
	return append(program, unix.SockFilter{Code: result, K: 0}, unix.SockFilter{Code: result, K: whole})
}
