package deposit

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
		want  escape
	}{
		{"beside", "a", map[string]string{"a": "b"}, stays},
		{"below", "a", map[string]string{"a": "x/y/z"}, stays},
		{"up and down", "x/a", map[string]string{"x/a": "../y/b"}, stays},
		{"the top itself", "x/a", map[string]string{"x/a": ".."}, stays},
		{"here", "a", map[string]string{"a": "."}, stays},
		{"dots in names", "a", map[string]string{"a": "..x/...//./b"}, stays},
		{"above the top", "a", map[string]string{"a": ".."}, leaves},
		{"above the top and back", "a", map[string]string{"a": "../main/b"}, leaves},
		{"far above", "x/y/a", map[string]string{"x/y/a": deep + "etc/passwd"}, leaves},
		{"in the middle", "x/a", map[string]string{"x/a": "y/../../../b"}, leaves},
		{"absolute", "a", map[string]string{"a": "/etc/passwd"}, leaves},
		{"absolute, through a folder", "x/a", map[string]string{"x/a": "//"}, leaves},
		{"up from where a link leads", "m", map[string]string{"m": "x/l/..", "x/l": ".."}, leaves},
		{"text leaves, the way does not", "m", map[string]string{"m": "l/../../b", "l": "x/y/z"}, leaves},
		{"down by a link and up", "m", map[string]string{"m": "l/../b", "l": "x/y"}, stays},
		{"to a link that leaves", "m", map[string]string{"m": "l", "l": "../x"}, leaves},
		{"to a link that is absolute", "m", map[string]string{"m": "l/x", "l": "/"}, leaves},
		{"chain", "a", map[string]string{"a": "b/..", "b": "c/d", "c/d": "../e/f"}, stays},
		{"chain that leaves", "a", map[string]string{"a": "s/t/../..", "s/t": ".."}, leaves},
		{"round in circles", "a", map[string]string{"a": "b", "b": "a"}, stays},
		{"circle in itself", "a", map[string]string{"a": "a/.."}, stays},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := follow(test.links, test.at); got != test.want {
				t.Errorf("follow(%v, %q) = %s, want %s", test.links, test.at, got, test.want)
			}
		})
	}
}

// What the kernel makes of two links is compared with what follow does: what
// follow lets stay must not lead to the file outside.
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
			if err == nil && follow(links, at) == stays && real != top && !strings.HasPrefix(real, top+"/") {
				t.Errorf("%v: %q leads to %s", links, at, real)
			}
		}
	})
}
