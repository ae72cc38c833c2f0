package page

import (
	"slices"
	"strconv"
	"strings"

	"ota/internal/api"
)

// reasonList shows what holds an upload, or what it waits for.
func reasonList(reasons []api.Reason, tone tone) part {
	if len(reasons) == 0 {
		return nil
	}
	var items []part
	for _, reason := range reasons {
		items = append(items, el("li", class("reason"), attr("data-tone", string(tone)), all(reasonParts(reason)...)))
	}
	return el("ul", class("reasons"), all(items...))
}

// failedBefore begins the reason that holds what came back from a release that
// failed; the rest of it says what else the page shows, and which commands there
// are.
const failedBefore = "this failed its trial as release "

func isFailedBefore(reason api.Reason) bool {
	return reason.Path == nil && strings.HasPrefix(reason.Message, failedBefore)
}

func hasFailed(reasons []api.Reason) bool { return slices.ContainsFunc(reasons, isFailedBefore) }

// besideEvidence are the reasons that the evidence does not tell.
func besideEvidence(reasons []api.Reason) []api.Reason {
	return slices.DeleteFunc(slices.Clone(reasons), isFailedBefore)
}

func reasonParts(reason api.Reason) []part {
	var shown []part
	if reason.Path != nil {
		shown = append(shown, place(*reason.Path, reason.Line, nil))
	}
	shown = append(shown, el("p", class("message"), el("bdi", text(reason.Message))))
	if reason.Source != nil {
		shown = append(shown, excerpt(*reason.Source, reason.Line, reason.Column))
	}
	if reason.Hint != nil {
		shown = append(shown, el("p", class("hint"), el("bdi", text(*reason.Hint))))
	}
	return shown
}

// place is where something is wrong: "main.py, line 12, in read".
func place(path api.Path, line *int, function *string) part {
	return el("p", class("place"), nameOf(path),
		when(line != nil, placeWord(", line ", line)),
		functionWord(function))
}

func placeWord(before string, line *int) part {
	if line == nil {
		return nil
	}
	return text(before + strconv.Itoa(*line))
}

func functionWord(function *string) part {
	if function == nil {
		return nil
	}
	return all(text(", in "), el("bdi", text(*function)))
}

// excerpt is a line of a program, with the spot marked. Spaces at its beginning
// are left out. A column counts characters, from 1; one behind the last marks
// the end of the line.
func excerpt(source string, line, column *int) part {
	characters := []rune(strings.TrimRight(source, " \t\r\n"))
	cut := 0
	for cut < len(characters) && strings.ContainsRune(" \t\f", characters[cut]) {
		cut++
	}
	if cut == len(characters) {
		return nil
	}
	code := text(string(characters[cut:]))
	if column != nil && *column > cut && *column <= len(characters)+1 {
		at := *column - 1
		spot, after := " ", ""
		if at < len(characters) {
			spot, after = string(characters[at]), string(characters[at+1:])
		}
		code = all(text(string(characters[cut:at])), el("mark", text(spot)), text(after))
	}
	return el("p", class("excerpt"),
		when(line != nil, lineNumber(line)),
		el("code", code))
}

func lineNumber(line *int) part {
	if line == nil {
		return nil
	}
	return el("span", class("line-number"), attr("aria-hidden", "true"), text(strconv.Itoa(*line)))
}
