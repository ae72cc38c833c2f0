//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// stampKind is what the program under test says with a stamp.
type stampKind string

const (
	stampFirst stampKind = "first" // it has just begun
	stampTick  stampKind = "tick"  // it is still there
	stampWhole stampKind = "whole" // every file it was started with is of its version
	stampTorn  stampKind = "torn"  // one of them is not
)

// stamp is one line of the program under test.
type stamp struct {
	version int
	pid     int
	at      time.Duration // of CLOCK_MONOTONIC, the same in every process
	kind    stampKind
}

// parseStamps reads the whole lines of text and returns what is left of it.
func parseStamps(text []byte) (found []stamp, rest []byte, err error) {
	for {
		line, after, whole := bytes.Cut(text, []byte("\n"))
		if !whole {
			return found, text, nil
		}
		var one stamp
		var nanoseconds int64
		if _, err := fmt.Sscanf(string(line), "%d %d %d %s", &one.version, &one.pid, &nanoseconds, &one.kind); err != nil {
			return found, text, fmt.Errorf("cannot read stamp %q: %w", line, err)
		}
		switch one.kind {
		case stampFirst, stampTick, stampWhole, stampTorn:
		default:
			return found, text, fmt.Errorf("cannot read stamp %q: unknown kind", line)
		}
		one.at = time.Duration(nanoseconds)
		found, text = append(found, one), after
	}
}

// now is the clock of the stamps.
func now() (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0, fmt.Errorf("cannot read the monotonic clock: %w", err)
	}
	return time.Duration(ts.Nano()), nil
}

// stampFile follows the file to which the program under test appends. One
// goroutine may use it.
type stampFile struct {
	path   string
	offset int64
	rest   []byte
	seen   []stamp
}

// read takes in what was added since the last time. A program that has not
// started yet has stamped nothing, which is no error.
func (f *stampFile) read() error {
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read stamps: %w", err)
	}
	defer file.Close()
	added, err := io.ReadAll(io.NewSectionReader(file, f.offset, 1<<62-f.offset))
	if err != nil {
		return fmt.Errorf("cannot read stamps: %w", err)
	}
	f.offset += int64(len(added))
	found, rest, err := parseStamps(append(f.rest, added...))
	f.seen, f.rest = append(f.seen, found...), bytes.Clone(rest)
	return err
}

// firstOf finds the first stamp of version among those from index on.
func firstOf(all []stamp, version int) (stamp, bool) {
	for _, one := range all {
		if one.version == version {
			return one, true
		}
	}
	return stamp{}, false
}

// lastBefore finds the last stamp of any other version up to the moment at
// which the next one stamped first.
func lastBefore(all []stamp, next stamp) (last stamp, found bool) {
	for _, one := range all {
		if one.version != next.version && one.at < next.at {
			last, found = one, true
		}
	}
	return last, found
}

// started is what became of the programs that began.
type started struct {
	all    int
	torn   int // did not find every file whole, or did not live to look
	atRest int // 1 if the last one did find them, so that what runs on is right
}

func countStarts(all []stamp) started {
	var sum started
	whole := 0
	for _, one := range all {
		switch one.kind {
		case stampFirst:
			sum.all++
			sum.atRest = 0
		case stampWhole:
			whole++
			sum.atRest = 1
		}
	}
	sum.torn = sum.all - whole
	return sum
}
