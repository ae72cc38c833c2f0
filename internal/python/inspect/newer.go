package inspect

import (
	"fmt"
	"regexp"
	"strings"
)

// features are what newer Pythons understand, by how it looks in the line at
// which an older one gives up. An older Python can only say that it does not
// understand.
var features = []struct {
	since string
	what  string
	line  *regexp.Regexp
}{
	{"3.14", "a string of this kind", regexp.MustCompile(`(?i)(^|[^\w"'])(t|tr|rt)["']`)},
	// Python 2 has a name of the program there: `except ValueError, e`.
	{"3.14", "except without brackets", regexp.MustCompile(`^\s*except\s+[\w.]+(\s*,\s*(\w+\.)*[A-Z]\w*)+\s*:`)},
	{"3.12", "a type statement", regexp.MustCompile(`^\s*type\s+\w+(\s*\[.*\])?\s*=`)},
	{"3.12", "a type parameter", regexp.MustCompile(`^\s*(async\s+)?(def|class)\s+\w+\s*\[`)},
	{"3.12", "such an f-string", regexp.MustCompile(`(?i)\b(f|fr|rf)("[^"']*\{[^}"']*"[^}]*\}|'[^"']*\{[^}"']*'[^}]*\})`)},
	{"3.11", "except*", regexp.MustCompile(`^\s*except\s*\*`)},
	{"3.10", "a match statement", regexp.MustCompile(`^\s*(match|case)\b\s*[^=\s.),:].*:\s*(#.*)?$`)},
	{"3.9", "such a with statement", regexp.MustCompile(`^\s*(async\s+)?with\s*\(`)},
	{"3.9", "such a decorator", regexp.MustCompile(`^\s*@.*[\[(].*[\])]\s*\.|^\s*@.*\[`)},
	{"3.8", "an assignment inside of an expression", regexp.MustCompile(`:=`)},
	{"3.8", "a positional-only parameter", regexp.MustCompile(`\bdef\s+\w+\s*\(.*/\s*[,)]`)},
	{"3.8", "such an f-string", regexp.MustCompile(`(?i)(^|[^\w"'])(f|fr|rf)["'].*=\s*[}:!]`)},
}

// newer says, behind Python's message, that the file is for a newer one.
func newer(one raw, python version) string {
	for _, feature := range features {
		if python.before(feature.since) && feature.line.MatchString(one.Source) {
			return needs(feature.what, feature.since, python)
		}
	}
	if python.before("3.12") && strings.Contains(one.Reason, "f-string expression part cannot include") {
		return needs("such an f-string", "3.12", python)
	}
	return ""
}

func needs(what, since string, python version) string {
	return fmt.Sprintf(" (%s needs Python %s; this device runs Python %s)", what, since, python)
}
