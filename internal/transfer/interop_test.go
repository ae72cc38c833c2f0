package transfer

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// TestFramesAreThoseOfZstd: what zstd --patch-from makes we read, and what we make
// zstd reads. So a frame can be looked into without ota.
func TestFramesAreThoseOfZstd(t *testing.T) {
	zstd, err := exec.LookPath("zstd")
	if err != nil {
		t.Skip("zstd is not here")
	}
	folder := t.TempDir()
	path := func(name string) string { return filepath.Join(folder, name) }
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(zstd, append([]string{"-q", "-f"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("zstd %v: %v: %s", args, err, out)
		}
	}
	for name, size := range map[string]int{"small": 900, "of some blocks": 700_000, "of a whole piece": maxPiece} {
		old := text(1, min(size*5/4, maxDictionary))
		next := []byte(edited(old[:size-100]))
		if err := os.WriteFile(path("old"), []byte(old), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path("ours"), compress(next, []byte(old)), 0o600); err != nil {
			t.Fatal(err)
		}
		run("-d", "--long=30", "--patch-from="+path("old"), path("ours"), "-o", path("made"))
		if made, err := os.ReadFile(path("made")); err != nil || !bytes.Equal(made, next) {
			t.Errorf("%s: zstd makes something else of our frame (%v)", name, err)
		}
		run("-9", "--long=24", "--patch-from="+path("old"), path("made"), "-o", path("theirs"))
		theirs, err := os.ReadFile(path("theirs"))
		if err != nil {
			t.Fatal(err)
		}
		made, err := (&unpacker{}).unpack(theirs, []byte(old), make([]byte, 0, maxPiece))
		if err != nil || !bytes.Equal(made, next) {
			t.Errorf("%s: we make something else of zstd's frame (%v)", name, err)
		}
	}
}

func TestTheSameMakesTheSame(t *testing.T) {
	base := program(t)
	target := base.with(map[string]string{"main.py": edited(text(1, 3000)), "program": builtFile(1, 2), "z.py": text(55, 9000)})
	var streams [][]byte
	for range 2 {
		e := &encoder{target: target}
		e.know(base)
		path := filepath.Join(t.TempDir(), "stream")
		if err := e.save(path); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, data)
	}
	if !slices.Equal(streams[0], streams[1]) {
		t.Error("the same trees made two streams")
	}
}
