package logs

import (
	"errors"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"testing/slogtest"
	"time"
)

type silent struct{ *strings.Builder }

func (s silent) Error() string { return s.String() } // panics: there is no Builder

func TestRecords(t *testing.T) {
	tests := []struct {
		name string
		log  func(*slog.Logger)
		want string
	}{
		{"plain", func(l *slog.Logger) { l.Info("release is running", "release", 3, "pid", 4711) }, "INFO : release is running release=3 pid=4711"},
		{"levels", func(l *slog.Logger) { l.Debug("looked") }, "DEBUG : looked"},
		{"between levels", func(l *slog.Logger) { l.Log(t.Context(), slog.LevelWarn+1, "odd") }, "WARNING : odd"},
		{"error", func(l *slog.Logger) { l.Error("stopped", "error", errors.New("cannot do it: no")) }, `ERROR : stopped error="cannot do it: no"`},
		{"quotes where needed", func(l *slog.Logger) { l.Info("x", "a", "", "b", "c=d", "e", `f"g`, "h i", "j/k.py") }, `INFO : x a="" b="c=d" e="f\"g" "h i"=j/k.py`},
		{"types", func(l *slog.Logger) {
			l.Info("x", "d", 1500*time.Millisecond, "t", time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), "b", true, "n", nil, "s", []int{1, 2}, "m", fs.FileMode(0o644))
		}, `INFO : x d=1.5s t=2026-11-23T10:00:00Z b=true n=<nil> s="[1 2]" m=-rw-r--r--`},
		{"groups", func(l *slog.Logger) {
			l.With("a", 1).WithGroup("g").With("b", 2).Info("x", slog.Group("h", "c", 3), slog.Group("empty"))
		}, "INFO : x a=1 g.b=2 g.h.c=3"},
		{"from outside", func(l *slog.Logger) { l.Info("found", "path", "a\nb\x1b[2J\xff", "name", "東") }, `INFO : found path="a\nb\x1b[2J\xff" name=東`},
		{"a sentence that is none", func(l *slog.Logger) { l.Info("a\n[01/01/26 00:00:00] INFO : b") }, `INFO : a\n[01/01/26 00:00:00] INFO : b`},
		{"a value that panics", func(l *slog.Logger) { l.Info("x", "error", silent{}) }, `INFO : x error="!PANIC runtime error: invalid memory address or nil pointer dereference"`},
		{"huge", func(l *slog.Logger) { l.Info(strings.Repeat("x", maxLine+1000)) }, "INFO : " + strings.Repeat("x", maxLine) + " [1.0 kB more of this line left out]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := New(Options{})
			test.log(slog.New(l.Handler(slog.LevelDebug)))
			_, got, _ := strings.Cut(l.Tail(1)[0].String(), "] ")
			if got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestLevel(t *testing.T) {
	l := New(Options{})
	var level slog.LevelVar
	logger := slog.New(l.Handler(&level))
	logger.Debug("not yet")
	level.Set(slog.LevelDebug)
	logger.Debug("now")
	if got := texts(l); len(got) != 1 || got[0] != "DEBUG: now" {
		t.Errorf("got %q", got)
	}
}

func TestHandlerKeepsTheRules(t *testing.T) {
	var l *Log
	newHandler := func(t *testing.T) slog.Handler {
		if strings.HasSuffix(t.Name(), "zero-time") {
			t.Skip("every line has a time")
		}
		l = New(Options{})
		return l.Handler(nil)
	}
	slogtest.Run(t, newHandler, func(t *testing.T) map[string]any { return parseRecord(t, l.Tail(1)[0]) })
}

// parseRecord reads "message a=1 g.b=2" into nested maps.
func parseRecord(t *testing.T, line Line) map[string]any {
	fields := strings.Fields(line.Text)
	record := map[string]any{slog.TimeKey: line.Time, slog.LevelKey: line.Source, slog.MessageKey: fields[0]}
	for _, field := range fields[1:] {
		key, value, found := strings.Cut(field, "=")
		if !found {
			t.Fatalf("no value in %q", line.Text)
		}
		if unquoted, err := strconv.Unquote(value); err == nil {
			value = unquoted
		}
		into, path := record, strings.Split(key, ".")
		for _, group := range path[:len(path)-1] {
			if into[group] == nil {
				into[group] = map[string]any{}
			}
			into = into[group].(map[string]any)
		}
		into[path[len(path)-1]] = value
	}
	return record
}

func TestAmounts(t *testing.T) {
	for bytes, want := range map[uint64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 9949: "9.9 kB", 9950: "10 kB", 999_499: "999 kB",
		999_500: "1.0 MB", 5_600_000: "5.6 MB", 1 << 40: "1.1 TB", 5e15: "5000 TB",
	} {
		if got := amount(bytes); got != want {
			t.Errorf("amount(%d) = %q, want %q", bytes, got, want)
		}
	}
	for n, want := range map[uint64]string{0: "0", 999: "999", 1234: "1,234", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %q, want %q", n, got, want)
		}
	}
	if got, want := leftOut(1, 12, "the program's output"), "1 line (12 B) of the program's output left out"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
