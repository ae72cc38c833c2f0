package drop

import (
	"path"
	"path/filepath"
	"strings"
	"testing"
)

func TestPaths(t *testing.T) {
	for _, good := range []string{"a", "a/b", ".env", ".streamlit/config.toml", "a/.hold", "C:/x", "ä/ö", "a b", "...", "a..b", "-", strings.Repeat("n", 255)} {
		if err := checkPath(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a/..", ".hold", ".hold/a", "a\\b", "a\x00b",
		"a\nb", "a\x7f", "a\u0085b", "\xff", strings.Repeat("n", 256), strings.Repeat("a/", 64) + "a", strings.Repeat("abc/", 1024) + "a",
	} {
		if err := checkPath(bad); !isRefused(err) {
			t.Errorf("%q is taken: %v", bad, err)
		}
	}
}

func FuzzPaths(f *testing.F) {
	for _, seed := range []string{"a/b", "../a", "a//b", ".hold", "a\\..\\b", "C:\\x", "a/\u202e/b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, at string) {
		if checkPath(at) != nil {
			return
		}
		if path.Clean(at) != at || path.IsAbs(at) || !filepath.IsLocal(at) || strings.ContainsAny(at, "\x00\\") {
			t.Errorf("%q leads elsewhere", at)
		}
	})
}
