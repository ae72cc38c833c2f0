//go:build linux

package writelog

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// block is what a disk writes whole or not at all. File systems rely on less,
// but for the superblock of btrfs.
const block = 4096

// Write is something that reached the disk.
type Write struct {
	Offset int64
	Length int64
	Data   []byte // nil: zeros
}

// Certain says how many of the first entries a power cut after entry at-1 can't
// take away, as a flush came after them.
func (l *Log) Certain(at int) int {
	for i, entry := range slices.Backward(l.Entries[:at]) {
		if entry.Flags.Has(Flush) {
			return i
		}
	}
	return 0
}

// Cut returns what is on the disk if the power goes when the first at entries
// have been written: what is certain, and of each block of the others what
// reached says, which is asked for them in their order.
func (l *Log) Cut(at int, reached func() bool) []Write {
	certain := l.Certain(at)
	var writes []Write
	for i, entry := range l.Entries[:at] {
		switch {
		case entry.Length == 0:
		case i < certain || entry.Flags.Has(FUA):
			writes = append(writes, Write{entry.Offset, entry.Length, entry.Data})
		case entry.Flags.Has(Discard):
			if reached() {
				writes = append(writes, Write{Offset: entry.Offset, Length: entry.Length})
			}
		default:
			writes = append(writes, torn(entry, reached)...)
		}
	}
	return writes
}

// torn takes of a write the blocks that reached the disk.
func torn(entry Entry, reached func() bool) []Write {
	var writes []Write
	for data, offset := entry.Data, entry.Offset; len(data) > 0; {
		length := min(block-offset%block, int64(len(data)))
		if reached() {
			writes = append(writes, Write{offset, length, data[:length]})
		}
		data, offset = data[length:], offset+length
	}
	return writes
}

// Solid returns what is on a disk that is not zeros.
func Solid(disk io.Reader) ([]Write, error) {
	var writes []Write
	zeros := make([]byte, block)
	for offset := int64(0); ; offset += block {
		data := make([]byte, block)
		n, err := io.ReadFull(disk, data)
		if err == io.EOF || err == io.ErrUnexpectedEOF && n == 0 {
			return writes, nil
		}
		if err != nil && err != io.ErrUnexpectedEOF {
			return nil, fmt.Errorf("cannot read the disk: %w", err)
		}
		if !bytes.Equal(data[:n], zeros[:n]) {
			writes = append(writes, Write{offset, int64(n), data[:n]})
		}
	}
}

// Apply writes to a disk.
func Apply(disk *os.File, writes []Write) error {
	for _, write := range writes {
		var err error
		if write.Data == nil {
			err = unix.Fallocate(int(disk.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, write.Offset, write.Length)
		} else {
			_, err = disk.WriteAt(write.Data, write.Offset)
		}
		if err != nil {
			return fmt.Errorf("cannot write %d bytes at %d: %w", write.Length, write.Offset, err)
		}
	}
	return nil
}
