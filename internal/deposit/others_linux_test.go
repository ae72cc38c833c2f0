package deposit

import (
	"io/fs"
	"os"
	"testing"
)

// TestOthers: what counts is what somebody else has put there, or is about to.
func TestOthers(t *testing.T) {
	g := newGround(t, func(o *Options) {})
	has := func(want bool, mine ...string) {
		t.Helper()
		got, err := g.room.Others(func(path string, _ fs.FileInfo) bool { return len(mine) > 0 && path == mine[0] })
		if err != nil || got != want {
			t.Errorf("%v, %v; want %v", got, err, want)
		}
	}
	g.must(os.RemoveAll(g.dir))
	has(false)
	g.must(os.MkdirAll(g.dir+"/empty", 0o755))
	has(false)
	g.write(map[string]string{"latest.ota": "mine"})
	has(true)
	has(false, "latest.ota")
	g.write(map[string]string{".hold": ""})
	has(true, "latest.ota")
	g.must(os.Remove(g.dir + "/.hold"))
	g.write(map[string]string{"main.py.filepart": "half"})
	has(true, "latest.ota")
}
