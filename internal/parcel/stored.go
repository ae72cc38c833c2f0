package parcel

import (
	"encoding/binary"
	"io"
	"io/fs"
)

// stored writes a frame of zstd that holds what it is given as it is (RFC 8878,
// 3.1.1). It is for binaries that have no room for a compressor.
type stored struct {
	to    io.Writer
	block []byte // what comes next; its first bytes are kept for the header
	err   error
}

const (
	largestBlock = 128 << 10 // the largest that the format allows
	blockHeader  = 3
	lastBlock    = 1 // the other bits of the lowest byte, 0: a block that is stored
)

func newStored(to io.Writer) *stored {
	s := &stored{to: to, block: make([]byte, blockHeader, blockHeader+largestBlock)}
	// The magic number, no options, and a window of 1<<(10+10) bytes.
	_, s.err = to.Write([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 10 << 3})
	return s
}

// Write takes what is to be stored.
func (s *stored) Write(p []byte) (written int, err error) {
	for len(p) > 0 && s.err == nil {
		n := min(len(p), cap(s.block)-len(s.block))
		s.block = append(s.block, p[:n]...)
		p, written = p[n:], written+n
		if len(s.block) == cap(s.block) {
			s.flush(0)
		}
	}
	return written, s.err
}

// flush writes a block.
func (s *stored) flush(flag uint32) {
	var header [4]byte
	binary.LittleEndian.PutUint32(header[:], uint32(len(s.block)-blockHeader)<<3|flag)
	copy(s.block, header[:blockHeader])
	_, s.err = s.to.Write(s.block)
	s.block = s.block[:blockHeader]
}

// Close ends the frame.
func (s *stored) Close() error {
	if s.err == nil {
		s.flush(lastBlock)
	}
	if s.err != nil {
		return s.err
	}
	s.err = fs.ErrClosed
	return nil
}
