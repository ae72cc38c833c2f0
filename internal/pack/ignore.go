package pack

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ota/internal/kit/glob"
)

// ignoreFiles name what is not packed, in any folder: the first what git leaves
// out as well, the second, which overrules it, what devices don't need (tests,
// say).
var ignoreFiles = []string{".gitignore", ".otaignore"}

// rule is a line of such a file.
type rule struct {
	base    string // the folder of the file
	pattern glob.Pattern
	effect  effect
	means   means
}

// effect is what a rule does with what it matches.
type effect string

const (
	leavesOut effect = "leaves out"
	takesIn   effect = "takes in" // a line that begins with !
)

// means is what a rule is for.
type means string

const (
	everything  means = "everything"
	foldersOnly means = "folders only" // a line that ends with /
)

// rules of which the last that matches counts (gitignore(5)).
type rules []rule

// read adds the rules of a file, if it is there.
func (r *rules) read(source, at string) error {
	text, err := os.ReadFile(filepath.Join(source, filepath.FromSlash(at)))
	if err != nil {
		return ignoreMissing(err)
	}
	base := path.Dir(at)
	number := 0
	for line := range strings.SplitSeq(string(text), "\n") {
		number++
		line = strings.TrimRight(line, " \t\r")
		if line == "" || line[0] == '#' {
			continue
		}
		one := rule{base: base, effect: leavesOut, means: everything}
		if bare, isException := strings.CutPrefix(line, "!"); isException {
			line, one.effect = bare, takesIn
		}
		if strings.HasSuffix(line, "/") {
			one.means = foldersOnly
		}
		if one.pattern, err = glob.Parse(line); err != nil {
			return fmt.Errorf("%s:%d: the pattern %q: %w", at, number, line, err)
		}
		*r = append(*r, one)
	}
	return nil
}

// ignored tells whether a path is left out. The folders that lead to it are not,
// or nobody would ask.
func (r rules) ignored(at string, isFolder bool) bool {
	for _, one := range slices.Backward(r) {
		below, isBelow := at, true
		if one.base != "." {
			below, isBelow = strings.CutPrefix(at, one.base+"/")
		}
		if isBelow && (isFolder || one.means == everything) && one.pattern.Match(below) {
			return one.effect == leavesOut
		}
	}
	return false
}
