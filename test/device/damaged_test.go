//go:build linux

package device

import (
	"os"
	"path/filepath"
	"testing"

	"ota/test/harness"
)

// TestUploadOverWhatCannotBeRead: a card that has lost the record of the current
// release, or what that consists of, must not refuse uploads for good.
func TestUploadOverWhatCannotBeRead(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, own string){
		"record": func(t *testing.T, own string) { spoil(t, filepath.Join(own, "releases", "1.json")) },
		"everything": func(t *testing.T, own string) {
			err := filepath.WalkDir(filepath.Join(own, "store"), func(path string, entry os.DirEntry, err error) error {
				if err == nil && !entry.IsDir() {
					spoil(t, path)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := harness.Tree{"main.py": harness.File("import time\ntime.sleep(1000)\n"), "lib/part.py": harness.File("1\n")}
			d := harness.NewDevice(t, t.TempDir(), before, "[update]\nquiet = \"10ms\"\n")
			d.Start()
			d.Await("the adoption", func(s harness.Status) bool { return s.Release.Number == 1 && s.Program.State == "running" })
			damage(t, filepath.Join(d.Dir, ".ota"))
			harness.Tree{"lib/part.py": harness.File("2\n")}.Write(t, d.Deposit())
			d.Await("the upload over it", func(s harness.Status) bool {
				return s.Deposit.State == "empty" && s.Release.Number > 1 && s.Program.State == "running"
			})
			main, err := harness.Read(d.Main())
			if diff := harness.Diff(harness.Tree{"lib/part.py": harness.File("2\n")}.Over(before), main.WithoutBytecode()); diff != "" || err != nil {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

func spoil(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("spoilt"), 0o600); err != nil {
		t.Error(err)
	}
}

// TestBadReleaseThatDeletes: what the last good release needs is there again
// when that starts, also if the bad one has removed what both have in common.
func TestBadReleaseThatDeletes(t *testing.T) {
	t.Parallel()
	before := harness.Tree{
		"main.py":     harness.File("import time, lib.part\ntime.sleep(1000)\n"),
		"lib/part.py": harness.File("1\n"), "lib/other.py": harness.File("1\n"),
	}
	d := harness.NewDevice(t, t.TempDir(), harness.Tree{"old.txt": harness.File("")}, "[update]\nquiet = \"10ms\"\n[trial]\nperiod = \"5s\"\nattempts = 1\n")
	d.Start()
	before.Write(t, d.Deposit())
	d.Await("a good release", func(s harness.Status) bool { return s.Release.Number == 2 && s.Release.State == "confirmed" })
	bad := "import shutil, sys\nshutil.rmtree('lib')\nsys.exit(1)\n"
	harness.Tree{"main.py": harness.File(bad)}.Write(t, d.Deposit())
	d.Await("its return", func(s harness.Status) bool {
		return s.Release.Number == 2 && s.Release.State == "confirmed" && s.Deposit.State == "held" && s.Program.State == "running"
	})
	for path, entry := range before {
		if found, err := os.ReadFile(filepath.Join(d.Main(), path)); string(found) != entry.Content {
			t.Errorf("%s: %q, %v", path, found, err)
		}
	}
}
