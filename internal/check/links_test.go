package check

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLinksThatLeaveOverThoseOfMain(t *testing.T) {
	main := t.TempDir()
	if err := os.MkdirAll(filepath.Join(main, "d/e"), 0o700); err != nil {
		t.Fatal(err)
	}
	for at, target := range map[string]string{"d/e/up": "../../a", "own": "/elsewhere", "replaced": "/elsewhere"} {
		if err := os.Symlink(target, filepath.Join(main, at)); err != nil {
			t.Skip("no symbolic links here:", err)
		}
	}
	doubts, err := Links(main, map[string]string{
		"replaced":   "",
		"a/good":     "../d/e/up/x",
		"d/e/good":   "up/../b",
		"d/e/out":    "up/../../secret",
		"over-own":   "own/secret",
		"over-new":   "replaced",
		"round":      "round",
		"to-missing": "missing/deep",
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, doubt := range doubts {
		got = append(got, doubt.Path)
	}
	if diff := cmp.Diff([]string{"d/e/out", "over-own"}, got); diff != "" {
		t.Error(diff)
	}
}
