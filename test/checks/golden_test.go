//go:build linux

package checks

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ota/test/harness"
)

var update = flag.Bool("update", false, "write what was said into the golden files")

// block is what is said with some versions of Python.
type block struct {
	pythons []string
	text    string
}

// heading is the line before a block: "== python 3.9 3.10".
const heading = "== python "

// readBlocks reads a golden file: its blocks are those of Pythons that say it
// in other words.
func readBlocks(t *testing.T, path string) (blocks []block) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil && !*update {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		if pythons, ok := strings.CutPrefix(line, heading); ok {
			blocks = append(blocks, block{pythons: strings.Fields(pythons)})
		} else {
			blocks[len(blocks)-1].text += line
		}
	}
	return blocks
}

// write notes what this Python says beside what others say.
func write(t *testing.T, path, text string) {
	t.Helper()
	minor := thePython().minor
	isNoted := false
	var kept []block
	for _, one := range readBlocks(t, path) {
		one.pythons = slices.DeleteFunc(one.pythons, func(of string) bool { return of == minor })
		if one.text == text && !isNoted {
			one.pythons, isNoted = append(one.pythons, minor), true
			slices.SortFunc(one.pythons, byVersion)
		}
		if len(one.pythons) > 0 {
			kept = append(kept, one)
		}
	}
	if !isNoted {
		kept = append(kept, block{[]string{minor}, text})
	}
	slices.SortFunc(kept, func(a, b block) int { return byVersion(a.pythons[0], b.pythons[0]) })
	var content strings.Builder
	for _, one := range kept {
		content.WriteString(heading + strings.Join(one.pythons, " ") + "\n" + one.text)
	}
	if err := os.WriteFile(path, []byte(content.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// byVersion puts 3.9 before 3.10.
func byVersion(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// checkGolden compares with the golden file. Where all Pythons that are known
// say the same, any other does so, too.
func checkGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name+".txt")
	if *update {
		write(t, path, got)
		return
	}
	blocks := readBlocks(t, path)
	for _, one := range blocks {
		if len(blocks) == 1 || slices.Contains(one.pythons, thePython().minor) {
			if diff := cmp.Diff(one.text, got); diff != "" {
				t.Errorf("%s (-want +got)\n%s", path, diff)
			}
			return
		}
	}
	t.Logf("%s does not know what Python %s says:\n%s", path, thePython().minor, got)
}

var (
	local   = regexp.MustCompile(`127\.0\.0\.1:\d{3,}`)
	library = regexp.MustCompile(`\(/[^ ()]*/(\w+\.py)\)`)
	gotSum  = regexp.MustCompile(`\bgot [0-9a-f]{64}`)
)

// plain is a text without what is different on each machine.
func plain(d *harness.Device, text string) string {
	text = strings.ReplaceAll(text, d.Dir, "DIR")
	text = local.ReplaceAllString(text, "INDEX")
	text = library.ReplaceAllString(text, "(LIBRARY/$1)")
	text = gotSum.ReplaceAllString(text, "got SUM")
	of := thePython()
	text = strings.ReplaceAll(text, of.version, "VERSION")
	text = strings.ReplaceAll(text, of.machine, "MACHINE")
	return text
}
