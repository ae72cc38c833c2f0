package agent

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// unmapOwnFile lets go of the pages of ota's own file, of which an attempt or a
// viewer needs most, and waiting less than half. They stay in the cache of the
// system for as long as it has room, are mapped again when they are touched, and
// are the first to go where the program needs the room.
func unmapOwnFile() {
	own, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return // not every kernel tells
	}
	for _, one := range readOnlyParts(text, own) {
		// What can't be let go of stays.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, one.from, one.to-one.from, unix.MADV_DONTNEED)
	}
}

// part is a range of addresses.
type part struct{ from, to uintptr }

// readOnlyParts finds those that hold a file as it is, in /proc/PID/smaps: nobody
// may write there, and nothing there is another than in the file, as it is where
// a loader has moved a position-independent program.
func readOnlyParts(smaps []byte, path string) []part {
	var found []part
	var last part
	isOwn := false
	for line := range bytes.Lines(smaps) {
		key, value, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
		if !strings.HasSuffix(key, ":") {
			isOwn = last.read(key) && isReadOnly(value, path)
		}
		if isOwn && key == "Anonymous:" && strings.HasPrefix(strings.TrimSpace(value), "0 ") {
			found = append(found, last)
		}
	}
	return found
}

// read reads "00400000-0094d000".
func (p *part) read(text string) bool {
	from, to, _ := strings.Cut(text, "-")
	first, err := strconv.ParseUint(from, 16, strconv.IntSize)
	end, endErr := strconv.ParseUint(to, 16, strconv.IntSize)
	*p = part{uintptr(first), uintptr(end)}
	return err == nil && endErr == nil && first < end
}

// isReadOnly reads "r-xp 00000000 fe:00 10092826      /usr/bin/ota".
func isReadOnly(text, path string) bool {
	rights, rest, _ := strings.Cut(text, " ")
	_, rest, _ = strings.Cut(rest, " ")
	_, rest, _ = strings.Cut(rest, " ")
	_, rest, _ = strings.Cut(rest, " ")
	return strings.HasPrefix(rights, "r-") && strings.HasSuffix(rights, "p") && strings.TrimLeft(rest, " ") == path
}
