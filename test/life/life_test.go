//go:build linux

// Package life looks at a device over a long time, with the real binary: many
// updates in a row, good ones and bad ones, the history of a whole project, forth
// and back, and ways between releases in any order.
//
// In: uploads, one after the other. Out: whether the right release ran after
// each of them, whether main/ and deposit/ held what they should, and what all
// of it left behind. Never: anything inside ota.
//
// A long run is asked for by flags:
//
//	go test ./test/life -run Updates -life.updates 10000 -timeout 0 -v
//	OTA_TEST_HISTORY=~/flask go test ./test/life -run History -life.commits 100 -v
package life

import (
	"flag"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"ota/test/harness"
)

var (
	updates = flag.Int("life.updates", 150, "how many updates there are in a row")
	commits = flag.Int("life.commits", 30, "how many commits of the history are replayed, and how many steps are walked")
)

func TestMain(m *testing.M) {
	os.Unsetenv("PYTHONDONTWRITEBYTECODE") // as on a device
	syscall.Umask(0o022)                   // of what is compared with what git checks out
	harness.Main(m)
}

// upload puts a tree into deposit/ as one upload, over what is there.
func upload(t *testing.T, d *harness.Device, tree harness.Tree) {
	t.Helper()
	hold := filepath.Join(d.Deposit(), ".hold")
	harness.Tree{".hold": harness.File("")}.Write(t, d.Deposit())
	for path, entry := range tree {
		if !entry.Mode.IsDir() {
			os.Remove(filepath.Join(d.Deposit(), path)) // a link is not written over
		}
	}
	tree.Write(t, d.Deposit())
	if err := os.Remove(hold); err != nil {
		t.Fatal(err)
	}
}

// checkTree fails the test if a folder holds anything else than it should.
func checkTree(t *testing.T, dir string, want harness.Tree) {
	t.Helper()
	got, err := harness.Read(dir)
	if err != nil {
		t.Error(err)
	}
	if diff := harness.Diff(want, got); diff != "" {
		t.Errorf("%s:\n%s", filepath.Base(dir), diff)
	}
}
