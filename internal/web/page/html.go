package page

import (
	"io"
	"strings"
	"time"

	"ota/internal/api"
	"ota/internal/kit/markup"
)

// Short names for what every line here uses.

type part = markup.Part

func el(name string, parts ...part) part      { return markup.El(name, parts...) }
func all(parts ...part) part                  { return markup.All(parts...) }
func text(s string) part                      { return markup.Text(s) }
func attr(name, value string) part            { return markup.Attr(name, value) }
func class(names string) part                 { return markup.Attr("class", names) }
func render(w io.Writer, document part) error { return markup.Render(w, document) }

// when is the part, if it has a place.
func when(has bool, shown part) part {
	if !has {
		return nil
	}
	return shown
}

// nameOf is a file's name or path, which may be of any script: it must not turn
// round what stands beside it.
func nameOf(path api.Path) part { return el("bdi", text(path.String())) }

// wholePath is a path that may be broken after its slashes.
func wholePath(path api.Path) part {
	var pieces []part
	for piece := range strings.SplitAfterSeq(path.String(), "/") {
		pieces = append(pieces, when(len(pieces) > 0, el("wbr")), text(piece))
	}
	return el("bdi", class("path"), all(pieces...))
}

// moment is a time for people, and for machines.
func moment(at, now time.Time) part {
	return el("time", attr("datetime", at.UTC().Format(time.RFC3339)), text(momentText(at, now)))
}

// stateMark is a state in colour, shape and words.
func stateMark(s state) part {
	return all(el("span", class("dot"), attr("data-tone", string(s.tone)), attr("aria-hidden", "true")), el("strong", text(s.word)))
}

// badge is a small word with a colour.
func badge(tone tone, word string) part {
	return el("span", class("badge"), attr("data-tone", string(tone)), text(word))
}

// action is a button that the modules give its meaning.
func action(name, what, label, looks string) part {
	return el("button", attr("type", "button"), class(looks+" needs-js"), attr("data-act", name),
		when(what != "", attr("data-what", what)), text(label))
}

// fact is a line of a list of facts.
func fact(name string, value ...part) part {
	return el("div", el("dt", text(name)), el("dd", value...))
}

// note is a paragraph that stands out.
func note(tone tone, content ...part) part {
	return el("p", class("note"), attr("data-tone", string(tone)), all(content...))
}

// Pictures, as lines on a grid of 16 by 16. The modules have the same ones, and
// three more.
var pictures = map[string]string{
	"auto":   "M2 3h12v8H2zM5.5 13.5h5M8 11v2.5",
	"folder": "M1.5 4V3h4.5l1.5 1.5h7v8.5h-13z",
	"file":   "M3.5 1.5H9l3.5 3.5v9.5h-9zM9 1.5V5h3.5",
	"link":   "M6.5 3.5h-4v10h10v-4M9 2.5h4.5V7M13.5 2.5L7 9",
}

func icon(name string) part {
	return el("svg", class("icon icon-"+name), attr("viewBox", "0 0 16 16"), attr("aria-hidden", "true"),
		el("path", attr("d", pictures[name])))
}

// logo is what /login/icon.svg shows, in the colours of the page.
func logo() part {
	return el("svg", class("logo"), attr("viewBox", "0 0 24 24"), attr("aria-hidden", "true"),
		el("rect", attr("width", "24"), attr("height", "24"), attr("rx", "6.5")),
		el("path", attr("d", "M12 5.5v8M8.4 10.1l3.6 3.6 3.6-3.6M6.5 18h11")),
	)
}

// bar shows a share of a whole, from 0 to 1. What it shows is also said in
// words beside it.
func bar(tone tone, share float64) part {
	return el("svg", class("bar"), attr("data-tone", string(tone)), attr("viewBox", "0 0 100 1"),
		attr("preserveAspectRatio", "none"), attr("aria-hidden", "true"),
		el("rect", attr("width", number(100*min(max(share, 0), 1))), attr("height", "1")))
}
