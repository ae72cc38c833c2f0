package transfer

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zstd"
)

// castagnoli is the polynomial that processors know.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// signal is the kind of a message. Letters, so that text that is no message at
// all (a greeting, an error of the shell) is told from one by its first byte.
type signal byte

const (
	sayHello   signal = 0x01 // device: what it has
	sayOffer   signal = 0x02 // sender: the stream that follows
	askFolders signal = 0x03 // sender: a hash of each folder
	askEntries signal = 0x04 // sender: the entries of some folders
	askBlocks  signal = 0x05 // sender: a hash of each block of some files
	sayPart    signal = 0x06 // device: a part of an answer
	sayLast    signal = 0x07 // device: the last part of it
	sayDone    signal = 0x08 // device: the tree is whole
	sayAgain   signal = 0x09 // device: it is not, hello follows
	sayGoOn    signal = 0x0A // sender: the rest of the stream of hello follows
)

const (
	maxMessage = 1 << 20
	maxAnswer  = 64 << 20
	partSize   = 64 << 10
)

// line is one side of a connection, message by message.
type line struct {
	in  *bufio.Reader
	out io.Writer
}

func newLine(conn io.ReadWriter) *line {
	return &line{bufio.NewReaderSize(conn, 16<<10), conn}
}

// headSize is that of what a message is, its length in three bytes, and a byte that
// makes the four even: a wrong length is seen before anyone waits for so much.
const headSize = 5

func even(head []byte) byte { return head[0] ^ head[1] ^ head[2] ^ head[3] ^ 'o' }

// say sends a message: its head, its body, a check sum of both.
func (l *line) say(what signal, body []byte) error {
	length := len(body)
	message := []byte{byte(what), byte(length), byte(length >> 8), byte(length >> 16)}
	message = append(append(message, even(message)), body...)
	message = binary.LittleEndian.AppendUint32(message, crc32.Checksum(message, castagnoli))
	_, err := l.out.Write(message)
	return err
}

// hear reads the next message.
func (l *line) hear() (signal, []byte, error) {
	var head [headSize]byte
	if _, err := io.ReadFull(l.in, head[:1]); err != nil {
		return 0, nil, err
	}
	if signal(head[0]) < sayHello || signal(head[0]) > sayGoOn {
		return 0, nil, protocol("its first byte is no message")
	}
	if _, err := io.ReadFull(l.in, head[1:]); err != nil {
		return 0, nil, cut(err)
	}
	if head[headSize-1] != even(head[:]) {
		return 0, nil, ErrDamaged
	}
	length := int(head[1]) | int(head[2])<<8 | int(head[3])<<16
	if length > maxMessage {
		return 0, nil, protocol("a message is too long")
	}
	body := make([]byte, length)
	var sum [4]byte
	if _, err := io.ReadFull(l.in, body); err != nil {
		return 0, nil, cut(err)
	}
	if _, err := io.ReadFull(l.in, sum[:]); err != nil {
		return 0, nil, cut(err)
	}
	if crc32.Update(crc32.Checksum(head[:], castagnoli), castagnoli, body) != binary.LittleEndian.Uint32(sum[:]) {
		return 0, nil, ErrDamaged
	}
	return signal(head[0]), body, nil
}

// expect reads the next message, which must be what.
func (l *line) expect(what signal) ([]byte, error) {
	got, body, err := l.hear()
	if err == nil && got != what {
		err = protocol("a message came out of turn")
	}
	return body, err
}

// answer sends a long message in parts.
func (l *line) answer(body []byte) error {
	for len(body) > partSize {
		if err := l.say(sayPart, body[:partSize]); err != nil {
			return err
		}
		body = body[partSize:]
	}
	return l.say(sayLast, body)
}

// answered reads a long message.
func (l *line) answered() ([]byte, error) {
	var whole []byte
	for {
		what, body, err := l.hear()
		if err != nil {
			return nil, err
		}
		if what != sayPart && what != sayLast || len(whole)+len(body) > maxAnswer {
			return nil, protocol("an answer is none, or too long")
		}
		if whole = append(whole, body...); what == sayLast {
			return whole, nil
		}
	}
}

// cut is the error for a connection that ended in the middle of something.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// fields reads numbers and strings one after the other. The first that is not
// there makes all that follow empty, and bad true.
type fields struct {
	rest []byte
	bad  bool
}

func (f *fields) number(limit int64) int64 {
	n, size := binary.Uvarint(f.rest)
	if size <= 0 || n > uint64(limit) || f.bad {
		f.bad, f.rest = true, nil
		return 0
	}
	f.rest = f.rest[size:]
	return int64(n)
}

func (f *fields) bytes(n int64) []byte {
	if n > int64(len(f.rest)) || f.bad {
		f.bad, f.rest = true, nil
		return nil
	}
	taken := f.rest[:n]
	f.rest = f.rest[n:]
	return taken
}

func (f *fields) digest() (d Digest) {
	copy(d[:], f.bytes(int64(len(d))))
	return d
}

func (f *fields) text() string { return string(f.bytes(f.number(maxMessage))) }

// done says whether all was read, and nothing is left.
func (f *fields) done() bool { return !f.bad && len(f.rest) == 0 }

// pack appends data to b, compressed if that is smaller, with its length.
func pack(b, data []byte) []byte {
	packed, mark := data, byte(0)
	if len(data) > 64 {
		if small := deflate(data); len(small) < len(data) {
			packed, mark = small, 1
		}
	}
	b = binary.AppendUvarint(b, uint64(len(packed))<<1|uint64(mark))
	return append(b, packed...)
}

// unpack is what pack made, limit bytes at most.
func (f *fields) unpack(limit int) []byte {
	mark := f.number(int64(limit)<<1 | 1)
	packed := f.bytes(mark >> 1)
	if mark&1 == 0 {
		return packed
	}
	data, err := inflate(packed, limit)
	if err != nil {
		f.bad, f.rest = true, nil
		return nil
	}
	return data
}

// compress makes a frame of data, which the dictionary and data before it help to
// describe. The same in gives the same out. It needs data with its dictionary to
// fit into the window.
func compress(data, dictionary []byte) []byte {
	window := zstd.MinWindowSize
	for window < len(data)+len(dictionary) && window < maxWindow {
		window *= 2
	}
	options := []zstd.EOption{
		zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
		zstd.WithWindowSize(window),
	}
	if len(dictionary) > 0 {
		options = append(options, zstd.WithEncoderDictRaw(0, dictionary))
	}
	encoder, err := zstd.NewWriter(nil, options...)
	if err != nil {
		panic("the options of zstd contradict each other: " + err.Error())
	}
	return encoder.EncodeAll(data, nil)
}

// deflate makes data smaller with what a device has anyway: a compressor for zstd is
// for senders only.
func deflate(data []byte) []byte {
	var small bytes.Buffer
	w, err := flate.NewWriter(&small, flate.BestCompression)
	if err != nil {
		panic("there is no such level: " + err.Error())
	}
	if _, err := w.Write(data); err != nil {
		return data
	}
	if err := w.Close(); err != nil {
		return data
	}
	return small.Bytes()
}

// inflate is what deflate made smaller, limit bytes at most.
func inflate(small []byte, limit int) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(small)), int64(limit)+1))
	if err == nil && len(data) > limit {
		err = protocol("what it packed is too long")
	}
	return data, err
}

// unpacker unpacks frames with dictionaries, one after the other, with the same
// memory.
type unpacker struct{ decoder *zstd.Decoder }

// unpack is the content of a frame, appended to the empty into, as much as that has
// room for.
func (u *unpacker) unpack(frame, dictionary, into []byte) (content []byte, err error) {
	options := []zstd.DOption{zstd.WithDecoderDictDelete()}
	if len(dictionary) > 0 {
		options = append(options, zstd.WithDecoderDictRaw(0, dictionary))
	}
	if u.decoder == nil {
		u.decoder, err = zstd.NewReader(nil, append([]zstd.DOption{zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecodeAllCapLimit(true)}, options...)...)
	} else {
		err = u.decoder.ResetWithOptions(nil, options...)
	}
	if err != nil {
		return nil, err
	}
	return u.decoder.DecodeAll(frame, into)
}
