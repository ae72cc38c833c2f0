//go:build linux

// Package writelog reads what a block device was told to write, and says what
// could stand on it had the power gone at some moment.
//
// In: a log in the format of the kernel's dm-log-writes, which QEMU's
// blklogwrites writes too. Out: the entries, and for a moment of them the
// writes that make one of its possible disks. Never: anything about the file
// system on it, nor which moments are worth a look.
package writelog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Flags say what an entry is beside a write.
type Flags uint64

// The flags, as Linux' drivers/md/dm-log-writes.c numbers them.
const (
	Flush   Flags = 1 << iota // all entries before it are durable
	FUA                       // it is durable itself
	Discard                   // nothing is written; what was there is lost
	Mark                      // a note, no write
)

// Has reports whether all of the flags are set.
func (f Flags) Has(flags Flags) bool { return f&flags == flags }

// Entry is one request. A flush most often has no length.
type Entry struct {
	Flags  Flags
	Offset int64 // in bytes, on the device
	Length int64
	Data   []byte // nil for what is discarded

	start int64 // of the entry, in the log
}

// Log is a whole log. It does not change.
type Log struct {
	Entries []Entry
}

const (
	magic      = 0x6a736677736872
	version    = 1
	superSize  = 28 // magic, version, count: 8 bytes each; sector size: 4
	headerSize = 32 // sector, sectors, flags, length of a mark: 8 bytes each
)

// Parse reads a log that is complete. The entries share data's memory.
func Parse(data []byte) (*Log, error) {
	if len(data) < superSize {
		return nil, errors.New("cannot read the log: it has no superblock")
	}
	word := binary.LittleEndian.Uint64
	if word(data) != magic || word(data[8:]) != version {
		return nil, errors.New("cannot read the log: it is in another format")
	}
	count, sector := word(data[16:]), int64(binary.LittleEndian.Uint32(data[24:]))
	if sector < 512 || sector > 1<<16 || sector&(sector-1) != 0 {
		return nil, fmt.Errorf("cannot read the log: sectors of %d bytes", sector)
	}
	log, at := &Log{}, sector
	for range count {
		entry, next, err := parseEntry(data, at, sector)
		if err != nil {
			return nil, fmt.Errorf("cannot read entry %d of the log: %w", len(log.Entries), err)
		}
		log.Entries = append(log.Entries, entry)
		at = next
	}
	if at != int64(len(data)) {
		return nil, fmt.Errorf("cannot read the log: %d entries are %d bytes, it has %d", count, at, len(data))
	}
	return log, nil
}

// parseEntry reads the entry at an offset and says where the next one is.
func parseEntry(data []byte, at, sector int64) (Entry, int64, error) {
	size := int64(len(data))
	if at > size-sector {
		return Entry{}, 0, errors.New("it is cut off")
	}
	word := func(i int64) uint64 { return binary.LittleEndian.Uint64(data[at+8*i:]) }
	first, sectors := word(0), word(1)
	if first > math.MaxInt64/uint64(sector) || sectors > math.MaxInt64/uint64(sector)-first {
		return Entry{}, 0, errors.New("it is outside of any device")
	}
	entry := Entry{
		Flags:  Flags(word(2)),
		Offset: int64(first) * sector,
		Length: int64(sectors) * sector,
		start:  at,
	}
	at += sector
	if entry.Flags.Has(Discard) || entry.Length == 0 {
		return entry, at, nil
	}
	if entry.Length > size-at {
		return Entry{}, 0, errors.New("its data is cut off")
	}
	entry.Data = data[at : at+entry.Length : at+entry.Length]
	return entry, at + entry.Length, nil
}

// Before counts the entries that had at least begun when the log's file had
// that size. All that was done before are among them.
func (l *Log) Before(size int64) int {
	for i, entry := range l.Entries {
		if entry.start >= size {
			return i
		}
	}
	return len(l.Entries)
}

// Count says how many writes (and discards) and how many flushes there are.
func (l *Log) Count() (writes, flushes int) {
	for _, entry := range l.Entries {
		if entry.Length > 0 {
			writes++
		}
		if entry.Flags.Has(Flush) {
			flushes++
		}
	}
	return writes, flushes
}
