//go:build linux && amd64

package cycle

import (
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"ota/test/cycle/sight"
	"ota/test/harness"
)

var (
	// Past is when every file of the cycle was last changed.
	Past    = time.Date(2021, 3, 4, 5, 6, 7, 123456789, time.UTC)
	stale   = "app/__pycache__/config.cpython-311.pyc"
	content = strings.Repeat("a line of the upload\n", 5000)
)

// What is in main/ at first, and what is laid over it then.
var (
	old = harness.Tree{
		"main.py":                               dated("old\n", 0o644),
		"app/config.py":                         dated("old\n", 0o644),
		"app/other.py":                          dated("old\n", 0o644),
		"app/run.sh":                            dated("exit\n", 0o644),
		"app/table.txt":                         dated("old\n", 0o644),
		"app/__pycache__/other.cpython-311.pyc": dated("old\n", 0o644),
		"data.db":                               dated("the program's own\n", 0o600),
		stale:                                   dated("old\n", 0o644),
	}.Over(nil)
	good = harness.Tree{
		"main.py":           dated("good\n", 0o644),
		"app/config.py":     dated("good\n", 0o644),
		"app/run.sh":        dated("exit\n", 0o755),
		"app/table.txt":     dated(content, 0o644),
		"new/deep/part.txt": dated("good\n", 0o600),
		"current":           harness.Link("new/deep"),
		"empty":             harness.Folder(),
	}
	// The program of this one ends with exit code 1 at once.
	bad = harness.Tree{
		"main.py":            dated("bad\n", 0o644),
		"app/config.py":      dated("bad\n", 0o644),
		"new/deep/part.txt":  dated("bad\n", 0o644),
		"current":            harness.Link("extra"),
		"extra/deep/one.txt": dated("bad\n", 0o644),
		"extra/two.txt":      dated("bad, too\n", 0o644),
	}
	mended = harness.Tree{
		"main.py": dated("mended\n", 0o644),
	}
)

func dated(content string, mode os.FileMode) harness.Entry {
	return harness.Entry{Mode: mode, Content: content, ModTime: Past}
}

// known is a main/ in which the program may be started.
type known struct {
	tree harness.Tree
	seen string // what the program writes down then
}

// releases lists all of these: what was there at first and then one for each
// upload. The bytecode of what was there at first is made from the file beside
// it, so that it may be missing, but not be there beside another version.
var releases = func() []known {
	uncompiled := maps.Clone(old)
	delete(uncompiled, stale)
	list := []known{{tree: old}, {tree: uncompiled}}
	tree := uncompiled
	for _, step := range Steps {
		if step.upload != nil {
			tree = step.upload.Over(tree)
			list = append(list, known{tree: tree})
		}
	}
	for i := range list {
		list[i].seen = sightOf(list[i].tree)
	}
	return list
}()

// sightOf is what the program writes down when it is started in a tree.
func sightOf(tree harness.Tree) string {
	var words []string
	for path, entry := range tree {
		words = append(words, sight.Word(path, entry.Mode, entry.Content))
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

// nearest says by what a mixture differs from the release that it is most like.
func nearest(seen string) string {
	words := strings.Fields(seen)
	best := words
	for _, one := range releases {
		there := strings.Fields(one.seen)
		differs := slices.DeleteFunc(slices.Concat(words, there), func(word string) bool {
			return slices.Contains(words, word) && slices.Contains(there, word)
		})
		if len(differs) < len(best) {
			best = differs
		}
	}
	return strings.Join(best, " ")
}
