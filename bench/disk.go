//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// journaling is whether a file system keeps a journal of its own.
type journaling string

const (
	journaled   journaling = "with a journal"
	unjournaled journaling = "without a journal"
)

const imageSize = 512 << 20

// disk is an ext4 in a file, mounted through a loop device, of which the kernel
// counts what reaches it. One goroutine may use it.
type disk struct {
	dir    string // where it is mounted
	device string // as in /sys/block
	root   *os.File
}

// canMount says why there can be no disk; "" if there can.
func canMount() string {
	if os.Geteuid() != 0 {
		return "it takes root to mount the file system on which they are counted"
	}
	for _, name := range []string{"mkfs.ext4", "mount", "umount"} {
		if _, err := exec.LookPath(name); err != nil {
			return name + " is not installed"
		}
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		return "there are no loop devices"
	}
	return ""
}

// newDisk makes one below dir. All of it is written before it is mounted: a new
// ext4 is otherwise written to for minutes by the kernel.
func newDisk(ctx context.Context, dir string, kind journaling) (*disk, error) {
	image := filepath.Join(dir, "image")
	d := &disk{dir: filepath.Join(dir, "mount")}
	if err := errors.Join(os.Mkdir(d.dir, 0o755), makeHole(image)); err != nil {
		return nil, err
	}
	arguments := []string{"-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"}
	if kind == unjournaled {
		arguments = append(arguments, "-O", "^has_journal")
	}
	if err := command(ctx, "mkfs.ext4", append(arguments, image)...); err != nil {
		return nil, err
	}
	if err := command(ctx, "mount", "-o", "loop,noatime", image, d.dir); err != nil {
		return nil, err
	}
	if err := d.open(); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func makeHole(path string) error {
	image, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(image.Truncate(imageSize), image.Close())
}

func (d *disk) open() error {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	source := mountOf(string(text), d.dir).source
	if d.device = filepath.Base(source); !strings.HasPrefix(d.device, "loop") {
		return fmt.Errorf("cannot find the loop device of %s: it is on %q", d.dir, source)
	}
	d.root, err = os.Open(d.dir)
	return err
}

func (d *disk) close() error {
	if d.root != nil {
		if err := d.root.Close(); err != nil {
			return err
		}
	}
	return command(context.Background(), "umount", d.dir)
}

// traffic is what reached a device.
type traffic struct {
	bytes   int64
	flushes int64
}

// during counts what act causes, with all that is written because of it.
func (d *disk) during(act func() error) (traffic, error) {
	before, err := d.count()
	if err == nil {
		err = act()
	}
	if err != nil {
		return traffic{}, err
	}
	after, err := d.count()
	return traffic{after.bytes - before.bytes, after.flushes - before.flushes}, err
}

// count syncs, and reads what the kernel has counted so far.
func (d *disk) count() (traffic, error) {
	if err := unix.Syncfs(int(d.root.Fd())); err != nil {
		return traffic{}, fmt.Errorf("cannot sync: %w", err)
	}
	text, err := os.ReadFile(filepath.Join("/sys/block", d.device, "stat"))
	if err != nil {
		return traffic{}, err
	}
	return parseDeviceStat(string(text))
}

// parseDeviceStat reads /sys/block/*/stat (Documentation/block/stat.rst): its
// seventh number is that of sectors of 512 bytes written, the sixteenth that of
// flushes, which kernels before 5.5 don't count.
func parseDeviceStat(text string) (traffic, error) {
	fields := strings.Fields(text)
	if len(fields) < 7 {
		return traffic{}, fmt.Errorf("cannot read device figures %q", text)
	}
	sectors, err := strconv.ParseInt(fields[6], 10, 64)
	found := traffic{bytes: sectors * 512}
	if err == nil && len(fields) >= 16 {
		found.flushes, err = strconv.ParseInt(fields[15], 10, 64)
	}
	return found, err
}

func command(ctx context.Context, name string, arguments ...string) error {
	if output, err := exec.CommandContext(ctx, name, arguments...).CombinedOutput(); err != nil {
		return fmt.Errorf("cannot %s: %w\n%s", name, err, output)
	}
	return nil
}
