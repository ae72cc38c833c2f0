//go:build linux

package main

import (
	_ "embed"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"text/template"
	"time"
	"unicode/utf8"
)

//go:embed picture.svg
var pictureText string

// Measures of the picture, in its own units.
const (
	lineHeight = 20
	paneTop    = 36 // from the top of a terminal to its first line
	baseline   = 15 // of a line, from its top
	paneBottom = 14
	width      = 740
	between    = 14
	holdFor    = 7 * time.Second // at the end, before it begins again
)

// pane is a terminal on the picture.
type pane struct {
	Title  string
	Y      int
	Height int
	Text   int // height of what is seen of its lines
	Rows   []row
	Scroll []stop
	Final  int // by how much it is scrolled at the end
}

// row is a line on the picture.
type row struct {
	Y     int
	At    float64 // per cent of the whole time
	Spans []shown
	Keys  *keys // nil if a program printed it
}

// keys are those with which a row was typed.
type keys struct {
	From, Until float64 // per cent of the whole time
	Count       int
}

type shown struct{ Style, Text string }

// stop is a moment from which the lines stand at another height.
type stop struct {
	At float64
	Y  int
}

// picture is what the template draws.
type picture struct {
	Width, Height int
	Seconds       float64
	Panes         []pane
}

// mostRows are seen of each terminal, in their order on the picture.
var mostRows = []int{20, 12}

func draw(out io.Writer, terminals []*terminal) error {
	all := picture{Width: width}
	var last time.Duration
	for _, each := range terminals {
		for _, one := range readLines(each.entries) {
			last = max(last, one.at, one.until)
		}
	}
	whole := last + holdFor
	all.Seconds = whole.Seconds()
	y := 0
	for i, each := range terminals {
		one := newPane(each, mostRows[i], whole)
		one.Y = y
		y += one.Height + between
		all.Panes = append(all.Panes, one)
	}
	all.Height = y - between
	text, err := template.New("picture").Funcs(template.FuncMap{"xml": escapeXML, "add": func(a, b int) int { return a + b }}).Parse(pictureText)
	if err != nil {
		return fmt.Errorf("cannot read the picture's template: %w", err)
	}
	return text.Execute(out, all)
}

func newPane(t *terminal, most int, whole time.Duration) pane {
	percent := func(at time.Duration) float64 { return 100 * at.Seconds() / whole.Seconds() }
	lines := readLines(t.entries)
	seen := min(len(lines), most)
	p := pane{Title: t.title, Text: seen * lineHeight, Height: paneTop + seen*lineHeight + paneBottom}
	for i, one := range lines {
		r := row{Y: i*lineHeight + baseline, At: percent(one.at)}
		for _, each := range one.spans {
			r.Spans = append(r.Spans, shown{each.style, each.text})
		}
		if one.origin == typed {
			r.Keys = &keys{From: percent(one.from), Until: percent(one.until)}
			for _, each := range one.spans {
				r.Keys.Count += utf8.RuneCountInString(each.text)
			}
		}
		if over := i + 1 - most; over > 0 {
			p.Final = over * lineHeight
			p.Scroll = append(p.Scroll, stop{At: r.At, Y: p.Final})
		}
		p.Rows = append(p.Rows, r)
	}
	return p
}

func escapeXML(text string) (string, error) {
	var escaped strings.Builder
	err := xml.EscapeText(&escaped, []byte(text))
	return escaped.String(), err
}
