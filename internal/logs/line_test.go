package logs

import (
	"testing"
	"time"
)

// TestParse: what a file has is read as it was written; what somebody else wrote
// there is no line.
func TestParse(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.Local)
	for _, line := range []Line{
		{Time: at, Source: MainErr, Text: "a : b"}, {Time: at, Source: Info, Text: ""}, {Time: at, Source: Debug, Text: " x"},
	} {
		if got, ok := Parse(line.String()); !ok || got != line {
			t.Errorf("%q became %+v, %v", line, got, ok)
		}
	}
	for _, text := range []string{"", "what is this", "[23/11/26 12:00:00] ", "[23/11/26 12:00:00] HELLO : x", "[99/11/26 12:00:00] INFO : x", "[23/11/26 12:00:00] INFO x"} {
		if got, ok := Parse(text); ok {
			t.Errorf("%q became %+v", text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("[23/11/26 12:00:00] MAIN! : a : b")
	f.Fuzz(func(t *testing.T, text string) {
		if line, ok := Parse(text); ok && line.String() != text {
			t.Errorf("%q became %q", text, line)
		}
	})
}
