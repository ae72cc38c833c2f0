package page

import (
	"strings"
	"time"

	"ota/internal/logs"
)

// linesShown is how much of the log stands in the page itself.
const linesShown = 200

// logTail is the log for a browser without JavaScript.
func logTail(lines []logs.Line) part {
	if len(lines) == 0 {
		return el("p", class("muted"), text("There is no line yet."))
	}
	lines = lines[max(0, len(lines)-linesShown):]
	var items []part
	for _, line := range lines {
		items = append(items, el("li", attr("data-source", string(line.Source)),
			el("time", attr("datetime", line.Time.UTC().Format(time.RFC3339)), text(line.Time.Local().Format(time.TimeOnly))), text(" "),
			el("span", class("source"), text(string(line.Source))), text(" "),
			el("bdi", text(withoutColours(line.Text)))))
	}
	// The outer one turns the direction round: so it begins at its end.
	return el("div", class("tail"), attr("tabindex", "0"), attr("role", "region"), attr("aria-label", "The last lines of the log"),
		el("ol", all(items...)))
}

// withoutColours leaves out the escapes of colours, which stand in the log as
// text: `\x1b[31m`.
func withoutColours(text string) string {
	const begin = `\x1b[`
	rest, plain := text, ""
	for {
		before, after, found := strings.Cut(rest, begin)
		if !found {
			return plain + rest
		}
		end := strings.TrimLeft(after, "0123456789;")
		if !strings.HasPrefix(end, "m") {
			plain, rest = plain+before+begin, after
			continue
		}
		plain, rest = plain+before, end[1:]
	}
}
