package agent

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

func TestHolderLooksAndDoesNotTake(t *testing.T) {
	place := folder{t.TempDir()}
	if _, err := place.make(); err != nil {
		t.Fatal(err)
	}
	if pid, held := place.holder(); held {
		t.Errorf("nobody has the lock, not %d", pid)
	}
	lock, err := place.lock()
	if err != nil {
		t.Fatal(err)
	}
	if pid, held := place.holder(); !held || pid != os.Getpid() {
		t.Errorf("holder is %d, %t", pid, held)
	}
	_, err = place.lock()
	var locked *Locked
	if !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Errorf("a second lock: %v", err)
	}
	lock.Close()
	if _, held := place.holder(); held {
		t.Error("the lock outlives its holder")
	}
}

// TestLockOfWhoHasEnded: a child that a killed ota was starting may have its
// lock for a moment.
func TestLockOfWhoHasEnded(t *testing.T) {
	place := folder{t.TempDir()}
	if _, err := place.make(); err != nil {
		t.Fatal(err)
	}
	left, err := place.lock()
	if err != nil {
		t.Fatal(err)
	}
	var locked *Locked
	if _, err := place.lockSoon(t.Context()); !errors.As(err, &locked) {
		t.Errorf("the lock of one who lives: %v", err)
	}
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(place.lockFile(), fmt.Appendln(nil, gone.Process.Pid), 0o600); err != nil {
		t.Fatal(err)
	}
	taken := make(chan error)
	go func() {
		lock, err := place.lockSoon(t.Context())
		if err == nil {
			lock.Close()
		}
		taken <- err
	}()
	left.Close()
	if err := <-taken; err != nil {
		t.Error(err)
	}
}

func TestHasLock(t *testing.T) {
	const locks = `1: POSIX  ADVISORY  WRITE 812 fe:00:77 0 EOF
2: FLOCK  ADVISORY  WRITE 4711 fe:00:2369 0 EOF
2: -> FLOCK  ADVISORY  WRITE 4712 fe:00:99 0 EOF
garbage
`
	for inode, want := range map[uint64]bool{2369: true, 77: false, 99: false, 69: false, 9: false} {
		if got := hasLock(locks, inode); got != want {
			t.Errorf("inode %d: %t", inode, got)
		}
	}
}

// TestLockWithoutItsFile: a disk on which the file can't be made keeps nobody
// from running, and still only one.
func TestLockWithoutItsFile(t *testing.T) {
	place := folder{t.TempDir()}
	if lock, err := place.lock(); lock != nil || err != nil {
		t.Errorf("without .ota: %v, %v", lock, err)
	}
	if _, err := place.make(); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("missing/lock", place.lockFile()); err != nil { // it can't be made behind that
		t.Fatal(err)
	}
	lock, err := place.lock()
	if err != nil || lock == nil {
		t.Fatal(lock, err)
	}
	defer lock.Close()
	var locked *Locked
	if _, err := place.lock(); !errors.As(err, &locked) {
		t.Errorf("a second lock: %v", err)
	}
}
