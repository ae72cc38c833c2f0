package links

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFollow(t *testing.T) {
	deep := strings.Repeat("../", 3)
	for _, test := range []struct {
		name  string
		at    string
		links map[string]string
		want  Way
	}{
		{"beside", "a", map[string]string{"a": "b"}, Stays},
		{"below", "a", map[string]string{"a": "x/y/z"}, Stays},
		{"up and down", "x/a", map[string]string{"x/a": "../y/b"}, Stays},
		{"the top itself", "x/a", map[string]string{"x/a": ".."}, Stays},
		{"here", "a", map[string]string{"a": "."}, Stays},
		{"dots in names", "a", map[string]string{"a": "..x/...//./b"}, Stays},
		{"above the top", "a", map[string]string{"a": ".."}, Leaves},
		{"above the top and back", "a", map[string]string{"a": "../main/b"}, Leaves},
		{"far above", "x/y/a", map[string]string{"x/y/a": deep + "etc/passwd"}, Leaves},
		{"in the middle", "x/a", map[string]string{"x/a": "y/../../../b"}, Leaves},
		{"absolute", "a", map[string]string{"a": "/etc/passwd"}, Leaves},
		{"absolute, through a folder", "x/a", map[string]string{"x/a": "//"}, Leaves},
		{"up from where a link leads", "m", map[string]string{"m": "x/l/..", "x/l": ".."}, Leaves},
		{"text leaves, the way does not", "m", map[string]string{"m": "l/../../b", "l": "x/y/z"}, Leaves},
		{"down by a link and up", "m", map[string]string{"m": "l/../b", "l": "x/y"}, Stays},
		{"to a link that leaves", "m", map[string]string{"m": "l", "l": "../x"}, Leaves},
		{"to a link that is absolute", "m", map[string]string{"m": "l/x", "l": "/"}, Leaves},
		{"chain", "a", map[string]string{"a": "b/..", "b": "c/d", "c/d": "../e/f"}, Stays},
		{"chain that leaves", "a", map[string]string{"a": "s/t/../..", "s/t": ".."}, Leaves},
		{"round in circles", "a", map[string]string{"a": "b", "b": "a"}, Stays},
		{"circle in itself", "a", map[string]string{"a": "a/.."}, Stays},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Follow(test.at, in(test.links)); got != test.want {
				t.Errorf("Follow(%q) in %v = %s, want %s", test.at, test.links, got, test.want)
			}
		})
	}
}

func in(links map[string]string) func(at string) (string, bool) {
	return func(at string) (string, bool) {
		target, isLink := links[at]
		return target, isLink
	}
}

// What the kernel makes of two links is compared with what Follow does: what
// Follow lets stay must not lead to the file outside.
func FuzzFollow(f *testing.F) {
	f.Add("x/l", "..", "m", "x/l/../outside")
	f.Add("l", "x", "x/m", "../l/../../outside")
	outer := f.TempDir()
	f.Fuzz(func(t *testing.T, at1, target1, at2, target2 string) {
		links := map[string]string{at1: target1, at2: target2}
		for at, target := range links {
			if !filepath.IsLocal(at) || filepath.Clean(at) != at || at == "." || strings.ContainsAny(at+target, "\x00") || target == "" {
				t.Skip()
			}
		}
		dir, err := os.MkdirTemp(outer, "")
		if err != nil {
			t.Fatal(err)
		}
		top := filepath.Join(dir, "deposit")
		for at, target := range links {
			if os.MkdirAll(filepath.Dir(filepath.Join(top, at)), 0o700) != nil || os.Symlink(target, filepath.Join(top, at)) != nil {
				t.Skip()
			}
		}
		for at := range links {
			real, err := filepath.EvalSymlinks(filepath.Join(top, at))
			if err == nil && Follow(at, in(links)) == Stays && real != top && !strings.HasPrefix(real, top+"/") {
				t.Errorf("%v: %q leads to %s", links, at, real)
			}
		}
	})
}
