package page

import (
	"net/url"
	"strings"

	"ota/internal/api"
	"ota/internal/kit/amount"
)

// browser is a folder to look through. Without the modules only its top can be
// seen.
func browser(area api.Area, listing api.Listing) []part {
	shown := []part{crumbs(area, string(listing.Path))}
	if len(listing.Entries) == 0 {
		return append(shown, el("p", class("muted"), text("There is nothing in it.")))
	}
	var items []part
	for _, entry := range listing.Entries {
		items = append(items, entryPart(area, string(listing.Path), entry))
	}
	shown = append(shown, el("ul", class("entries"), all(items...)))
	if listing.More > 0 {
		shown = append(shown, el("p", class("muted"), text("and "+amount.Count(listing.More, "more", "more"))))
	}
	return shown
}

// crumbs is the way to a folder. Each part of it leads back.
func crumbs(area api.Area, path string) part {
	steps := []part{crumb(string(area)+"/", "", path == "")}
	for end := range path {
		if path[end] == '/' {
			steps = append(steps, crumb(path[strings.LastIndex(path[:end], "/")+1:end]+"/", path[:end], false))
		}
	}
	if path != "" {
		steps = append(steps, crumb(path[strings.LastIndex(path, "/")+1:]+"/", path, true))
	}
	return el("nav", class("crumbs"), attr("aria-label", "Where in "+string(area)+"/"), all(steps...))
}

func crumb(name, path string, here bool) part {
	if here {
		return el("bdi", attr("aria-current", "location"), text(name))
	}
	return el("button", attr("type", "button"), class("crumb"), attr("data-act", "open"), attr("data-path", inQuery(path)), el("bdi", text(name)))
}

func entryPart(area api.Area, folder string, entry api.FileEntry) part {
	path := string(entry.Name)
	if folder != "" {
		path = folder + "/" + path
	}
	var name, about part
	switch entry.Kind {
	case "folder":
		name = el("button", attr("type", "button"), class("entry"), attr("data-act", "open"), attr("data-path", inQuery(path)),
			icon("folder"), el("bdi", text(entry.Name.String()+"/")))
	case "file":
		address := "/api/v1/files/" + string(area) + "/content?path=" + inQuery(path)
		name = el("a", class("entry"), attr("href", address+"&view=true"), attr("data-act", "view"), attr("data-path", inQuery(path)),
			icon("file"), nameOf(entry.Name))
		about = el("a", class("button-quiet small"), attr("href", address), attr("download", ""),
			el("span", class("hidden"), text("Download "), nameOf(entry.Name), text(", ")), text(amount.Size(entry.Size)))
	default:
		name = el("span", class("entry"), icon("link"), nameOf(entry.Name), targetOf(entry))
	}
	return el("li", name, about)
}

// inQuery is a path as it stands in an address, and in an attribute that is not
// for people: there it must stay what it is.
func inQuery(path string) string { return strings.ReplaceAll(url.QueryEscape(path), "+", "%20") }

func targetOf(entry api.FileEntry) part {
	if entry.Target == nil {
		return nil
	}
	return all(text(" → "), nameOf(*entry.Target))
}
