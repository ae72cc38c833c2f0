package logs

import (
	"context"
	"encoding"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Handler returns a handler for ota's own records of at least this level; nil
// means Info. A record reads "release is running release=3 pid=4711"; a value
// stands in quotes where a person could not tell its end. Records get the time
// at which they arrive, by the clock of the log.
func (l *Log) Handler(level slog.Leveler) slog.Handler {
	if level == nil {
		level = slog.LevelInfo
	}
	return &handler{log: l, level: level}
}

// handler never changes; With makes new ones.
type handler struct {
	log    *Log
	level  slog.Leveler
	attrs  string // formatted already
	groups string // "outer.inner."
}

// Enabled implements [slog.Handler].
func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

// Handle implements [slog.Handler]. It waits for nothing and returns no error.
func (h *handler) Handle(_ context.Context, record slog.Record) error {
	text := append([]byte(record.Message), h.attrs...)
	record.Attrs(func(attr slog.Attr) bool {
		text = appendAttr(text, h.groups, attr)
		return true
	})
	h.log.add(own, sourceOf(record.Level), string(shorten(text, 0, nil)))
	return nil
}

// WithAttrs implements [slog.Handler].
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	text := []byte(h.attrs)
	for _, attr := range attrs {
		text = appendAttr(text, h.groups, attr)
	}
	with := *h
	with.attrs = string(text)
	return &with
}

// WithGroup implements [slog.Handler].
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	with := *h
	with.groups += name + "."
	return &with
}

// logger is for what the log has to say of itself.
func (l *Log) logger() *slog.Logger { return slog.New(l.Handler(nil)) }

func sourceOf(level slog.Level) Source {
	switch {
	case level < slog.LevelInfo:
		return Debug
	case level < slog.LevelWarn:
		return Info
	case level < slog.LevelError:
		return Warning
	default:
		return Error
	}
}

func appendAttr(dst []byte, groups string, attr slog.Attr) []byte {
	value := attr.Value.Resolve()
	switch {
	case value.Kind() == slog.KindGroup:
		if attr.Key != "" {
			groups += attr.Key + "."
		}
		for _, inner := range value.Group() {
			dst = appendAttr(dst, groups, inner)
		}
		return dst
	case attr.Equal(slog.Attr{}):
		return dst
	}
	dst = append(dst, ' ')
	dst = append(dst, quoted(groups+attr.Key)...)
	dst = append(dst, '=')
	return append(dst, quoted(valueText(value))...)
}

func valueText(value slog.Value) string {
	switch value.Kind() {
	case slog.KindTime:
		return value.Time().Format(time.RFC3339)
	case slog.KindAny:
		return anyText(value.Any())
	default:
		return value.String()
	}
}

// anyText lets a value that can't say what it is, such as a nil pointer in an
// error, not take down the one who only wanted to log it.
func anyText(value any) (text string) {
	defer func() {
		if failure := recover(); failure != nil {
			text = fmt.Sprintf("!PANIC %v", failure)
		}
	}()
	switch value := value.(type) {
	case error:
		return value.Error()
	case fmt.Stringer:
		return value.String()
	case encoding.TextMarshaler:
		if text, err := value.MarshalText(); err == nil {
			return string(text)
		}
	}
	return fmt.Sprintf("%+v", value)
}

// quoted puts text in quotes where it would not stay one word.
func quoted(text string) string {
	oneWord := text != "" && strings.IndexFunc(text, func(r rune) bool {
		return r == '"' || r == '=' || unicode.IsSpace(r) || !strconv.IsPrint(r)
	}) < 0
	if oneWord {
		return text
	}
	return strconv.Quote(text)
}
