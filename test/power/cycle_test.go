//go:build linux

package power

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ota/test/harness"
)

// step is one upload of the cycle.
type step struct {
	name   string
	upload harness.Tree
	ends   ending
}

// ending is what becomes of an upload.
type ending string

// The endings.
const (
	confirmed  ending = "confirmed"   // its release is current, deposit/ is empty
	rolledBack ending = "rolled back" // the release below it is, its files are in deposit/ again
)

// before is what main/ holds at the first start.
var before = harness.Tree{
	"main.py":              text("main", "old"),
	"LICENSE":              text("license", "old"),
	"app/config.py":        text("config", "old"),
	"app/other.py":         text("other", "old"),
	"app/table.txt":        large("table", "old", 60_000),
	"app/views/index.html": text("index", "old"),
	"app/views/page.html":  text("page", "old"),
	"lib/one.py":           text("one", "old"),
	"lib/two.py":           text("two", "old"),
	"data.db":              text("data", "of the program"),
}

// cycle is what is uploaded, one after the other, while the writes are
// recorded. A further step goes here and nowhere else.
var cycle = []step{
	{"first", harness.Tree{
		"main.py":               text("main", "first"),
		"Makefile":              text("makefile", "first"),
		"app/config.py":         text("config", "first"),
		"app/table.txt":         large("table", "first", 400_000),
		"app/views/index.html":  text("index", "first"),
		"app/views/new.html":    text("new", "first"),
		"app/model.v1/a.bin":    large("a", "first", 9_000),
		"app/model.v1/b.bin":    large("b", "first", 5_000),
		"app/model.v1/c.bin":    large("c", "first", 4_096),
		"lib/one.py":            text("one", "first"),
		"lib/two.py":            text("two", "first"),
		"lib/three.py":          text("three", "first"),
		"lib/deep/er/four.py":   text("four", "first"),
		"lib/deep/er/five.py":   text("five", "first"),
		"lib/deep/six.py":       text("six", "first"),
		"static/style.css":      large("style", "first", 20_000),
		"static/script.js":      large("script", "first", 30_000),
		"static/img/logo.svg":   text("logo", "first"),
		"static/img/photo.jpeg": large("photo", "first", 100_000),
		"translations/de.json":  text("de", "first"),
	}, confirmed},
	{"second", harness.Tree{
		"main.py":              text("main", "second"),
		"app/config.py":        text("config", "second"),
		"app/table.txt":        large("table", "second", 300_000),
		"app/views/page.html":  text("page", "second"),
		"app/model.v1/b.bin":   large("b", "second", 7_000),
		"app/model.v2/b.bin":   large("b", "second", 8_000),
		"lib/deep/six.py":      text("six", "second"),
		"static/img/logo.svg":  text("logo", "second"),
		"translations/fr.json": text("fr", "second"),
	}, confirmed},
	{"bad", harness.Tree{
		"main.py":                 harness.File(bad + "of main\n"),
		"app/config.py":           text("config", "bad"),
		"app/table.txt":           large("table", "bad", 200_000),
		"app/views/page.html":     text("page", "bad"),
		"app/model.v2/b.bin":      large("b", "bad", 6_000),
		"app/model.v3/b.bin":      large("b", "third, bad", 11_000),
		"lib/seven.py":            text("seven", "bad"),
		"static/style.css":        large("style", "bad", 25_000),
		"tests/deep/er/test.py":   text("test", "bad"),
		"tests/deep/er/table.txt": large("table of tests", "bad", 50_000),
		"translations/es.json":    text("es", "bad"),
	}, rolledBack},
	{"corrected", harness.Tree{
		"main.py": text("main", "corrected"),
	}, confirmed},
}

// last is uploaded after each power cut, on top of all that the cycle brought:
// whatever the cut has left, the device takes the next update.
var last = func() step {
	upload := harness.Tree{"after.txt": text("after", "the power cut")}
	for _, step := range slices.Backward(cycle) {
		for path, entry := range step.upload {
			if _, newer := upload[path]; !newer {
				upload[path] = entry
			}
		}
	}
	return step{"last", upload, confirmed}
}()

func text(name, version string) harness.Entry {
	return harness.File(fmt.Sprintf("%s of %s\n", version, name))
}

// large is a file of lines in which no two blocks are equal.
func large(name, version string, size int) harness.Entry {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "line %d of %s, %s\n", i, name, version)
	}
	return harness.File(b.String()[:size-1] + "\n")
}

// known is a main/ that the program may find, by path the sums of its files.
type known struct {
	name string
	sums map[string]string
	ends ending
	over int // the release below it, in the list
}

// releases lists what may be in main/, in the order in which it comes there:
// what was there at first and then one for each step. What came back to deposit/
// belongs to the next.
var releases = func() []known {
	list := []known{{name: "old", sums: sums(before), ends: confirmed}}
	good, over, upload := before, 0, harness.Tree{}
	for _, step := range cycle {
		maps.Copy(upload, step.upload)
		tried := maps.Clone(good)
		maps.Copy(tried, upload)
		list = append(list, known{step.name, sums(tried), step.ends, over})
		if step.ends == confirmed {
			good, over, upload = tried, len(list)-1, harness.Tree{}
		}
	}
	return list
}()

// updated is main/ after the upload that follows a power cut.
var updated = func() known {
	tree := maps.Clone(before)
	maps.Copy(tree, last.upload)
	return known{name: last.name, sums: sums(tree), ends: confirmed}
}()

func sums(tree harness.Tree) map[string]string {
	of := map[string]string{}
	for path, entry := range tree {
		if entry.Mode.IsRegular() {
			sum := sha256.Sum256([]byte(entry.Content))
			of[path] = hex.EncodeToString(sum[:])
		}
	}
	return of
}

// difference says where what was found is not this release; "" if nowhere.
func (k known) difference(found map[string]string) string {
	var lines []string
	for _, path := range slices.Sorted(maps.Keys(k.sums)) {
		if found[path] != k.sums[path] {
			lines = append(lines, fmt.Sprintf("%s is %q, in %s it is %q", path, found[path], k.name, k.sums[path]))
		}
	}
	for path := range found {
		if _, wanted := k.sums[path]; !wanted {
			lines = append(lines, fmt.Sprintf("%s is not in %s", path, k.name))
		}
	}
	return strings.Join(lines, "\n")
}

// recognize finds the release that is in main/; -1 if it is none.
func recognize(found map[string]string) int {
	return slices.IndexFunc(releases, func(k known) bool { return maps.Equal(k.sums, found) })
}
