//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ota/internal/transfer"
)

// way is how a release comes to the device.
type way string

const (
	ours        way = "ota, known base"
	oursUnknown way = "ota, unknown base"
	rsync       way = "rsync -az"
	rsyncSums   way = "rsync -azc"
	rsyncTar    way = "rsync -az of a tarball"
	patchFrom   way = "zstd --patch-from of the tarball"
	fullTar     way = "tarball.zst"
)

var ways = []way{ours, oursUnknown, rsync, rsyncSums, rsyncTar, patchFrom, fullTar}

// cost is what one transfer took.
type cost struct {
	bytes  int64         // both ways together
	time   time.Duration // from the first byte to the last
	cpu    time.Duration // of the device; 0: not measured
	memory int64         // of the device at most, bytes; 0: not measured
}

// compare brings one release to a device in each way. Nil: the two releases are
// the same.
func (b *bench) compare(p pair, ways []way, slow bool) (map[way]cost, error) {
	old, new, err := b.lay(p)
	if err != nil {
		return nil, err
	}
	base, err := transfer.OpenFolder(old)
	if err != nil {
		return nil, err
	}
	defer base.Close()
	target, err := transfer.OpenFolder(new)
	if err != nil {
		return nil, err
	}
	defer target.Close()
	if base.Listing().Digest() == target.Listing().Digest() {
		return nil, nil
	}
	costs := map[way]cost{}
	for _, one := range ways {
		switch one {
		case ours, oursUnknown:
			costs[one], err = b.ours(base, target, old, one == ours, slow)
		case rsync:
			costs[one], err = b.rsync(old, new, slow, "-az", "--delete")
		case rsyncSums:
			costs[one], err = b.rsync(old, new, slow, "-azc", "--delete")
		default:
			costs[one], err = b.tarball(one, old, new)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", one, err)
		}
	}
	return costs, nil
}

// counted counts what crosses a connection in both ways.
type counted struct {
	io.Reader
	io.Writer
	bytes int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.bytes += int64(n)
	return n, err
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.bytes += int64(n)
	return n, err
}

// ours sends to a process of its own that is the device.
func (b *bench) ours(base, target *transfer.Folder, old string, known, slow bool) (cost, error) {
	work, err := os.MkdirTemp(b.folder, "work-")
	if err != nil {
		return cost{}, err
	}
	defer os.RemoveAll(work)
	listing := filepath.Join(work, "listing.json")
	if err := writeListing(listing, base.Listing()); err != nil {
		return cost{}, err
	}
	device := exec.CommandContext(b.ctx, "/proc/self/exe", "receive", old, listing, filepath.Join(work, "device"), filepath.Join(work, "result.json"))
	device.Stderr = os.Stderr
	in, err1 := device.StdinPipe()
	out, err2 := device.StdoutPipe()
	if err := errors.Join(err1, err2, device.Start()); err != nil {
		return cost{}, err
	}
	conn := &counted{Reader: out, Writer: in}
	if slow {
		fromSender, toLink := io.Pipe()
		fromLink, toSender := io.Pipe()
		go slowed(in, fromSender)
		go slowed(toSender, out)
		conn = &counted{Reader: fromLink, Writer: toLink}
	}
	start := time.Now()
	err = sender(base, target, filepath.Join(work, "sender"), known).Send(conn)
	took := time.Since(start)
	if !slow {
		in.Close()
	}
	if err := errors.Join(err, device.Wait()); err != nil {
		return cost{}, err
	}
	var result deviceResult
	if err := readJSON(filepath.Join(work, "result.json"), &result); err != nil {
		return cost{}, err
	}
	if want := target.Listing().Digest(); result.Digest != fmt.Sprintf("%x", want) {
		return cost{}, errors.New("the device has another tree")
	}
	state := device.ProcessState
	return cost{conn.bytes, took, state.UserTime() + state.SystemTime(), result.Memory}, nil
}

func sender(base, target *transfer.Folder, folder string, known bool) *transfer.Sender {
	s := &transfer.Sender{Target: target, Folder: folder}
	if known {
		digest := base.Listing().Digest()
		s.Base = func(asked transfer.Digest) (transfer.Tree, bool) { return base, asked == digest }
	}
	return s
}

// deviceResult is what the device's process says at its end.
type deviceResult struct {
	Digest string
	Memory int64
}

// receiveAsDevice is the device's process: a tree, its listing, a folder to
// collect in, and where to say how it went.
func receiveAsDevice(args []string) error {
	return receiveFrom(struct {
		io.Reader
		io.Writer
	}{os.Stdin, os.Stdout}, args)
}

func receiveFrom(conn io.ReadWriter, args []string) error {
	tree, err := openListed(args[0], args[1])
	if err != nil {
		return err
	}
	receiver := &transfer.Receiver{Device: tree, Folder: args[2]}
	received, err := receiver.Receive(conn)
	if err != nil {
		return err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	var most int64
	if _, after, found := strings.Cut(string(status), "VmHWM:"); found {
		fmt.Sscanf(after, "%d", &most)
	}
	return writeJSON(args[3], deviceResult{fmt.Sprintf("%x", received.Listing.Digest()), most << 10})
}

// listed is a tree whose listing is known without a look at its files, as that of
// a release is.
type listed struct {
	root    *os.Root
	listing transfer.Listing
}

func openListed(folder, listing string) (listed, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return listed{}, err
	}
	l := listed{root: root}
	return l, readJSON(listing, &l.listing)
}

func (l listed) Listing() transfer.Listing               { return l.listing }
func (l listed) Open(path string) (transfer.File, error) { return l.root.Open(path) }

func writeListing(path string, l transfer.Listing) error { return writeJSON(path, l) }

func writeJSON(path string, v any) error {
	data, err := json.Marshal(v)
	return errors.Join(err, os.WriteFile(path, data, 0o644))
}

func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

var (
	rsyncSent     = regexp.MustCompile(`Total bytes sent: ([\d,]+)`)
	rsyncReceived = regexp.MustCompile(`Total bytes received: ([\d,]+)`)
)

// rsync sends new to a copy of old, through a shell that measures its other end.
func (b *bench) rsync(old, new string, slow bool, options ...string) (cost, error) {
	device := filepath.Join(b.folder, "device")
	if _, err := b.command("", "sh", "-c", `rm -rf "$2" && cp -a "$1" "$2"`, "sh", old, device); err != nil {
		return cost{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return cost{}, err
	}
	usage := filepath.Join(b.folder, "usage.json")
	args := append(options, "--stats", "-e", self+" shell "+usage, new+"/", "device:"+device+"/")
	if info, err := os.Stat(new); err == nil && !info.IsDir() {
		args[len(args)-2], args[len(args)-1] = new, "device:"+device
	}
	start := time.Now()
	if slow {
		args = append([]string{slowMark + "=1", "rsync"}, args...)
	} else {
		args = append([]string{"rsync"}, args...)
	}
	out, err := b.command("", "env", args...)
	if err != nil {
		return cost{}, err
	}
	c := cost{time: time.Since(start)}
	for _, one := range []*regexp.Regexp{rsyncSent, rsyncReceived} {
		found := one.FindStringSubmatch(out)
		if found == nil {
			return cost{}, errors.New("rsync does not say how many bytes it sent")
		}
		n, err := strconv.ParseInt(strings.ReplaceAll(found[1], ",", ""), 10, 64)
		if err != nil {
			return cost{}, err
		}
		c.bytes += n
	}
	return c, readJSON(usage, &c.cpu)
}

// shellForRsync is what rsync takes for ssh: where to write the processor's time,
// the host, and the command.
func shellForRsync(args []string) error {
	cmd := exec.Command(args[2], args[3:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if os.Getenv(slowMark) != "" {
		if err := runSlowly(cmd); err != nil {
			return err
		}
	} else if err := cmd.Run(); err != nil {
		return err
	}
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &used); err != nil {
		return err
	}
	return writeJSON(args[0], time.Duration(used.Utime.Nano()+used.Stime.Nano()))
}

// runSlowly runs a command with the slow link before its input and output.
func runSlowly(cmd *exec.Cmd) error {
	cmd.Stdin, cmd.Stdout = nil, nil
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		return err
	}
	go slowed(in, os.Stdin)
	slowed(os.Stdout, out)
	return cmd.Wait()
}

// zstdLevel is for both uses of zstd's own program.
const zstdLevel = "-12"

func (b *bench) tarball(one way, old, new string) (cost, error) {
	tars := []string{filepath.Join(b.folder, "old.tar"), filepath.Join(b.folder, "new.tar"), filepath.Join(b.folder, "out.zst")}
	for i, from := range []string{old, new} {
		if _, err := b.command(from, "tar", "--sort=name", "--owner=0", "--group=0", "-cf", tars[i], "."); err != nil {
			return cost{}, err
		}
	}
	start := time.Now()
	var err error
	switch one {
	case rsyncTar:
		return b.rsync(tars[0], tars[1], false, "-azI")
	case patchFrom:
		_, err = b.command("", "zstd", "-q", "-f", zstdLevel, "--long=30", "--patch-from="+tars[0], tars[1], "-o", tars[2])
	case fullTar:
		_, err = b.command("", "zstd", "-q", "-f", zstdLevel, tars[1], "-o", tars[2])
	}
	if err != nil {
		return cost{}, err
	}
	info, err := os.Stat(tars[2])
	if err != nil {
		return cost{}, err
	}
	return cost{bytes: info.Size(), time: time.Since(start)}, nil
}
