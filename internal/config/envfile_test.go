package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadEnvFile(t *testing.T) {
	got, err := ReadEnvFile("a.env", []byte("\ufeff# a comment = none\r\n"+`
; one of systemd
PLAIN=one two  # not this
HASH=a#b
EMPTY=
EMPTY_TOO=   # nothing
  export SPACED = x
export=1
SINGLE='$HOME "\n" # '  # not this
DOUBLE="a\tb\\c\"d\$e\n"
LINES="one
two='2'
"
AFTER=it's
TWICE=1
TWICE=2
dotted.name-1=ok
URL=http://a/?b=c&d="e"
`+"NOEND=x"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"PLAIN": "one two", "HASH": "a#b", "EMPTY": "", "EMPTY_TOO": "", "SPACED": "x", "export": "1",
		"SINGLE": `$HOME "\n" # `, "DOUBLE": "a\tb\\c\"d$e\n", "LINES": "one\ntwo='2'\n", "AFTER": "it's", "TWICE": "2",
		"dotted.name-1": "ok", "URL": `http://a/?b=c&d="e"`, "NOEND": "x",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEnvFileProblems(t *testing.T) {
	for _, test := range []struct {
		name, file string
		want       []string
	}{
		{"no value", "A=1\nexport B\nC=1", []string{"a.env:2: a line must read NAME=value"}},
		{"no name", "=1\n A B=2\n1A=3", []string{
			`a.env:1: what stands before the = can't be the name of a variable`,
			`a.env:2: what stands before the = can't be the name of a variable`,
			`a.env:3: what stands before the = can't be the name of a variable`}},
		{"of ota", "A='1\n'\nOTA_DIR=/", []string{`a.env:3: "OTA_DIR" can't be set: variables that begin with OTA_ come from ota`}},
		{"zero", "A=a\x00b", []string{`a.env:1: "A" can't hold a zero byte`}},
		{"open", "\nA=\"1\nB=2\n", []string{`a.env:2: "A" has no closing quote`}},
		{"open by an escape", "A=\"1\\\"", []string{`a.env:1: "A" has no closing quote`}},
		{"after the quote", "A='1'2\nB='1' 2\nC=\"\"#\n", []string{
			`a.env:1: "A" has something after the closing quote`, `a.env:2: "B" has something after the closing quote`}},
		{"escape", "A=\"C:\\dir\n\"\nB", []string{
			`a.env:1: "A" has the unknown escape "\d"; for a backslash itself write "\\"`, `a.env:3: a line must read NAME=value`}},
		{"large", strings.Repeat("#", maxFile+1), []string{`a.env: the file is larger than 64 KiB`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ReadEnvFile("a.env", []byte(test.file))
			var list *Error
			if !errors.As(err, &list) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if diff := cmp.Diff(strings.Join(test.want, "\n"), err.Error()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	_, err := ReadEnvFile("a.env", []byte(strings.Repeat("x\n", 4000)))
	if lines := strings.Count(err.Error(), "\n") + 1; lines != enough+1 {
		t.Errorf("%d lines, want %d", lines, enough+1)
	}
}

func FuzzReadEnvFile(f *testing.F) {
	f.Add([]byte("# a\nexport A='b'\nC=\"d\\n\ne\" # f\nG = h # i\n"))
	f.Add([]byte("A=\"\\x\nB='\n=\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := ReadEnvFile("a.env", data)
		if err != nil {
			for _, r := range err.Error() {
				if r < ' ' && r != '\n' || r == 0x7f {
					t.Errorf("%U in the error %q", r, err)
				}
			}
			return
		}
		var again strings.Builder
		for name, text := range got {
			if !isVariable(name) || strings.HasPrefix(name, "OTA_") || strings.ContainsRune(text, 0) {
				t.Errorf("accepted %q=%q", name, text)
			}
			fmt.Fprintf(&again, "%s=\"%s\"\n", name, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text))
		}
		same, err := ReadEnvFile("a.env", []byte(again.String()))
		if again.Len() > maxFile {
			return
		}
		if diff := cmp.Diff(got, same); err != nil || diff != "" {
			t.Errorf("written again: %v\n%s", err, diff)
		}
	})
}
