package drop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ota/internal/deposit"
)

// mount puts a file system of so many bytes at a folder. Only root may.
func mount(t *testing.T, at string, bytes int) {
	t.Helper()
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", at, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Skip("nothing can be mounted here:", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

func TestAFullDiskKeepsWhatIsThere(t *testing.T) {
	g := newGround(t)
	mount(t, filepath.Join(g.top, ".ota"), 1<<20)
	const size = 2 << 20
	id := g.arrive("", "a", size)
	at, err := g.Append(t.Context(), id, 0, strings.NewReader(strings.Repeat("x", size)))
	if !errors.Is(err, unix.ENOSPC) || at <= 0 || at >= 1<<20 {
		t.Fatalf("%d, %v", at, err)
	}
	g.again()
	if again := g.offset(id); again != at {
		t.Errorf("%d bytes, then %d", at, again)
	}
	g.must(unix.Mount("tmpfs", filepath.Join(g.top, ".ota"), "", unix.MS_REMOUNT, "size=8388608"))
	g.append(id, at, strings.Repeat("x", size-int(at)))
	if info, err := os.Stat(g.deposit("a")); err != nil || info.Size() != size {
		t.Errorf("%v, %v", info, err)
	}
}

// TestNoNamesLeft: room for bytes is none where no file can be made.
func TestNoNamesLeft(t *testing.T) {
	g := newGround(t)
	g.free = freeSpace
	at := filepath.Join(g.top, ".ota")
	mount(t, at, 100<<20)
	g.must(unix.Mount("tmpfs", at, "", unix.MS_REMOUNT, fmt.Sprintf("nr_inodes=%d", reservedNames/2)))
	if _, err := g.NewArrival("", "a", 1); !isNoSpace(err) {
		t.Errorf("%v", err)
	}
	g.must(unix.Mount("tmpfs", at, "", unix.MS_REMOUNT, fmt.Sprintf("nr_inodes=%d", 2*reservedNames)))
	g.must(g.CancelArrival(g.arrive("", "a", 1)))
}

func TestDepositOnAnotherDisk(t *testing.T) {
	g := newGround(t)
	mount(t, g.deposit(""), 1<<20)
	mount(t, g.deposit("data"), 64<<10)
	id := g.newDrop(3, 0)
	g.send(id, "a", "1")
	g.send(id, "b.sh", "#!/bin/sh\n")
	g.send(id, "data/c", strings.Repeat("x", 60<<10))
	g.must(os.WriteFile(g.deposit("data/.~ota~c"), nil, 0o600)) // left by a killed ota
	g.must(os.WriteFile(g.deposit("data/full"), make([]byte, 32<<10), 0o600))
	if _, err := g.CompleteDrop(id); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("%v", err)
	}
	if there := g.there(); there[".hold"] == "" || there["data/c"] != "" {
		t.Errorf("%v", there)
	}
	g.must(os.Remove(g.deposit("data/full")))
	g.again()
	g.resumed()
	g.wantThere(map[string]string{"a": "1", "b.sh": "#!/bin/sh\n", "data/c": strings.Repeat("x", 60<<10)})
	g.wantNothingLeft()
	if info, err := os.Stat(g.deposit("b.sh")); err != nil || info.Mode() != 0o755 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestFilesBelongToTheOwnerOfDeposit(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root gives files away")
	}
	g := newGround(t)
	g.must(os.Mkdir(g.deposit(""), 0o755))
	g.must(os.Chown(g.deposit(""), 65534, 65534))
	id := g.newDrop(2, 0)
	g.send(id, "a", "1")
	g.send(id, "b/c/d", "2")
	g.step = func(step string) error {
		if step == "complete" {
			wantOwner(t, g.deposit(".hold"))
		}
		return nil
	}
	if _, err := g.CompleteDrop(id); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"a", "b", "b/c", "b/c/d"} {
		wantOwner(t, g.deposit(path))
	}
}

func wantOwner(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Error(err)
	} else if uid := info.Sys().(*syscall.Stat_t).Uid; uid != 65534 {
		t.Errorf("%s belongs to %d", path, uid)
	}
}

// TestDepositTakesADropAtOnce: without its quiet period.
func TestDepositTakesADropAtOnce(t *testing.T) {
	g := newGround(t)
	room := deposit.New(deposit.Options{
		Dir:      g.deposit(""),
		Incoming: filepath.Join(g.top, ".ota", "incoming"),
		Quiet:    func() time.Duration { return time.Hour },
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- room.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	patience := time.After(20 * time.Second)
	next := func() deposit.View {
		select {
		case view := <-room.Views():
			return view
		case <-patience:
			t.Fatal("waited in vain")
			panic("unreachable")
		}
	}
	room.Look()
	next()
	id := g.newDrop(20, 0)
	for i := range 20 {
		g.send(id, fmt.Sprintf("d%d/f", i), "x")
	}
	if _, err := g.CompleteDrop(id); err != nil {
		t.Fatal(err)
	}
	for view := next(); view.State != deposit.Complete; view = next() {
	}
	if there := g.there(); len(there) != 20 {
		t.Errorf("%v", there)
	}
}
