package logs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTail(t *testing.T) {
	l := New(Options{Now: func() time.Time { return time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC) }})
	if got := l.Tail(5); len(got) != 0 {
		t.Errorf("an empty log has %v", got)
	}
	write(t, l.Stream(Main), "one\n")
	l.logger().Warn("two", "files", 2)
	write(t, l.Stream(MainErr), "three\n")
	for n, want := range map[int][]string{-1: nil, 0: nil, 2: {"two files=2", "three"}, 9: {"one", "two files=2", "three"}} {
		var got []string
		for _, line := range l.Tail(n) {
			got = append(got, line.Text)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Tail(%d) (-want +got)\n%s", n, diff)
		}
	}
	data, err := json.Marshal(l.Tail(1))
	if want := `[{"seq":3,"time":"2026-11-23T10:00:00Z","source":"MAIN!","text":"three"}]`; err != nil || string(data) != want {
		t.Errorf("got %s, %v, want %s", data, err, want)
	}
	if got, want := l.Tail(1)[0].String(), "[23/11/26 10:00:00] MAIN! : three"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	l := New(Options{})
	for i := range 100_000 {
		l.add(i%parts, Main, strings.Repeat("x", i%5000))
	}
	total := 0
	for _, line := range l.Tail(1 << 30) {
		total += len(line.Text) + lineCost
	}
	if total > 640<<10 || total < 600<<10 {
		t.Errorf("memory holds %d bytes", total)
	}
	for _, ring := range l.memory.rings {
		if cap(ring.lines) > 4*len(ring.lines)+64 {
			t.Errorf("%d places for %d lines", cap(ring.lines), len(ring.lines))
		}
	}
}

func TestSlowReaderIsToldWhatItMissed(t *testing.T) {
	l := New(Options{})
	reader := l.Follow(0)
	l.add(own, Info, "begin")
	if lines, err := reader.Next(t.Context()); err != nil || len(lines) != 1 {
		t.Fatal(lines, err)
	}
	l.add(own, Info, "in between")
	for i := range 10_000 {
		l.add(stdout, Main, fmt.Sprintf("%0999d", i))
	}
	var got count
	lines, err := reader.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if lines[0].Text != "in between" || lines[1].Source != Warning || lines[1].Seq != lines[2].Seq-1 {
		t.Errorf("got %.60v", lines[:3])
	}
	kept := len(l.memory.rings[stdout].lines)
	want := fmt.Sprintf("%s lines (%s) of the program's output left out", thousands(uint64(10_000-kept)), amount(uint64(10_000-kept)*1000))
	if lines[1].Text != want {
		t.Errorf("told %q, want %q", lines[1].Text, want)
	}
	got.add(t, lines[1:])
	follow(t, reader, &got)
	if got.lines+got.leftOut != 10_000 {
		t.Errorf("%d lines and %d left out, of 10,000", got.lines, got.leftOut)
	}
}

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{})
		for i := range 10 {
			l.add(i%parts, Main, fmt.Sprint("line ", i+1))
		}
		first := func(after uint64) uint64 {
			lines, err := l.Follow(after).Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return lines[0].Seq
		}
		// 99 was given by an earlier start of ota.
		for after, want := range map[uint64]uint64{0: 1, 1: 2, 9: 10, 99: 1} {
			if got := first(after); got != want {
				t.Errorf("after %d came %d, want %d", after, got, want)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		reader, batches := l.Follow(10), make(chan []Line)
		go func() {
			for {
				lines, err := reader.Next(ctx)
				if err != nil {
					if !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
					close(batches)
					return
				}
				batches <- lines
			}
		}()
		synctest.Wait() // it waits for more
		l.add(own, Info, "line 11")
		if lines := <-batches; len(lines) != 1 || lines[0].Seq != 11 {
			t.Errorf("got %v", lines)
		}
		cancel()
		if lines, open := <-batches; open {
			t.Errorf("got %v after the end", lines)
		}
	})
}

// endingWith is a context that ends when somebody begins to wait for its end,
// just after it has done something else.
type endingWith struct {
	context.Context
	last func()
}

func (e endingWith) Done() <-chan struct{} {
	e.last()
	return e.Context.Done()
}

// A line that comes together with the end is still handed out.
func TestLastLine(t *testing.T) {
	for range 64 { // the runtime chooses which of the two a reader sees
		l := New(Options{})
		ctx, cancel := context.WithCancel(t.Context())
		reader := l.Follow(0)
		lines, err := reader.Next(endingWith{ctx, func() {
			l.add(own, Info, "last")
			cancel()
		}})
		if err != nil || len(lines) != 1 {
			t.Fatalf("got %v and %v, want the last line", lines, err)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	l := New(Options{})
	reader := l.Follow(0) // before the first line: one that begins late is not told what it missed
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			w := l.Stream(Main)
			for range 500 {
				_, _ = w.Write([]byte("a line\nand half"))
			}
			w.Close()
		})
		work.Go(func() {
			for range 500 {
				l.logger().Info("record")
				l.Tail(3)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	got, done := count{}, make(chan struct{})
	go func() {
		defer close(done)
		for {
			lines, err := reader.Next(ctx)
			if err != nil {
				return
			}
			got.add(t, lines)
		}
	}()
	work.Wait()
	cancel()
	<-done
	if want := 4 * (500 + 500 + 1); got.lines+got.leftOut != want {
		t.Errorf("%d lines and %d left out, want %d", got.lines, got.leftOut, want)
	}
}
