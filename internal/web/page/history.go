package page

import (
	"strconv"

	"ota/internal/api"
	"ota/internal/kit/amount"
)

func historyBody(v View) []part {
	body := []part{el("div", class("card-head"), heading("history", "History"),
		when(len(v.History) > 0, el("p", class("muted"), text(amount.Count(len(v.History), "release", "releases")))))}
	if len(v.History) == 0 {
		return append(body, el("p", class("muted"), text("No release yet: the first upload becomes release 1.")))
	}
	var items []part
	for _, entry := range v.History {
		items = append(items, el("li", attr("data-key", strconv.Itoa(entry.Number)), releasePart(entry, v)))
	}
	return append(body, el("ol", class("releases"), all(items...)))
}

// releasePart is one release: a line, and what is known of it below.
func releasePart(entry api.HistoryEntry, v View) part {
	words, n := wordsOfRelease(entry.State), strconv.Itoa(entry.Number)
	return el("details", class("release"), attr("data-release", n),
		el("summary",
			el("span", class("number"), el("span", class("hidden"), text("Release ")), text(n)), text(" "),
			el("span", class("badges"), badge(words.tone, words.word),
				when(entry.Packed.Name() != "", all(text(" "), badge(plain, entry.Packed.Name()))),
				when(entry.Current, all(text(" "), badge(plain, "in main/"))),
				when(entry.Pinned, all(text(" "), badge(plain, "pinned")))), text(" "),
			el("span", class("release-time"), moment(entry.Created, v.Now)), text(" "),
			el("span", class("release-size"), text(changesText(entry))),
		),
		el("div", class("release-body"), all(releaseBody(entry, v)...)),
	)
}

func releaseBody(entry api.HistoryEntry, v View) []part {
	n := strconv.Itoa(entry.Number)
	pin := action("pin", n, "Pin", "button")
	if entry.Pinned {
		pin = action("unpin", n, "Unpin", "button")
	}
	archive := "/api/v1/releases/" + n + "/archive?format="
	body := []part{el("div", class("actions"),
		when(!entry.Current, action("rollback", n, "Roll back to it …", "button")),
		pin,
		el("a", class("button-quiet"), attr("href", archive+"zip"), attr("download", ""), text("Download .zip")),
		el("a", class("button-quiet"), attr("href", archive+"tar.gz"), attr("download", ""), text("Download .tar.gz")),
	)}
	over := "It was the first."
	if entry.From != nil {
		over = "Laid over release " + strconv.Itoa(*entry.From) + "."
	}
	return append(body,
		el("p", class("muted"), text(over)),
		el("div", class("release-more"), attr("data-own", ""), reasonNote(entry), changeList(entry.Files)),
	)
}

func reasonNote(entry api.HistoryEntry) part {
	if entry.Reason == nil {
		return nil
	}
	return note(bad, el("bdi", text(firstUpper(*entry.Reason))))
}

// changesText counts what a release did: "2 added, 1 replaced, 4.2 kB".
func changesText(entry api.HistoryEntry) string {
	counts := map[api.ChangeKind]int{}
	for _, file := range entry.Files {
		counts[file.Change]++
	}
	words := ""
	for _, kind := range []api.ChangeKind{api.Added, api.Replaced, api.Removed} {
		if counts[kind] > 0 {
			words = join(", ", words, strconv.Itoa(counts[kind])+" "+string(kind))
		}
	}
	if words == "" {
		return "nothing changed"
	}
	if entry.Bytes != nil && *entry.Bytes > 0 {
		words = join(", ", words, amount.Size(*entry.Bytes))
	}
	return words
}
