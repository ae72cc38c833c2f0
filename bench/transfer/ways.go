//go:build linux

package main

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
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

// laid is a pair of releases that lie in folders.
type laid struct {
	old, new     string
	base, target *transfer.Folder
}

// open lays out a pair. Who opens it closes it.
func (b *bench) open(p pair) (*laid, error) {
	old, new, err := b.lay(p)
	if err != nil {
		return nil, err
	}
	base, err := transfer.OpenFolder(old)
	if err != nil {
		return nil, err
	}
	target, err := transfer.OpenFolder(new)
	if err != nil {
		base.Close()
		return nil, err
	}
	return &laid{old, new, base, target}, nil
}

func (l *laid) close() {
	l.base.Close()
	l.target.Close()
}

// compare brings one release to a device in each way. Nil: the two releases are
// the same.
func (b *bench) compare(p pair, ways []way) (map[way]cost, error) {
	laid, err := b.open(p)
	if err != nil {
		return nil, err
	}
	defer laid.close()
	if laid.base.Listing().Digest() == laid.target.Listing().Digest() {
		return nil, nil
	}
	costs := map[way]cost{}
	for _, one := range ways {
		runs := make([]cost, runsOf[p.kind])
		for i := range runs {
			if runs[i], err = b.bring(laid, one); err != nil {
				return nil, fmt.Errorf("%s: %w", one, err)
			}
		}
		costs[one] = medians(runs)
	}
	return costs, nil
}

// runsOf is how often a pair is brought in each way: small ones take as long as
// processes take to start, which is not the same each time; there are few binaries;
// and of minor releases one takes minutes.
var runsOf = map[kind]int{commit: 3, patch: 3, minor: 1, binary: 5}

// medians are the medians of each figure by itself, but for the most of memory.
func medians(runs []cost) cost {
	median := func(of func(cost) int64) int64 {
		var all []int64
		for _, run := range runs {
			all = append(all, of(run))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	most := slices.MaxFunc(runs, func(a, b cost) int { return cmp.Compare(a.memory, b.memory) })
	return cost{
		bytes:  median(func(c cost) int64 { return c.bytes }),
		time:   time.Duration(median(func(c cost) int64 { return int64(c.time) })),
		cpu:    time.Duration(median(func(c cost) int64 { return int64(c.cpu) })),
		memory: most.memory,
	}
}

func (b *bench) bring(laid *laid, one way) (cost, error) {
	switch one {
	case ours, oursUnknown:
		return b.ours(laid, one == ours)
	case rsync:
		return b.rsync(laid.old, laid.new, "-az", "--delete")
	case rsyncSums:
		return b.rsync(laid.old, laid.new, "-azc", "--delete")
	}
	return b.tarball(one, laid.old, laid.new)
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

// device is a process that receives, and its own folder.
type device struct{ old, work string }

func (d device) path(name string) string { return filepath.Join(d.work, name) }
func (d device) remove()                 { os.RemoveAll(d.work) }

// command is what the bench is started with to be the device.
func (d device) command() []string {
	return []string{"receive", d.old, d.path("listing.json"), d.path("device"), d.path("result.json")}
}

// newDevice is a device with the old release of a pair, whose listing it knows.
func (b *bench) newDevice(laid *laid) (device, error) {
	work, err := os.MkdirTemp(b.folder, "work-")
	d := device{laid.old, work}
	if err != nil {
		return d, err
	}
	return d, writeJSON(d.path("listing.json"), asStored(laid.base.Listing()))
}

// result is what the process said at its end, if it has the right tree then.
func (d device) result(target *transfer.Folder) (result deviceResult, err error) {
	if err := readJSON(d.path("result.json"), &result); err != nil {
		return result, err
	}
	if want := target.Listing().Digest(); result.Digest != fmt.Sprintf("%x", want) {
		return result, errors.New("the device has another tree")
	}
	return result, nil
}

// ours sends to a process of its own that is the device.
func (b *bench) ours(laid *laid, known bool) (cost, error) {
	device, err := b.newDevice(laid)
	if err != nil {
		return cost{}, err
	}
	defer device.remove()
	process := exec.CommandContext(b.ctx, "/proc/self/exe", device.command()...)
	process.Stderr = os.Stderr
	in, err1 := process.StdinPipe()
	out, err2 := process.StdoutPipe()
	if err := errors.Join(err1, err2, process.Start()); err != nil {
		return cost{}, err
	}
	conn := &counted{Reader: out, Writer: in}
	start := time.Now()
	err = sender(laid.base, laid.target, device.path("sender"), known).Send(conn)
	took := time.Since(start)
	in.Close()
	if err := errors.Join(err, process.Wait()); err != nil {
		return cost{}, err
	}
	result, err := device.result(laid.target)
	if err != nil {
		return cost{}, err
	}
	state := process.ProcessState
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
	var entries []stored
	if err := readJSON(listing, &entries); err != nil {
		return listed{}, err
	}
	l := listed{root, make(transfer.Listing, len(entries))}
	for i, one := range entries {
		l.listing[i] = one.Entry
		if _, err := hex.Decode(l.listing[i].Sum[:], []byte(one.Sum)); err != nil {
			return listed{}, err
		}
	}
	return l, nil
}

// stored is an entry with its sum in hexadecimal, as the store of a device has it:
// an array of numbers takes the device three times as long to read.
type stored struct {
	transfer.Entry
	Sum string
}

func asStored(listing transfer.Listing) []stored {
	entries := make([]stored, len(listing))
	for i, entry := range listing {
		entries[i] = stored{entry, hex.EncodeToString(entry.Sum[:])}
	}
	return entries
}

func (l listed) Listing() transfer.Listing               { return l.listing }
func (l listed) Open(path string) (transfer.File, error) { return l.root.Open(path) }

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
func (b *bench) rsync(old, new string, options ...string) (cost, error) {
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
	out, err := b.command("", "rsync", args...)
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
	return c, errors.Join(sameTree(new, device), readJSON(usage, &c.cpu))
}

// sameTree says whether rsync did what it was to do: with equal times it may not.
func sameTree(want, got string) error {
	out, err := exec.Command("diff", "-rq", "--no-dereference", want, got).CombinedOutput()
	if err != nil {
		return fmt.Errorf("rsync made something else: %w: %s", err, out)
	}
	return nil
}

// shellForRsync is what rsync takes for ssh: where to write the processor's time,
// the host, and the command.
func shellForRsync(args []string) error {
	cmd := exec.Command(args[2], args[3:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return err
	}
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &used); err != nil {
		return err
	}
	return writeJSON(args[0], time.Duration(used.Utime.Nano()+used.Stime.Nano()))
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
		return b.rsync(tars[0], tars[1], "-azI")
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
