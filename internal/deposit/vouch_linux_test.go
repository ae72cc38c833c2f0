package deposit

import (
	"testing"

	"ota/internal/kit/beneath"
)

// TestVouch: it holds for the very file, until that is written again or taken.
func TestVouch(t *testing.T) {
	g := newGround(t)
	whole := func() map[string]bool {
		t.Helper()
		found := map[string]bool{}
		for _, file := range g.seal().Files {
			found[file.Path] = file.Whole
		}
		return found
	}
	g.write(map[string]string{"a": "one", "b": "two"})
	tree, err := beneath.Open(g.dir)
	g.must(err)
	defer tree.Close()
	info, err := tree.Lstat("a")
	g.must(err)
	g.room.Vouch("a", info)
	if found := whole(); !found["a"] || found["b"] {
		t.Errorf("whole are %v", found)
	}
	g.write(map[string]string{"a": "on"})
	if found := whole(); found["a"] {
		t.Error("it was written again, and counts as whole")
	}
	info, err = tree.Lstat("a")
	g.must(err)
	g.room.Vouch("a", info)
	g.must(g.room.Remove(g.seal()))
	if g.room.vouched.has("a", identify(info)) {
		t.Error("it is not forgotten when it is taken")
	}
}
