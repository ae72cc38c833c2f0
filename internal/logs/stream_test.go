package logs

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// texts are the lines in memory, each with its source where that is not Main.
func texts(l *Log) []string {
	list := []string{}
	for _, line := range l.Tail(1 << 20) {
		text := line.Text
		if line.Source != Main {
			text = string(line.Source) + ": " + text
		}
		list = append(list, text)
	}
	return list
}

func write(t *testing.T, w *Writer, text string) {
	t.Helper()
	if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
		t.Fatalf("Write returned %d, %v", n, err)
	}
}

func TestLinesOfOutput(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	tests := []struct {
		name   string
		writes []string
		want   []string
	}{
		{"one", []string{"hello\n"}, []string{"hello"}},
		{"several in one write", []string{"a\nb\nc\n"}, []string{"a", "b", "c"}},
		{"one in several writes", []string{"he", "l", "lo\n"}, []string{"hello"}},
		{"empty lines", []string{"a\n\n\nb\n"}, []string{"a", "", "", "b"}},
		{"no newline at the end", []string{"a\nb"}, []string{"a", "b"}},
		{"of Windows", []string{"a\r\nb\r\n\r\nc\r\n"}, []string{"a", "b", "", "c"}},
		{"of Windows, cut in the newline", []string{"a\r", "\nb\r", "\n\r", "\nc\r\n"}, []string{"a", "b", "", "c"}},
		{"of Windows, translated twice", []string{"a\r\r\nb\r\r\n"}, []string{"a", "b"}},
		{"progress bar", []string{"\r 10%", "\r 50%\r100%", "\ndone\n"}, []string{" 10%", " 50%", "100%", "done"}},
		{"control characters", []string{"\x1b[31mred\x1b[0m\x07\n\xff\x00\n"}, []string{`\x1b[31mred\x1b[0m\a`, `\xff\x00`}},
		{"a forged line", []string{"a\u2028[23/11/26 10:00:00] INFO : confirmed\n"}, []string{`a\u2028[23/11/26 10:00:00] INFO : confirmed`}},
		{"longest", []string{long + "\n"}, []string{long}},
		{"too long", []string{long + "yz\nnext\n"}, []string{long + " [2 B more of this line left out]", "next"}},
		{"too long, in pieces", []string{long[1:], "x", "yz", "\nnext\n"}, []string{long + " [2 B more of this line left out]", "next"}},
		{"too long, cut in a character", []string{long[1:] + "é\n"}, []string{long[1:] + " [2 B more of this line left out]"}},
		{"a megabyte", []string{strings.Repeat("x", 1<<20) + "\n"}, []string{long + " [1.0 MB more of this line left out]"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := New(Options{})
			w := l.Stream(Main)
			for _, text := range test.writes {
				write(t, w, text)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, texts(l)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestOutputWithoutNewlineAppears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{})
		w := l.Stream(Main)
		expect := func(want ...string) {
			t.Helper()
			synctest.Wait()
			if diff := cmp.Diff(append([]string{}, want...), texts(l)); diff != "" {
				t.Fatalf("(-want +got)\n%s", diff)
			}
		}
		write(t, w, "name? ")
		time.Sleep(patience - 1)
		expect()
		time.Sleep(1)
		expect("name? ")
		write(t, w, "\n") // the end of what has been said
		expect("name? ")
		write(t, w, "a \xe6\x9d") // half of 東
		time.Sleep(patience)
		expect("name? ", "a ")
		write(t, w, "\xb1\n")
		expect("name? ", "a ", "東")
		write(t, w, "\xe6")
		time.Sleep(patience)
		expect("name? ", "a ", "東", `\xe6`)
		write(t, w, "\n\n")
		expect("name? ", "a ", "東", `\xe6`, "")
		write(t, w, "last")
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		expect("name? ", "a ", "東", `\xe6`, "", "last")
		time.Sleep(time.Hour) // no timer has been left to say it again
		expect("name? ", "a ", "東", `\xe6`, "", "last")
	})
}

func TestOutputWithoutAnyNewline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{})
		w := l.Stream(Main)
		for range 30 {
			write(t, w, strings.Repeat("x", 100_000))
			time.Sleep(99 * time.Millisecond)
		}
		want := strings.Repeat("x", maxLine) + " [584 kB more of this line left out]"
		if lines := texts(l); len(lines) != 5 || lines[0] != want {
			t.Errorf("%d lines, the first ends with %q", len(lines), lines[0][maxLine:])
		}
	})
}

func TestStreamsAreToldApart(t *testing.T) {
	l := New(Options{})
	out, err := l.Stream(Main), l.Stream(MainErr)
	write(t, out, "a\nb")
	write(t, err, "c\n")
	write(t, out, "d\n")
	if diff := cmp.Diff([]string{"a", "MAIN!: c", "bd"}, texts(l)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// However a pipe cuts the output, it makes the same lines.
func FuzzWriter(f *testing.F) {
	f.Add([]byte("a\r\nb\r\r\n\rc\n\n"), []byte{1, 2, 3})
	f.Add([]byte("é\xff\r\x1b[2J"), []byte{1})
	f.Add(bytes.Repeat([]byte("x"), maxLine+3), []byte{200, 255})
	f.Fuzz(func(t *testing.T, data, cuts []byte) {
		whole, pieces := New(Options{}), New(Options{})
		w := whole.Stream(Main)
		write(t, w, string(data))
		w.Close()
		w = pieces.Stream(Main)
		rest := data
		for _, cut := range cuts {
			n := min(len(rest), int(cut))
			write(t, w, string(rest[:n]))
			rest = rest[n:]
		}
		write(t, w, string(rest))
		w.Close()
		if diff := cmp.Diff(texts(whole), texts(pieces)); diff != "" {
			t.Errorf("(-whole +pieces)\n%s", diff)
		}
		for _, line := range texts(whole) {
			if strings.ContainsAny(line, "\n\r\x1b\x00") {
				t.Errorf("line %q", line)
			}
		}
	})
}

func BenchmarkWriter(b *testing.B) {
	for _, size := range []int{20, 100, 10_000} {
		b.Run(fmt.Sprint(size, " bytes a line"), func(b *testing.B) {
			w := New(Options{}).Stream(Main)
			line := append(bytes.Repeat([]byte("x"), size-1), '\n')
			chunk := bytes.Repeat(line, 1+(64<<10)/size)[:64<<10]
			b.SetBytes(int64(len(chunk)))
			for b.Loop() {
				_, _ = w.Write(chunk)
			}
		})
	}
}
