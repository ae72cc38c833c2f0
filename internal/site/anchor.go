package site

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/yuin/goldmark/ast"
)

// anchors names the headings of one page as forges do: letters and digits stay,
// in lower case, blanks become hyphens, all else goes; and what is there already
// gets a number.
type anchors struct {
	used map[string]bool
}

// Generate implements parser.IDs.
func (a *anchors) Generate(value []byte, _ ast.NodeKind) []byte {
	name := anchor(string(value))
	unique := name
	for i := 1; a.used[unique]; i++ {
		unique = name + "-" + strconv.Itoa(i)
	}
	a.Put([]byte(unique))
	return []byte(unique)
}

// Put implements parser.IDs.
func (a *anchors) Put(value []byte) {
	if a.used == nil {
		a.used = map[string]bool{}
	}
	a.used[string(value)] = true
}

func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		case r == ' ':
			return '-'
		}
		return -1
	}, strings.TrimSpace(heading))
}
