package escape

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestLineAndName(t *testing.T) {
	tests := []struct{ name, in, line, asName string }{
		{"empty", "", "", ""},
		{"plain", "wrote 3 files", "wrote 3 files", "wrote 3 files"},
		{"quotes and backslash stay", `"a" \d+ C:\x`, `"a" \d+ C:\x`, `"a" \d+ C:\x`},
		{"tab", "a\tb", "a\tb", `a\tb`},
		{"languages", "grün 東京 ελ 🌱", "grün 東京 ελ 🌱", "grün 東京 ελ 🌱"},
		{"emoji with joiner", "👩\u200d🌾", "👩\u200d🌾", `👩\u200d🌾`},
		{"spaces of other scripts", "1\u00a0000\u3000円", "1\u00a0000\u3000円", `1\u00a0000\u3000円`},
		{"newlines", "a\r\nb", `a\r\nb`, `a\r\nb`},
		{"null and backspace", "a\x00\b", `a\x00\b`, `a\x00\b`},
		{"colour", "\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`, `\x1b[31mred\x1b[0m`},
		{"title of the window", "\x1b]0;x\a", `\x1b]0;x\a`, `\x1b]0;x\a`},
		{"delete", "a\x7f", `a\x7f`, `a\x7f`},
		{"C1 as a byte", "\x9b2J", `\x9b2J`, `\x9b2J`},
		{"C1 as UTF-8", "\u009b2J", `\u009b2J`, `\u009b2J`},
		{"turned round", "a\u202eb\u2066c\u200f\u061c", `a\u202eb\u2066c\u200f\u061c`, `a\u202eb\u2066c\u200f\u061c`},
		{"separators", "a\u2028b\u2029c", `a\u2028b\u2029c`, `a\u2028b\u2029c`},
		{"byte order mark", "\ufeffa", `\ufeffa`, `\ufeffa`},
		{"annotations", "\ufff9a\ufffb", `\ufff9a\ufffb`, `\ufff9a\ufffb`},
		{"tags", "\U000e0001\U000e0041", `\U000e0001\U000e0041`, `\U000e0001\U000e0041`},
		{"replacement character itself", "\ufffd", "\ufffd", "\ufffd"},
		{"not UTF-8", "caf\xe9 \xff\xfe", `caf\xe9 \xff\xfe`, `caf\xe9 \xff\xfe`},
		{"cut in a character", "\xe6\x9d", `\xe6\x9d`, `\xe6\x9d`},
		{"surrogate", "\xed\xa0\x80", `\xed\xa0\x80`, `\xed\xa0\x80`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := string(Line([]byte("> "), []byte(test.in))); got != "> "+test.line {
				t.Errorf("Line(%q) = %q, want %q", test.in, got, "> "+test.line)
			}
			if got := Name(test.in); got != test.asName {
				t.Errorf("Name(%q) = %q, want %q", test.in, got, test.asName)
			}
		})
	}
}

// Every single character, so that no table is trusted: what Name does to it is
// what %q does, and Line never lets one through that steers.
func TestEveryCharacter(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		in := string(r)
		if r != '"' && r != '\\' {
			quoted := strconv.Quote(in)
			if got, want := Name(in), quoted[1:len(quoted)-1]; got != want {
				t.Errorf("Name(%U) = %q, want %q", r, got, want)
			}
		}
		line := string(Line(nil, []byte(in)))
		steers := unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co)
		allowed := r == '\t' || r == zeroWidthJoiner || r == zeroWidthNonJoiner
		if line == in && steers && !allowed {
			t.Errorf("Line lets %U through", r)
		}
		if line != in && !strings.HasPrefix(line, `\`) {
			t.Errorf("Line(%U) = %q", r, line)
		}
	}
}

func FuzzLine(f *testing.F) {
	for _, seed := range []string{"", "plain", "\x1b[2J", "a\r\nb", "\xff\xfe\u202e", "東\xe6\x9d"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		before := bytes.Clone(src)
		got := Line(nil, src)
		if !bytes.Equal(before, src) {
			t.Fatal("Line changed its source")
		}
		if !utf8.Valid(got) {
			t.Fatalf("Line(%q) = %q is not UTF-8", src, got)
		}
		for _, r := range string(got) {
			if !staysInLine(r) {
				t.Fatalf("Line(%q) holds %U", src, r)
			}
		}
		if again := Line(nil, got); !bytes.Equal(again, got) {
			t.Fatalf("escaping twice: %q, then %q", got, again)
		}
		if utf8.Valid(src) && bytes.IndexFunc(src, func(r rune) bool { return !staysInLine(r) }) < 0 && !bytes.Equal(src, got) {
			t.Fatalf("Line changed the harmless %q to %q", src, got)
		}
	})
}

func FuzzName(f *testing.F) {
	for _, seed := range []string{"", "main.py", "-rf", "a\nb", "\xff", "名前", "a\u202eyp.py"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := Name(name)
		if !utf8.ValidString(got) {
			t.Fatalf("Name(%q) = %q is not UTF-8", name, got)
		}
		for _, r := range got {
			if !strconv.IsPrint(r) {
				t.Fatalf("Name(%q) holds %U", name, r)
			}
		}
		if again := Name(got); again != got {
			t.Fatalf("escaping twice: %q, then %q", got, again)
		}
	})
}

func BenchmarkLine(b *testing.B) {
	for _, input := range []struct{ name, text string }{
		{"ascii", strings.Repeat("2026-11-23 10:00:00 sensor 4 reads 21.5 C ", 100)},
		{"utf8", strings.Repeat("température élevée à 21,5 °C ", 150)},
		{"binary", strings.Repeat("\x00\x1b\xff\x80", 1000)},
	} {
		b.Run(input.name, func(b *testing.B) {
			src, dst := []byte(input.text), make([]byte, 0, 8*len(input.text))
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				dst = Line(dst[:0], src)
			}
		})
	}
}
