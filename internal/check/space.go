package check

import (
	"errors"
	"fmt"
	"strings"
)

// Need is what an upload takes on one file system.
type Need struct {
	Dir   string // a folder on it
	Bytes int64
	Files int64 // inodes
}

// NoSpace says that a file system has no room. It is no fault of the upload: it
// is worth trying again when there is room.
type NoSpace struct {
	Need Need
	Free Need
}

// Error says what is needed and what is there.
func (e *NoSpace) Error() string {
	var missing []string
	if e.Free.Bytes < e.Need.Bytes {
		missing = append(missing, fmt.Sprintf("%s needed, %s free", bytesText(e.Need.Bytes), bytesText(e.Free.Bytes)))
	}
	if e.Free.lacksFiles(e.Need) {
		missing = append(missing, fmt.Sprintf("%d files (inodes) needed, %d free", e.Need.Files, e.Free.Files))
	}
	return fmt.Sprintf("no space in %s: %s", e.Need.Dir, strings.Join(missing, "; "))
}

func (n Need) lacksFiles(need Need) bool { return n.Files != inodesUnknown && n.Files < need.Files }

// What is left free beside what an update writes, for the program's own data and
// for ota's records.
const (
	margin      = 1 << 20
	marginFiles = 16
)

// inodesUnknown: btrfs and others count no inodes and report 0 in all.
const inodesUnknown = -1

// Space returns a *NoSpace if there is not room for all needs together. Needs
// on the same file system are added up. A file takes whole blocks there, so each
// counts for one more than its bytes.
func Space(needs ...Need) error {
	sums := map[uint64]*Need{}
	for _, need := range needs {
		device, err := deviceOf(need.Dir)
		if err != nil {
			return fmt.Errorf("cannot look for free space: %w", err)
		}
		sum, known := sums[device]
		if !known {
			sum = &Need{Dir: need.Dir, Bytes: margin, Files: marginFiles}
			sums[device] = sum
		}
		sum.Bytes += need.Bytes + need.Files*block
		sum.Files += need.Files
	}
	var missing []error
	for _, need := range sums {
		free, err := free(need.Dir)
		if err != nil {
			return fmt.Errorf("cannot look for free space: %w", err)
		}
		if free.Bytes < need.Bytes || free.lacksFiles(*need) {
			missing = append(missing, &NoSpace{*need, free})
		}
	}
	return errors.Join(missing...)
}

func bytesText(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	default:
		return fmt.Sprintf("%d bytes", n)
	}
}
