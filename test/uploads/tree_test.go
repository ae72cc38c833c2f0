//go:build linux && amd64

package uploads

import (
	"fmt"
	"strings"
	"sync"

	"ota/test/harness"
)

// table is the path of the large file. It consists of long lines, so that a
// cut falls on the end of one in one case of 100,000.
const (
	table     = "app/data/table.py"
	tableSize = lineCount * lineSize
	lineCount = 210
	lineSize  = 99_991
)

// program writes down at its start which versions it finds, and whether a file
// is neither the old one nor the new one.
const program = `import hashlib, json, os, time

VERSION = "%s"

def read(path):
    with open(path, "rb") as file:
        return file.read()

torn = [path for path, sums in json.loads(read("../sums.json")).items()
        if os.path.exists(path) and hashlib.sha256(read(path)).hexdigest() not in sums]
with open("../starts", "a") as file:
    file.write("main %%s, app %%s, torn %%s\n" %% (VERSION, read("app/version").decode().strip(), torn))
while True:
    time.sleep(1000)
`

func (c client) oldStart() string { return "main old, app old, torn []" }

func (c client) newStart() string {
	if c.only != "" {
		return "main old, app new, torn []"
	}
	return "main new, app new, torn []"
}

var oldTree = sync.OnceValue(func() harness.Tree {
	return harness.Tree{
		"main.py":     harness.File(fmt.Sprintf(program, "old")),
		"app":         harness.Folder(),
		"app/version": harness.File("old\n"),
		"app/data":    harness.Folder(),
		table:         harness.File("ROW_0 = 'old'\n"),
	}
})

// newTree has 30 files, most of them in folders that are new.
var newTree = sync.OnceValue(func() harness.Tree {
	tree := harness.Tree{
		"main.py":                      harness.File(fmt.Sprintf(program, "new")),
		"app/version":                  harness.File("new\n"),
		table:                          harness.File(largeTable()),
		"app/Makefile":                 harness.File("all:\n"),
		"app/.env":                     harness.File("KEY=value\n"),
		"app/read me.txt":              harness.File("a name with a space\n"),
		"app/größe/maß.txt":            harness.File("names that are not ASCII\n"),
		"app/model.v1/weights":         harness.File(strings.Repeat("\x00\x01\xfe\xff", 50_000)),
		"app/package/__init__.py":      harness.File(""),
		"app/package/deep/__init__.py": harness.File(""),
	}
	for i := range 20 {
		path := fmt.Sprintf("app/package/deep/level%d/module%02d.py", i%3, i)
		tree[path] = harness.File(strings.Repeat(fmt.Sprintf("VALUE_%d = %d\n", i, i), 10+100*i))
	}
	return tree
})

func largeTable() string {
	var text strings.Builder
	for row := range lineCount {
		name := fmt.Sprintf("ROW_%03d = '", row)
		digits := fmt.Sprintf("%03d.", row)
		filler := strings.Repeat(digits, lineSize/len(digits)+1)
		text.WriteString(name)
		text.WriteString(filler[:lineSize-len(name)-2])
		text.WriteString("'\n")
	}
	return text.String()
}
