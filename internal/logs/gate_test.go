package logs

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// count adds up what a reader was given and what it was told to be missing.
type count struct {
	lines, leftOut int
	bytes          int
	texts          []string // of Warning lines
}

var leftOutLines = regexp.MustCompile(`^([\d,]+) lines? \([\d.]+ k?M?G?B\) of (?:the program's output|ota's own log) left out$`)

func (c *count) add(t *testing.T, lines []Line) {
	t.Helper()
	for _, line := range lines {
		if line.Source != Warning {
			c.lines++
			c.bytes += len(line.Text) + linePrefix
			continue
		}
		match := leftOutLines.FindStringSubmatch(line.Text)
		if match == nil {
			t.Fatalf("unexpected warning %q", line.Text)
		}
		var n int
		if _, err := fmt.Sscan(strings.ReplaceAll(match[1], ",", ""), &n); err != nil {
			t.Fatal(err)
		}
		c.leftOut += n
		c.texts = append(c.texts, line.Text)
	}
}

// follow reads everything from memory until the bubble is idle.
func follow(t *testing.T, r *Reader, c *count) {
	t.Helper()
	for lines, _ := r.take(); len(lines) > 0; lines, _ = r.take() {
		c.add(t, lines)
	}
}

func TestFloodIsCutAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{})
		reader, got := l.Follow(0), &count{}
		w := l.Stream(Main)
		line := strings.Repeat("x", 99) + "\n"
		const lines = 1_000_000 // 100 MB
		for range lines / 100 {
			write(t, w, strings.Repeat(line, 100))
			follow(t, reader, got)
		}
		if got.bytes < gateBurst-200 || got.bytes > gateBurst {
			t.Errorf("%d bytes came through, want the burst", got.bytes)
		}
		if len(got.texts) != 0 {
			t.Errorf("said too early: %q", got.texts)
		}
		time.Sleep(firstPause)
		synctest.Wait()
		follow(t, reader, got)
		if got.lines+got.leftOut != lines {
			t.Errorf("%d lines and %d left out, of %d", got.lines, got.leftOut, lines)
		}
		if want := "968,750 lines (97 MB) of the program's output left out"; len(got.texts) != 1 || got.texts[0] != want {
			t.Errorf("said %q, want %q", got.texts, want)
		}
		write(t, w, "after\n")
		if all := texts(l); all[len(all)-1] != "after" {
			t.Errorf("the last line is %q", all[len(all)-1])
		}
		time.Sleep(time.Hour)
		follow(t, reader, got)
		if len(got.texts) != 1 {
			t.Errorf("said again: %q", got.texts)
		}
	})
}

// A card must live with a program that never stops talking.
func TestEndlessFloodIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{})
		reader, got := l.Follow(0), &count{}
		w := l.Stream(Main)
		chunk, written := strings.Repeat(strings.Repeat("x", 199)+"\n", 50), 0
		const minutes = 5
		for range minutes * 60 * 20 {
			write(t, w, chunk)
			written += 50
			follow(t, reader, got)
			time.Sleep(50 * time.Millisecond)
		}
		w.Close()
		follow(t, reader, got)
		if limit := gateBurst + minutes*60*gateRate; got.bytes > limit || got.bytes < limit*9/10 {
			t.Errorf("%d bytes in %d minutes, want at most %d and not much less", got.bytes, minutes, limit)
		}
		if got.lines+got.leftOut != written {
			t.Errorf("%d lines and %d left out, of %d", got.lines, got.leftOut, written)
		}
		if said := len(got.texts); said > 10+minutes*3 {
			t.Errorf("it was said %d times", said)
		}
	})
}

func TestFloodDoesNotHideTheOtherStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{})
		l.logger().Info("program is running")
		out, err := l.Stream(Main), l.Stream(MainErr)
		write(t, err, "ResourceWarning\n")
		for range 1000 {
			write(t, out, strings.Repeat("noise\n", 1000))
		}
		write(t, err, "Traceback\n")
		for range 1000 {
			write(t, out, strings.Repeat("noise\n", 1000))
		}
		out.Close()
		all := strings.Join(texts(l), "\n")
		for _, want := range []string{"INFO: program is running", "MAIN!: ResourceWarning", "MAIN!: Traceback", "of the program's output left out"} {
			if !strings.Contains(all, want) {
				t.Errorf("%q is missing", want)
			}
		}
	})
}

// The program that comes after a flood is heard from its first line on, and one
// that floods at every start is bounded all the same.
func TestFloodDoesNotHideTheNextProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{})
		reader, got := l.Follow(0), &count{}
		line := strings.Repeat("x", 99) + "\n"
		const starts = 10
		for range starts {
			w := l.Stream(Main)
			for range 1000 {
				write(t, w, strings.Repeat(line, 100))
				follow(t, reader, got)
			}
			w.Close()
		}
		if most := gateBurst + (starts-1)*gateStart; got.bytes > most {
			t.Errorf("%d bytes came through at %d starts, want %d at most", got.bytes, starts, most)
		}
		write(t, l.Stream(Main), "after\n")
		if all := texts(l); all[len(all)-1] != "after" {
			t.Errorf("the last line is %q", all[len(all)-1])
		}
		time.Sleep(time.Hour) // for the pause that the flood had begun
	})
}

// Empty lines cost a card more than their one byte, binary output four times
// its bytes.
func TestGateCountsWhatIsWritten(t *testing.T) {
	for _, chunk := range []string{strings.Repeat("\n", 1000), strings.Repeat(strings.Repeat("\x00", 99)+"\n", 50)} {
		synctest.Test(t, func(t *testing.T) {
			l := New(Options{})
			reader, got := l.Follow(0), &count{}
			w := l.Stream(Main)
			for range 1000 {
				write(t, w, chunk)
				follow(t, reader, got)
			}
			w.Close()
			if got.bytes > gateBurst+1000 {
				t.Errorf("%d bytes came through of output such as %.5q", got.bytes, chunk)
			}
		})
	}
}
