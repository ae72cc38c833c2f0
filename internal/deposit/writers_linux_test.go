package deposit

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"ota/internal/kit/beneath"
)

// Where the kernel gives no lease, the processes' open files tell.
func TestOpenForWriting(t *testing.T) {
	g := newGround(t)
	g.write(map[string]string{"read": "", "appended to": "", "closed": ""})
	reader, err := os.Open(g.at("read"))
	g.must(err)
	defer reader.Close()
	writer, err := os.OpenFile(g.at("appended to"), os.O_WRONLY|os.O_APPEND, 0)
	g.must(err)
	defer writer.Close()
	asked := map[inode]string{}
	for _, one := range g.snapshot().tree.items {
		asked[inode{one.id.dev, one.id.ino}] = one.path
	}
	paths, everywhere := openForWriting(asked)
	if len(paths) != 1 || paths[0] != "appended to" {
		t.Errorf("open for writing: %q", paths)
	}
	if os.Getuid() != 0 && everywhere {
		t.Error("another user's processes can't have been looked at")
	}
}

// A file server holds a lease for a client that writes into its own memory.
func TestALeaseIsAWriter(t *testing.T) {
	g := newGround(t)
	g.write(map[string]string{"a": ""})
	file, err := os.OpenFile(g.at("a"), os.O_RDWR, 0)
	g.must(err)
	defer file.Close()
	if _, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		t.Skip(err)
	}
	top, err := beneath.Open(g.dir)
	g.must(err)
	defer top.Close()
	if got := useOf(top, "a"); got != inUse {
		t.Errorf("useOf = %s, want %s", got, inUse)
	}
}
