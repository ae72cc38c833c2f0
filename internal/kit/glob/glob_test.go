package glob

import (
	"path"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestMatch(t *testing.T) {
	tests := []struct {
		pattern string
		means   []string
		not     []string
	}{
		{"*.log", []string{"a.log", ".log", "deep/er/a.log", "x.log/inside.py"}, []string{"a.logs", "log", "a.log.py"}},
		{"cache", []string{"cache", "a/cache", "cache/x", "a/cache/b/c"}, []string{"caches", "a/mycache", "Cache"}},
		{"cache/", []string{"cache", "a/cache/b"}, []string{"caches"}},
		{"/cache", []string{"cache", "cache/x"}, []string{"a/cache"}},
		{"data/*.csv", []string{"data/a.csv", "data/a.csv/b"}, []string{"a.csv", "data/x/a.csv", "x/data/a.csv"}},
		{"**/a", []string{"a", "b/a", "b/c/a", "a/b"}, []string{"ba"}},
		{"a/**", []string{"a/b", "a/b/c"}, []string{"a", "b/a/c"}},
		{"a/**/b", []string{"a/b", "a/x/b", "a/x/y/b", "a/b/b", "a/b/z"}, []string{"a", "b", "a/xb"}},
		{"a/**/b/**/c", []string{"a/b/c", "a/b/x/b/y/c", "a/q/b/c"}, []string{"a/c/b", "a/b"}},
		{"**", []string{"a", "a/b"}, nil},
		{"a/**b", []string{"a/b", "a/xxb"}, []string{"a/x/b"}},
		{"?.py", []string{"a.py", "é.py", "\xff.py", "東.py"}, []string{".py", "ab.py"}},
		{"*a*b*c", []string{"abc", "xaxbxc", "aabbcc", "abcabc"}, []string{"acb", "abcx"}},
		{"[a-c]x", []string{"ax", "cx"}, []string{"dx", "x", "-x"}},
		{"[!a-c]x", []string{"dx", "éx"}, []string{"ax", "x"}},
		{"[^a]", []string{"b"}, []string{"a", "ab"}},
		{"[]a]", []string{"]", "a"}, []string{"b"}},
		{"[a-]", []string{"a", "-"}, []string{"b"}},
		{"[ä-ü]", []string{"ö"}, []string{"a"}},
		{`[\]]`, []string{"]"}, []string{`\`}},
		{`\*`, []string{"*"}, []string{"a"}},
		{`\!x`, []string{"!x"}, []string{"x"}},
		{"with space", []string{"with space", "a/with space"}, []string{"with"}},
	}
	for _, test := range tests {
		pattern, err := Parse(test.pattern)
		if err != nil {
			t.Errorf("Parse(%q): %v", test.pattern, err)
			continue
		}
		for _, name := range test.means {
			if !pattern.Match(name) {
				t.Errorf("%q does not match %q", test.pattern, name)
			}
		}
		for _, name := range append(test.not, "", ".") {
			if pattern.Match(name) {
				t.Errorf("%q matches %q", test.pattern, name)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, pattern := range []string{"", "/", "!a", "a//b", "//a", "a/../b", ".", "[a", "[", "[!", "[]", `a\`, `[\`, "[a/b]", "[z-a]", "[a-", "a\x00"} {
		if got, err := Parse(pattern); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", pattern, got)
		}
	}
}

func TestZeroPatternMatchesNothing(t *testing.T) {
	if (Pattern{}).Match("a") {
		t.Error("the zero pattern matches")
	}
}

// Patterns on which a matcher that tries everything would not come to an end.
func TestManyStars(t *testing.T) {
	name := strings.Repeat("a", 5000)
	folders := strings.Repeat("a/", 2000) + "a"
	for text, subject := range map[string]string{
		strings.Repeat("*a", 100) + "b":                name,
		"/" + strings.Repeat("**/a/", 100) + "b":       folders,
		strings.Repeat("?*", 200) + "[!a]":             name,
		"/" + strings.Repeat("**/", 100) + "*b*/**/*b": folders,
	} {
		pattern, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if pattern.Match(subject) {
			t.Errorf("%.40q… matches", text)
		}
	}
}

// FuzzMatch compares with path.Match, which knows the same elements for one
// name.
func FuzzMatch(f *testing.F) {
	f.Add("*.py", "main.py")
	f.Add("[!a-c]?*", "xyz")
	f.Add(`\[x`, "[x")
	f.Add("a/**/b", "a/c/b")
	f.Add("[\xff-\xff]", "\xff")
	f.Fuzz(func(t *testing.T, text, name string) {
		pattern, err := Parse(text)
		if err != nil {
			return
		}
		got := pattern.Match(name)
		if got && !pattern.MatchFold(name) {
			t.Errorf("%q means %q, and not without regard to case", text, name)
		}
		comparable := utf8.ValidString(text) && utf8.ValidString(name) && name != "" && name != "."
		if !comparable || strings.ContainsAny(text, "/![]^\\") || strings.Contains(name, "/") {
			return
		}
		if want, err := path.Match(text, name); err == nil && got != want {
			t.Errorf("%q against %q: %v, path.Match says %v", text, name, got, want)
		}
	})
}

func TestMatchFold(t *testing.T) {
	for _, test := range []struct {
		pattern, name string
		want          bool
	}{
		{"Secret.KEY", "a/SECRET.key", true},
		{"secret.key", "SECRET.KEY/in", true},
		{"[A-C]x", "bX", true},
		{"[!A-C]x", "bX", false},
		{"[Z-a]", "Z", true}, // has no form in lower case
		{"[Z-a]", "b", false},
		{"straße/**", "STRAßE/1", true},
		{"b", "a", false},
	} {
		pattern, err := Parse(test.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := pattern.MatchFold(test.name); got != test.want {
			t.Errorf("%q against %q: %t", test.pattern, test.name, got)
		}
	}
	if (Pattern{}).MatchFold("a") {
		t.Error("the zero pattern matches")
	}
}
