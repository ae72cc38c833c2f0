//go:build linux

package serving

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ota/test/harness"
)

// example is a program of docs/serving.md: its files below main/, as the page
// prints them.
type example map[string]string

// examples returns the programs of the page by their headings.
func examples(t testing.TB) map[string]example {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "serving.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]example{}
	var heading, file string
	for line := range strings.Lines(string(page)) {
		text, isHeading := strings.CutPrefix(line, "### ")
		code, isCode := strings.CutPrefix(line, "    ")
		switch {
		case isHeading:
			heading, file = strings.TrimSpace(text), ""
		case strings.HasPrefix(line, "`") && strings.HasSuffix(line, "`:\n"):
			file = strings.TrimPrefix(strings.Trim(line, "`:\n"), "main/")
			if found[heading] == nil {
				found[heading] = example{}
			}
		case file != "" && isCode:
			found[heading][file] += code
		case file != "" && line == "\n":
			found[heading][file] += line
		default:
			file = ""
		}
	}
	return found
}

// tree is the example as a tree, with other words in place of some.
func (e example) tree(replace ...string) harness.Tree {
	tree := harness.Tree{}
	for path, content := range e {
		tree[path] = harness.File(strings.NewReplacer(replace...).Replace(strings.TrimSpace(content) + "\n"))
	}
	return tree
}
