package doctor

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ota/internal/kit/amount"
	"ota/internal/kit/escape"
	"ota/internal/kit/pattern"
	"ota/internal/kit/proc"
)

const (
	logBytes  = 8 << 20          // more than any ring of the kernel that is usual
	dmesgTime = 10 * time.Second // for a command that prints what is in memory
)

func (p *patient) lookAtCard(ctx context.Context) []Finding {
	text, err := p.kernelLog(ctx)
	if err != nil {
		return []Finding{unknown("card-unknown", "the log of the kernel can't be read, so errors of the card are not seen: "+escape.Name(err.Error()), p.asRoot())}
	}
	count, last := cardErrors(text)
	if count == 0 {
		return fine("the kernel tells of no error of the card")
	}
	return []Finding{problem("card-errors",
		fmt.Sprintf("the kernel tells of %s of the card since the start, the last: %s", amount.Count(count, "error", "errors"), last),
		"make a copy of what matters; then: "+p.ask("verify")+"; check the power supply, and replace the card")}
}

// kernelLog reads what the kernel remembers, or lets dmesg(1) do it, which may
// have more rights.
func (p *patient) kernelLog(ctx context.Context) ([]byte, error) {
	text, err := readRecords(p.below("dev/kmsg"))
	if err == nil || len(p.dmesg) == 0 {
		return text, err
	}
	limited, cancel := context.WithTimeout(ctx, dmesgTime)
	defer cancel()
	cmd := exec.CommandContext(limited, p.dmesg[0], p.dmesg[1:]...)
	var output bytes.Buffer
	cmd.Stdout = &output
	cmd.WaitDelay = time.Second
	if proc.Run(cmd) != nil {
		return nil, err // why it can't be read by us says more
	}
	return output.Bytes(), nil
}

// readRecords reads the records of /dev/kmsg, one a read, without waiting for
// the next: https://docs.kernel.org/ABI/testing/dev-kmsg
func readRecords(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var text []byte
	record := make([]byte, 16<<10)
	for len(text) < logBytes {
		switch n, err := unix.Read(fd, record); {
		case err == syscall.EPIPE, err == syscall.EINTR: // overwritten meanwhile; the next read is of what is there
		case err == syscall.EAGAIN, err == nil && n == 0:
			return text, nil
		case err != nil:
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		default:
			text = append(text, record[:n]...)
		}
	}
	return text, nil
}

// cardError are the lines by which the kernel tells that a disk, or the file
// system on it, is failing. That of a card reader without a card, and of wifi,
// which is on the same kind of bus, is not meant.
var cardError = pattern.New(`(?i)I/O error,? .*\bdev (mmcblk|sd[a-z]|nvme)` +
	`|^mmcblk\d\S*: .*(error|timed out|timeout)` +
	`|\bmmc\d: (Card stuck|Timeout waiting for hardware|cache flush error|tuning execution failed.*card)` +
	`|EXT4-fs error|EXT4-fs \([^)]*\): (Remounting filesystem read-only|failed to convert)` +
	`|JBD2: (Error|I/O error)|Aborting journal on device` +
	`|F2FS-fs .*(corrupt|error)|BTRFS (error|critical)|FAT-fs \([^)]*\): error`)

// virtualDisk are the names of disks that are files or memory: what goes wrong
// with a broken image says nothing of the card.
var virtualDisk = pattern.New(`\b(loop|zram|ram|nbd)\d+\b`)

// cardErrors counts these lines, and returns the last. Lines are those of
// /dev/kmsg, as in "3,512,6123,-;EXT4-fs error", or of dmesg(1).
func cardErrors(log []byte) (count int, last string) {
	for line := range bytes.Lines(log) {
		line = bytes.TrimSpace(line)
		if head, rest, ok := bytes.Cut(line, []byte(";")); ok && recordHead.MatchString(string(head)) {
			if !isKernels(head) {
				continue // a program may write there what it likes
			}
			line = rest
		}
		line = dmesgTimeStamp.Regexp().ReplaceAll(line, nil)
		if cardError.MatchString(string(line)) && !virtualDisk.MatchString(string(line)) {
			count, last = count+1, shorten(string(line))
		}
	}
	return count, last
}

var (
	recordHead     = pattern.New(`^\d+,\d+,\d+,`)
	dmesgTimeStamp = pattern.New(`^\[[ \d.]+\] `)
)

// isKernels reports whether the facility of a record is 0: the priority before
// the first comma is 8 times that, plus the level.
func isKernels(head []byte) bool {
	number, _, _ := strings.Cut(string(head), ",")
	priority, err := strconv.Atoi(number)
	return err == nil && priority < 8
}

const longest = 160

func shorten(line string) string {
	if len(line) > longest {
		line = strings.ToValidUTF8(line[:longest], "") + "…"
	}
	return escape.Name(line)
}
