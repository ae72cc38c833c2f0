package transfer

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"hash/crc32"
	"io"
)

// The stream is sections, each a byte that says what it is, its length and its
// body, cut into blocks of blockSize bytes (the last may be shorter), each
// followed by its check sum. So what has come is checked as far as the last whole
// block, and what is wrong is sent again from there.
const (
	blockSize   = 16 << 10
	sumSize     = 4
	sectionPlan = 1
	// sectionFrame makes contents from a frame and from stretches of the old ones.
	sectionFrame = 2
	// sectionDelta makes a piece of a content by a difference to an old one.
	sectionDelta = 3
)

// streamName names a stream by what it is: the beginning of its SHA-256.
type streamName [16]byte

// streamWriter cuts what is written into blocks with check sums.
type streamWriter struct {
	out    io.Writer
	block  []byte
	whole  hash.Hash
	length int64
}

func newStreamWriter(out io.Writer) *streamWriter {
	return &streamWriter{out: out, block: make([]byte, 0, blockSize+sumSize), whole: sha256.New()}
}

func (s *streamWriter) section(kind byte, body []byte) error {
	if len(body) > maxBody {
		return errors.New("a section of the stream is too long")
	}
	if err := s.write(binary.AppendUvarint([]byte{kind}, uint64(len(body)))); err != nil {
		return err
	}
	return s.write(body)
}

func (s *streamWriter) write(data []byte) error {
	for len(data) > 0 {
		n := min(blockSize-len(s.block), len(data))
		s.block, data = append(s.block, data[:n]...), data[n:]
		if len(s.block) == blockSize {
			if err := s.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush ends the block that is being filled.
func (s *streamWriter) flush() error {
	if len(s.block) == 0 {
		return nil
	}
	s.block = binary.LittleEndian.AppendUint32(s.block, crc32.Checksum(s.block, castagnoli))
	s.whole.Write(s.block)
	s.length += int64(len(s.block))
	_, err := s.out.Write(s.block)
	s.block = s.block[:0]
	return err
}

func (s *streamWriter) name() (n streamName) {
	copy(n[:], s.whole.Sum(nil))
	return n
}

// blockCheck follows a stream of a known length and says how much of it is good.
type blockCheck struct {
	length int64  // of the whole stream
	at     int64  // of the next byte
	good   int64  // all before it is checked
	sum    uint32 // of the block so far
	tail   [sumSize]byte
}

// add takes the next bytes, and returns ErrDamaged if they end a block that is
// not as it was sent.
func (b *blockCheck) add(data []byte) error {
	for len(data) > 0 {
		size := min(blockSize+sumSize, b.length-b.good) - sumSize
		in := b.at - b.good
		if in < size {
			n := min(size-in, int64(len(data)))
			b.sum = crc32.Update(b.sum, castagnoli, data[:n])
			b.at, data = b.at+n, data[n:]
			continue
		}
		if size <= 0 {
			return ErrDamaged // longer than it is, or no block
		}
		n := copy(b.tail[in-size:], data)
		b.at, data = b.at+int64(n), data[n:]
		if b.at < b.good+size+sumSize {
			continue
		}
		if binary.LittleEndian.Uint32(b.tail[:]) != b.sum {
			return ErrDamaged
		}
		b.good, b.sum = b.at, 0
	}
	return nil
}

// sections reads the sections of a stream whose blocks were checked before.
type sections struct {
	in   *bufio.Reader
	left int64 // bytes that are there at most
}

func newSections(stream io.Reader, length int64) *sections {
	return &sections{bufio.NewReaderSize(&bare{in: stream}, 16<<10), length}
}

// next is the next section; into is used for its body. At the end it returns
// io.EOF.
func (s *sections) next(into []byte) (kind byte, body []byte, err error) {
	if kind, err = s.in.ReadByte(); err != nil {
		return 0, nil, err
	}
	length, err := binary.ReadUvarint(s.in)
	if err != nil || length > maxBody || int64(length) > s.left {
		return 0, nil, errors.Join(protocol("a section of its stream is too long"), err)
	}
	body = roomFor(into, int64(length), min(s.left, maxBody))[:length]
	s.left -= int64(length)
	if _, err := io.ReadFull(s.in, body); err != nil {
		return 0, nil, cut(err)
	}
	return kind, body, nil
}

// roomFor is buffer, empty, if it has room for size bytes; else a new one that has
// room for most, so that there is no third.
func roomFor(buffer []byte, size, most int64) []byte {
	if int64(cap(buffer)) < size {
		buffer = make([]byte, 0, max(size, most))
	}
	return buffer[:0]
}

// bare leaves the check sums out of a stream.
type bare struct {
	in    io.Reader
	block [blockSize + sumSize]byte
	rest  []byte
}

func (b *bare) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		n, err := io.ReadFull(b.in, b.block[:])
		if n <= sumSize {
			if err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
				err = io.EOF
			}
			return 0, err
		}
		b.rest = b.block[:n-sumSize]
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}
