//go:build linux

package power

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ota/test/harness"
	"ota/test/power/writelog"
)

// fileSystem is one of those that the power is cut under.
type fileSystem struct {
	name    string
	kind    string // as mount(2) knows it
	megs    int64  // the smallest disk it is made on
	make    []string
	options string // of the mount
	again   string // further ones, for a copy of a disk that may be mounted too
}

var fileSystems = []fileSystem{
	{name: "ext4", kind: "ext4", megs: 64, make: []string{"mkfs.ext4", "-q", "-F"}},
	{name: "ext4-noauto_da_alloc", kind: "ext4", megs: 64, make: []string{"mkfs.ext4", "-q", "-F"}, options: "noauto_da_alloc"},
	{name: "xfs", kind: "xfs", megs: 300, make: []string{"mkfs.xfs", "-q", "-f"}, again: "nouuid"},
	{name: "btrfs", kind: "btrfs", megs: 128, make: []string{"mkfs.btrfs", "-q", "-f", "--mixed"}},
}

// oneCopyAtATime reports whether the kernel refuses to mount two copies of a
// disk at once (btrfs before Linux 6.7).
func (f fileSystem) oneCopyAtATime() bool {
	_, err := os.Stat("/sys/fs/btrfs/features/temp_fsid")
	return f.kind == "btrfs" && err != nil
}

// need ends the test, as harness.Need does, where something is missing.
func (f fileSystem) need(t *testing.T) {
	t.Helper()
	harness.NeedRoot(t)
	harness.Need(t, "qemu-storage-daemon", f.make[0])
	if missing != nil {
		harness.Lack(t, missing.Error())
	}
	for _, device := range []string{"/dev/loop-control", "/dev/fuse"} {
		if _, err := os.Stat(device); err != nil {
			harness.Lack(t, fmt.Sprintf("the machine has no %s: %v", device, err))
		}
	}
	dir := t.TempDir()
	if err := f.mount(f.newDisk(t, dir+".image"), dir, f.options); err != nil {
		harness.Lack(t, fmt.Sprintf("the kernel can't mount %s from a file: %v", f.name, err))
	}
	unmount(t, dir)
}

// newDisk makes a disk with an empty file system on it.
func (f fileSystem) newDisk(t *testing.T, image string) string {
	t.Helper()
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, f.megs<<20); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command(f.make[0], append(f.make[1:], image)...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", f.make[0], err, said)
	}
	return image
}

// mount mounts the disk at dir, through a loop device that goes when it is
// unmounted.
func (f fileSystem) mount(image, dir, options string) error {
	device, err := attach(image)
	if err != nil {
		return fmt.Errorf("cannot attach a loop device: %w", err)
	}
	defer device.Close()
	return unix.Mount(device.Name(), dir, f.kind, 0, options)
}

func attach(image string) (*os.File, error) {
	backing, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer backing.Close()
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	for {
		number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, err
		}
		device, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", number), os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		config := unix.LoopConfig{Fd: uint32(backing.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
		err = unix.IoctlLoopConfigure(int(device.Fd()), &config)
		if err == nil {
			return device, nil
		}
		device.Close()
		if !errors.Is(err, unix.EBUSY) { // another was faster
			return nil, err
		}
	}
}

// unmount unmounts dir. The kernel lets go of what a process had open a little
// after its end.
func unmount(t testing.TB, dir string) {
	t.Helper()
	deadline := time.Now().Add(harness.Deadline)
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for {
		err := unix.Unmount(dir, 0)
		if err == nil {
			return
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			t.Errorf("cannot unmount %s: %v", dir, errors.Join(err, unix.Unmount(dir, unix.MNT_DETACH)))
			return
		}
		<-again.C
	}
}

// recorder is a disk that writes down what is written to it.
type recorder struct {
	export string // the disk, as a file
	log    string
	daemon *exec.Cmd
	ended  chan struct{}
	said   bytes.Buffer
}

// record makes the file of a disk a recorder, until the test ends.
func record(t *testing.T, dir, image string) *recorder {
	t.Helper()
	r := &recorder{
		export: filepath.Join(dir, "export"),
		log:    filepath.Join(dir, "log"),
		ended:  make(chan struct{}),
	}
	for _, path := range []string{r.export, r.log} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.daemon = exec.Command("qemu-storage-daemon",
		"--blockdev", "driver=file,node-name=file,discard=unmap,filename="+image,
		"--blockdev", "driver=raw,node-name=disk,file=file",
		"--blockdev", "driver=file,node-name=log,filename="+r.log,
		"--blockdev", "driver=blklogwrites,node-name=logged,file=disk,log=log,log-sector-size=512",
		"--export", "type=fuse,id=export,node-name=logged,writable=on,mountpoint="+r.export)
	r.daemon.Stdout, r.daemon.Stderr = &r.said, &r.said
	if err := r.daemon.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		r.daemon.Wait()
		close(r.ended)
	}()
	t.Cleanup(r.stop)
	want, err := os.Stat(image)
	if err != nil {
		t.Fatal(err)
	}
	harness.Await(t, "the recording disk", func() bool {
		select {
		case <-r.ended:
			harness.Lack(t, "qemu-storage-daemon can't record a disk: "+r.said.String())
		default:
		}
		info, err := os.Stat(r.export)
		return err == nil && info.Size() == want.Size()
	}, r.said.String)
	return r
}

// size is that of the log so far.
func (r *recorder) size(t testing.TB) int64 {
	t.Helper()
	info, err := os.Stat(r.log)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// finish ends the recording and returns the log.
func (r *recorder) finish(t testing.TB) *writelog.Log {
	t.Helper()
	r.stop()
	data, err := os.ReadFile(r.log)
	if err != nil {
		t.Fatal(err)
	}
	log, err := writelog.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func (r *recorder) stop() {
	r.daemon.Process.Signal(syscall.SIGTERM)
	<-r.ended
}
