//go:build linux

package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReadLines(t *testing.T) {
	entries := []entry{
		{origin: typed, at: 1, from: 2, until: 5, text: []byte("ota run\n")},
		{origin: printed, at: 7, text: []byte("\x1b[2m[10:00:00] \x1b[0m\x1b[36mIN")},
		{origin: printed, at: 8, text: []byte("FO\x1b[0m : on\r\n\r\nsecond\r\n")},
	}
	want := []line{
		{origin: typed, at: 1, from: 2, until: 5, spans: []span{{"", "ota run"}}},
		{origin: printed, at: 7, spans: []span{{"faint", "[10:00:00] "}, {"cyan", "INFO"}, {"", " : on"}}},
		{origin: printed, at: 8},
		{origin: printed, at: 8, spans: []span{{"", "second"}}},
	}
	if diff := cmp.Diff(want, readLines(entries), cmp.AllowUnexported(line{}, span{})); diff != "" {
		t.Error(diff)
	}
}

func TestReadSpans(t *testing.T) {
	for text, want := range map[string][]span{
		"":                        nil,
		"\x1b[1;31mbad\x1b[m now": {{"red bold", "bad"}, {"", " now"}},
		"\x1b[1m\x1b[32mgood":     {{"bold green", "good"}},
		"\x1b[99mas it was":       {{"", "as it was"}},
	} {
		if diff := cmp.Diff(want, readSpans(text), cmp.AllowUnexported(span{})); diff != "" {
			t.Errorf("%q:\n%s", text, diff)
		}
	}
}

func TestDrawScrollsAndEscapes(t *testing.T) {
	full := terminal{title: "a & b", entries: []entry{{text: []byte("<x>\n")}}}
	for i := range mostRows[0] {
		full.entries = append(full.entries, entry{at: time.Duration(i) * time.Second, text: []byte("more\n")})
	}
	var picture strings.Builder
	if err := draw(&picture, []*terminal{&full, {title: "other"}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a &amp; b", "&lt;x&gt;", `transform="translate(0 -20)"`, "translateY(-20px)"} {
		if !strings.Contains(picture.String(), want) {
			t.Errorf("the picture lacks %q", want)
		}
	}
	decoder := xml.NewDecoder(strings.NewReader(picture.String()))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestTerminalRemembersWhatWasSeen(t *testing.T) {
	one := newTerminal("one", t.TempDir(), time.Now())
	if err := one.run("test -t 1 && echo seen"); err != nil {
		t.Fatal(err)
	}
	if err := one.ended()(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := string(one.all()); got != "seen\r\n" {
		t.Errorf("got %q", got)
	}
}
