package inspect

import (
	"fmt"
	"strings"

	"ota/internal/kit/pattern"
)

// features are what newer Pythons understand, by how it looks in the line at
// which an older one gives up. An older Python can only say that it does not
// understand.
var features = []struct {
	since string
	what  string
	line  *pattern.Pattern
}{
	{"3.14", "a string of this kind", pattern.New(`(?i)(^|[^\w"'])(t|tr|rt)["']`)},
	// Python 2 has a name of the program there: `except ValueError, e`.
	{"3.14", "except without brackets", pattern.New(`^\s*except\s+[\w.]+(\s*,\s*(\w+\.)*[A-Z]\w*)+\s*:`)},
	{"3.12", "a type statement", pattern.New(`^\s*type\s+\w+(\s*\[.*\])?\s*=`)},
	{"3.12", "a type parameter", pattern.New(`^\s*(async\s+)?(def|class)\s+\w+\s*\[`)},
	{"3.12", "such an f-string", pattern.New(`(?i)\b(f|fr|rf)("[^"']*\{[^}"']*"[^}]*\}|'[^"']*\{[^}"']*'[^}]*\})`)},
	{"3.11", "except*", pattern.New(`^\s*except\s*\*`)},
	{"3.10", "a match statement", pattern.New(`^\s*(match|case)\b\s*[^=\s.),:].*:\s*(#.*)?$`)},
	{"3.9", "such a with statement", pattern.New(`^\s*(async\s+)?with\s*\(`)},
	{"3.9", "such a decorator", pattern.New(`^\s*@.*[\[(].*[\])]\s*\.|^\s*@.*\[`)},
	{"3.8", "an assignment inside of an expression", pattern.New(`:=`)},
	{"3.8", "a positional-only parameter", pattern.New(`\bdef\s+\w+\s*\(.*/\s*[,)]`)},
	{"3.8", "such an f-string", pattern.New(`(?i)(^|[^\w"'])(f|fr|rf)["'].*=\s*[}:!]`)},
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
