package delta

import (
	"encoding/binary"
	"io"
)

// Code is the kind of instructions in an executable. Its calls are straightened
// before they are compared: a call says how far it goes, so all of them change when
// something is put in between; where it goes stays the same.
type Code byte

// The kinds of instructions that are known.
const (
	Plain Code = 0 // none: bytes are as they are
	ARM   Code = 1
	ARM64 Code = 2
)

// CodeOf tells by the first bytes of a file what it holds.
func CodeOf(head []byte) Code {
	const littleEndian, machine = 1, 18
	if len(head) < machine+2 || string(head[:4]) != "\x7fELF" || head[5] != littleEndian {
		return Plain
	}
	switch binary.LittleEndian.Uint16(head[machine:]) {
	case 40:
		return ARM
	case 183:
		return ARM64
	}
	return Plain
}

// Straighten rewrites the calls in b, which lies at a multiple of four in its file.
// Bytes after the last whole word stay as they are.
func (c Code) Straighten(b []byte, at int64) { c.turn(b, uint32(at/4), 1) }

// turn adds to each call where it stands, or takes it away again.
func (c Code) turn(b []byte, place, sign uint32) {
	switch c {
	case ARM: // BL: a byte of operation, 24 bits of distance in words
		for i := 0; i+4 <= len(b); i += 4 {
			if b[i+3] == 0xEB {
				word := binary.LittleEndian.Uint32(b[i:])
				binary.LittleEndian.PutUint32(b[i:], word&^0xFFFFFF|(word+sign*(place+uint32(i/4)))&0xFFFFFF)
			}
		}
	case ARM64: // BL: 6 bits of operation, 26 bits of distance in words
		for i := 0; i+4 <= len(b); i += 4 {
			if b[i+3]>>2 == 0b100101 {
				word := binary.LittleEndian.Uint32(b[i:])
				binary.LittleEndian.PutUint32(b[i:], word&^0x3FFFFFF|(word+sign*(place+uint32(i/4)))&0x3FFFFFF)
			}
		}
	}
}

// Reader is a file with its calls straightened. It reads more than is asked for, as
// what is asked for next mostly lies close by; so one goroutine uses it.
func (c Code) Reader(file io.ReaderAt) io.ReaderAt {
	return &reader{code: c, file: file, buf: make([]byte, 0, 32<<10)}
}

type reader struct {
	code Code
	file io.ReaderAt
	from int64 // where buf lies
	buf  []byte
	step int // bytes read at once: few after a jump, more the longer none comes
}

const leastStep = 512

func (r *reader) ReadAt(p []byte, off int64) (int, error) {
	read := 0
	for read < len(p) {
		at := off + int64(read)
		if at < r.from || at >= r.from+int64(len(r.buf)) {
			if r.step = min(2*r.step, cap(r.buf)); at != r.from+int64(len(r.buf)) {
				r.step = leastStep
			}
			r.step = max(r.step, min(len(p)-read+4, cap(r.buf))&^3)
			r.from = at &^ 3
			n, err := r.file.ReadAt(r.buf[:r.step], r.from)
			r.buf = r.buf[:n]
			r.code.Straighten(r.buf, r.from)
			if at >= r.from+int64(n) {
				return read, err
			}
		}
		read += copy(p[read:], r.buf[at-r.from:])
	}
	return read, nil
}

// Writer takes a content with straight calls and writes it to w as it is. It lies
// at a multiple of four in its file. Who writes to it flushes it at the end.
func (c Code) Writer(w io.Writer, at int64) *Writer {
	return &Writer{code: c, w: w, at: at, buf: make([]byte, 0, 32<<10)}
}

// Writer is what [Code.Writer] returns.
type Writer struct {
	code Code
	w    io.Writer
	at   int64
	buf  []byte
}

// Write takes the next bytes.
func (w *Writer) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		n := copy(w.buf[len(w.buf):cap(w.buf)], p)
		w.buf, p = w.buf[:len(w.buf)+n], p[n:]
		if len(w.buf) == cap(w.buf) {
			if err := w.Flush(); err != nil {
				return 0, err
			}
		}
	}
	return written, nil
}

// Flush writes what is left.
func (w *Writer) Flush() error {
	w.code.turn(w.buf, uint32(w.at/4), ^uint32(0))
	_, err := w.w.Write(w.buf)
	w.at += int64(len(w.buf))
	w.buf = w.buf[:0]
	return err
}
