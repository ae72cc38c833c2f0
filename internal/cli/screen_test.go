package cli

import (
	"bytes"
	"strings"
	"testing"
)

func TestCut(t *testing.T) {
	for _, test := range []struct {
		row   string
		width int
		want  string
	}{
		{"program  running", 80, "program  running"},
		{"program  running", 7, "program"},
		{"a " + string(good) + "good" + string(normal) + " end", 4, "a " + string(good) + "go" + string(normal)},
		{"湿度 12", 5, "湿度 "},
		{"湿度 12", 3, "湿"},
		{"e\u0301te\u0301", 2, "e\u0301t"},
		{"a\tb", 3, "a b"},
	} {
		if got := cut(test.row, test.width); got != test.want && got != test.want+"\u0301" {
			t.Errorf("cut(%q, %d) = %q, want %q", test.row, test.width, got, test.want)
		}
	}
}

func TestScreen(t *testing.T) {
	var out bytes.Buffer
	s := &screen{to: &out}
	if err := s.draw([]string{"one", "two", "three", "four"}, 80, 3); err != nil {
		t.Fatal(err)
	}
	if err := s.draw([]string{"one"}, 2, 3); err != nil {
		t.Fatal(err)
	}
	s.leave()
	s.leave()
	want := toOtherScreen + toTheTop + "one\x1b[K\r\ntwo\x1b[K\r\n… 2 more lines\x1b[K" + clearBelow +
		toTheTop + "on\x1b[K" + clearBelow + toOwnScreen
	if got := out.String(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if strings.Count(want, "\x1b[?25h") != 1 {
		t.Error("the cursor is not shown again")
	}
}
