package page

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"ota/internal/api"
	"ota/internal/kit/amount"
)

// outputShown is how many of the last lines of the program are shown.
const outputShown = 20

// evidenceParts are what was seen of a release when it failed.
func evidenceParts(release int, evidence api.Evidence, v View) []part {
	headline := "Release " + strconv.Itoa(release) + " failed its trial"
	before := "the release before"
	if evidence.BackTo != nil {
		before = "release " + strconv.Itoa(*evidence.BackTo)
		headline = "Release " + strconv.Itoa(release) + " was rolled back to " + before
	}
	shown := []part{
		el("h3", text(headline)),
		el("p", class("message"), text(firstUpper(evidence.Why)+exitWords(evidence)+", "), moment(evidence.At, v.Now), text(".")),
	}
	if traceback := evidence.Traceback; traceback != nil {
		shown = append(shown, tracebackPart(*traceback))
	}
	for _, probe := range evidence.Probes {
		shown = append(shown, probePart(probe, before))
	}
	if len(evidence.Output) > 0 {
		lines := evidence.Output[max(0, len(evidence.Output)-outputShown):]
		shown = append(shown, el("details", class("fold"), attr("data-key", "output"),
			el("summary", text("The last "+amount.Count(len(lines), "line", "lines")+" of its output")), output(lines)))
	}
	if len(evidence.Files) > 0 {
		shown = append(shown, el("details", class("fold"), attr("data-key", "files"),
			el("summary", text("What differs from "+before+": "+amount.Count(len(evidence.Files), "file", "files"))), changeList(evidence.Files)))
	}
	return shown
}

// exitWords say how the program ended, where the sentence before does not.
func exitWords(evidence api.Evidence) string {
	if evidence.Exit == nil {
		return ""
	}
	words := api.Exit{Code: evidence.Exit.Code, Signal: evidence.Exit.Signal}.String()
	if strings.Contains(evidence.Why, words) {
		return ""
	}
	return " (" + words + ")"
}

func tracebackPart(traceback api.Traceback) part {
	var line *int
	if traceback.Line > 0 {
		line = new(traceback.Line)
	}
	var source part
	if traceback.Source != nil {
		source = excerpt(*traceback.Source, line, nil)
	}
	return el("div", class("reason"), attr("data-tone", string(bad)),
		place(traceback.File, line, traceback.Function),
		source,
		el("p", class("raised"), el("bdi", text(traceback.Error))),
	)
}

func probePart(probe api.ProbeAnswer, before string) part {
	tone := map[string]tone{"OK": good, "BAD": bad}[probe.Answer]
	if tone == "" {
		tone = notice
	}
	rest := ""
	if probe.Detail != nil {
		rest = " " + *probe.Detail
	}
	if probe.Before != nil {
		rest += "; " + before + " said " + *probe.Before
	}
	return el("p", class("probe"), badge(tone, probe.Answer), text(" "), el("bdi", class("path"), text(probe.Probe)), text(rest))
}

// output is what a program printed, a line a line.
func output(lines []string) part {
	var shown []part
	for _, line := range lines {
		shown = append(shown, el("span", text(withoutColours(line)+" ")))
	}
	return el("p", class("output"), all(shown...))
}

// changeList names files that a release changed.
func changeList(files []api.FileChange) part {
	var items []part
	for _, file := range files {
		items = append(items, el("li", changeMark(file.Change), text(" "), el("bdi", class("path"), text(file.Path.String()))))
	}
	return el("ul", class("changes"), all(items...))
}

func changeMark(kind api.ChangeKind) part {
	return el("span", class("change"), attr("data-change", string(kind)), text(string(kind)))
}

func firstUpper(sentence string) string {
	first, size := utf8.DecodeRuneInString(sentence)
	if first == utf8.RuneError {
		return sentence
	}
	return string(unicode.ToUpper(first)) + sentence[size:]
}
