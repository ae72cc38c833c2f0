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
			if diff := harness.Diff(harness.Tree{"lib/part.py": harness.File("2\n")}.Over(before), main); diff != "" || err != nil {
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
