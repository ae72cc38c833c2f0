package mounts

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestOfFindsTheMountInTheTable(t *testing.T) {
	folder, err := os.Open("/proc")
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	id, err := Of(folder)
	if err != nil {
		t.Fatal(err)
	}
	table, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(table, func(m Mount) bool { return m.ID == id })
	if at < 0 || table[at].Type != "proc" {
		t.Errorf("mount %d of /proc is not of type proc in %v", id, table)
	}
}

// The test runs itself in a mount namespace of its own, where it may mount.
func TestWaitReturnsAfterAMount(t *testing.T) {
	if os.Getenv("OTA_TEST_MOUNTS") == "" {
		inOwnNamespace(t)
		return
	}
	watcher, err := Watch()
	if err != nil {
		t.Fatal(err)
	}
	returned := make(chan error)
	go func() {
		for {
			err := watcher.Wait()
			returned <- err
			if err != nil {
				return
			}
		}
	}()
	dir := t.TempDir()
	for _, act := range []func() error{
		func() error { return unix.Mount("none", dir, "tmpfs", 0, "") },
		func() error { return unix.Unmount(dir, 0) },
		watcher.Close,
	} {
		select {
		case err := <-returned:
			t.Fatalf("Wait returned %v although nothing had happened", err)
		default:
		}
		if err := act(); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-returned:
			if err != nil && !errors.Is(err, os.ErrClosed) {
				t.Fatal(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("Wait did not return")
		}
	}
}

func inOwnNamespace(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root may mount")
	}
	test := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	test.Env = append(os.Environ(), "OTA_TEST_MOUNTS=1")
	test.SysProcAttr = &unix.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	if output, err := test.CombinedOutput(); errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOEXEC) {
		t.Skip("a mount namespace of our own is not allowed here")
	} else if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
}
