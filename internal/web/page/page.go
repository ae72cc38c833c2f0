// Package page is the page: how things stand as HTML, and the styles and
// modules that keep it up to date in a browser.
//
// In: what the agent says of itself. Out: a document that can be read without
// JavaScript, and the files that it loads. Never: a question to the agent, a
// decision about who may see it, or anything from another site.
//
// The server writes the same elements as the modules do (program.go and
// assets/program.js, and so on): when the first event arrives they only change
// what differs. Neither side has a way to write markup: here all goes through
// kit/markup, there through assets/dom.js, and both write characters that can't
// be seen as text.
//
// All functions may be called by several goroutines.
package page

import (
	"io"
	"maps"
	"path"
	"slices"
	"time"

	"ota/internal/api"
	"ota/internal/logs"
)

// View is all that the page shows. What is zero is shown as not known.
type View struct {
	Status  api.Status
	History []api.HistoryEntry // newest first
	Why     api.Why            // of no release in particular
	Device  api.Device
	Log     []logs.Line // the last ones, oldest first
	Deposit api.Listing // the top of deposit/
	Main    api.Listing // the top of main/
	Now     time.Time   // zero: the time now
}

// Home writes the page.
func Home(w io.Writer, v View) error {
	if v.Now.IsZero() {
		v.Now = time.Now()
	}
	return document(w, title(v),
		all(
			el("script", attr("src", "/page/theme.js")),
			all(stylesheets()...),
			el("script", attr("type", "module"), attr("src", "/page/page.js")),
			el("noscript", el("meta", attr("http-equiv", "refresh"), attr("content", "30"))),
		),
		el("a", class("skip"), attr("href", "#content"), text("Skip to the content")),
		header(v),
		el("div", attr("id", "banner"), attr("role", "status")),
		el("noscript", el("p", class("banner"), text("Without JavaScript this page is for looking: it is loaded anew each 30 seconds. "+
			"Steer with the commands of ota on the device: ota stop, ota start, ota apply, ota retry, ota rollback."))),
		el("main", attr("id", "content"), attr("tabindex", "-1"), attr("data-version", v.Status.Version),
			el("div", class("column"),
				section("program", programBody(v)),
				depositSection(v),
				el("section", class("card"), attr("aria-labelledby", "log-title"),
					el("div", class("card-head"), heading("log", "Log")),
					el("div", attr("id", "log"), attr("data-own", ""), logTail(v.Log)),
				),
				section("history", historyBody(v)),
			),
			el("div", class("column"),
				section("device", deviceBody(v)),
				el("section", class("card"), attr("aria-labelledby", "files-title"),
					el("div", class("card-head"), heading("files", "Files in main/")),
					el("div", attr("id", "files"), all(browser(api.MainArea, v.Main)...)),
				),
			),
		),
		footer(v),
		el("div", attr("id", "toasts"), attr("role", "status"), attr("aria-live", "polite")),
	)
}

// title names the device first: tabs are narrow.
func title(v View) string {
	name := v.Device.Name
	if name == "" {
		name = "ota"
	}
	return name + ": " + wordsOfProgram(v.Status.Program, v.Now).word
}

// document is what both pages have.
func document(w io.Writer, title string, head part, body ...part) error {
	return render(w, el("html", attr("lang", "en"),
		el("head",
			el("meta", attr("charset", "utf-8")),
			el("meta", attr("name", "viewport"), attr("content", "width=device-width, initial-scale=1")),
			el("meta", attr("name", "color-scheme"), attr("content", "light dark")),
			el("meta", attr("name", "robots"), attr("content", "noindex")),
			el("title", text(title)),
			el("link", attr("rel", "icon"), attr("type", "image/svg+xml"), attr("href", "/login/icon.svg")),
			head,
		),
		el("body", body...),
	))
}

// stylesheets are those of the page and of the parts that have their own.
func stylesheets() []part {
	found := []part{stylesheet("/page/base.css"), stylesheet("/page/page.css")}
	for _, name := range slices.Sorted(maps.Keys(assets())) {
		if path.Ext(name) == ".css" && name != "base.css" && name != "page.css" && !ofLogin[name] {
			found = append(found, stylesheet("/page/"+name))
		}
	}
	return found
}

func stylesheet(address string) part {
	return el("link", attr("rel", "stylesheet"), attr("href", address))
}

// section is a card whose whole content the modules keep up to date.
func section(id string, body []part) part {
	return el("section", class("card"), attr("id", id), attr("aria-labelledby", id+"-title"), all(body...))
}

func heading(id, name string) part { return el("h2", attr("id", id+"-title"), text(name)) }

// parts are those of the page that can be gone to.
var parts = []struct{ id, name string }{
	{"program", "Program"}, {"deposit", "Deposit"}, {"log", "Log"}, {"history", "History"}, {"device", "Device"}, {"files", "Files"},
}

func header(v View) part {
	var links []part
	for _, to := range parts {
		links = append(links, el("a", attr("href", "#"+to.id), text(to.name)))
	}
	return el("header", class("top"),
		el("a", class("brand"), attr("href", "/"), attr("aria-label", "ota"), logo(), el("span", text("ota"))),
		el("h1", class("host"), el("bdi", attr("id", "host"), text(v.Device.Name))),
		el("div", attr("id", "summary"), attr("aria-hidden", "true"), stateMark(wordsOfProgram(v.Status.Program, v.Now))),
		el("nav", attr("aria-label", "Parts of the page"), all(links...)),
		el("div", class("top-end"),
			el("button", class("button-quiet button-icon needs-js"), attr("type", "button"), attr("data-act", "theme"),
				attr("aria-label", "Colours: as the system"), icon("auto")),
			el("form", attr("method", "post"), attr("action", "/logout"),
				el("button", class("button-quiet"), text("Log out"))),
		),
	)
}

func footer(v View) part {
	return el("footer", class("foot"),
		el("span", attr("id", "version"), text("ota "+v.Status.Version)),
		el("a", attr("href", "/api/openapi.yaml"), text("Description of the API")),
		el("a", attr("href", "/metrics"), text("Metrics")),
	)
}
