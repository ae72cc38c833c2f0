//go:build linux

package main

import (
	"bytes"
	"regexp"
	"strings"
	"time"
)

// line is one of a terminal, as it is drawn.
type line struct {
	origin          origin
	at, from, until time.Duration // as an entry has them
	spans           []span
}

// span is a part of a line in one style.
type span struct {
	style string // a class of the style sheet, or nothing
	text  string
}

// styles are the classes for the graphic renditions that ota uses (ECMA-48).
var styles = map[string]string{
	"1": "bold", "2": "faint",
	"31": "red", "32": "green", "33": "yellow", "36": "cyan", "1;31": "red bold",
}

var rendition = regexp.MustCompile("\x1b\\[([0-9;]*)m")

// readLines puts entries together to lines. A line appears when its first
// byte did; it is read when it is whole, since a program's output may be cut
// anywhere, also inside what sets a style.
func readLines(entries []entry) []line {
	var lines []line
	var text []byte
	end := func() {
		last := &lines[len(lines)-1]
		last.spans = readSpans(string(bytes.TrimRight(text, "\r\n")))
		text = nil
	}
	for _, each := range entries {
		for part := range bytes.Lines(each.text) {
			if len(text) == 0 {
				lines = append(lines, line{origin: each.origin, at: each.at, from: each.from, until: each.until})
			}
			text = append(text, part...)
			if bytes.HasSuffix(part, []byte("\n")) {
				end()
			}
		}
	}
	if len(text) > 0 {
		end()
	}
	return lines
}

// readSpans splits text where its style changes.
func readSpans(text string) []span {
	var spans []span
	style := ""
	add := func(part string) {
		if part != "" {
			spans = append(spans, span{style: style, text: part})
		}
	}
	for {
		at := rendition.FindStringSubmatchIndex(text)
		if at == nil {
			add(text)
			return spans
		}
		add(text[:at[0]])
		code := text[at[2]:at[3]]
		switch known, ok := styles[code]; {
		case code == "" || code == "0":
			style = ""
		case ok:
			style = strings.TrimSpace(style + " " + known)
		}
		text = text[at[1]:]
	}
}
