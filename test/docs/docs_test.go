// Package docs keeps the docs true.
//
// In: README.md and docs/*.md, the commands, the settings, the tree. Out: what
// the docs name and is not there. Never: the network.
package docs

import (
	"encoding/json"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"ota/internal/config"
	"ota/internal/site"
)

const top = "../.."

var tree = site.Tree(top)

var read = sync.OnceValues(func() ([]*site.Page, error) { return site.Read(tree, "README.md", "CHANGELOG.md") })

func pages(t *testing.T) []*site.Page {
	t.Helper()
	pages, err := read()
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) < 15 {
		t.Fatalf("only %d pages were found", len(pages))
	}
	return pages
}

func named(pages []*site.Page, name string) *site.Page {
	at := slices.IndexFunc(pages, func(p *site.Page) bool { return p.Name == name })
	if at < 0 {
		return nil
	}
	return pages[at]
}

// TestLinksLeadSomewhere: each file, picture and heading that is linked to is
// there.
func TestLinksLeadSomewhere(t *testing.T) {
	all := pages(t)
	for _, page := range all {
		for _, link := range page.Links {
			if why := wrongLink(all, page, link); why != "" {
				t.Errorf("%s:%d: %q: %s", page.Name, link.Line, link.Target, why)
			}
		}
	}
}

func wrongLink(all []*site.Page, page *site.Page, link site.Link) string {
	if site.IsOutside(link.Target) {
		address, err := url.Parse(link.Target)
		switch {
		case link.Picture:
			return "a picture from elsewhere"
		case err != nil:
			return err.Error()
		case address.Scheme != "https" || !strings.Contains(address.Host, ".") || address.User != nil:
			return "is no address of a page with https"
		}
		return ""
	}
	file, anchor := page.At(link.Target)
	if !fs.ValidPath(file) || strings.HasPrefix(link.Target, "/") {
		return "leads out of the tree"
	}
	if _, err := fs.Stat(tree, file); err != nil {
		return "is not there"
	}
	if anchor == "" {
		return ""
	}
	other := named(all, file)
	if other == nil {
		return "has no headings"
	}
	if !slices.Contains(other.Anchors, anchor) {
		return "has no heading of that name; there are " + strings.Join(other.Anchors, " ")
	}
	return ""
}

// TestWrongLinksAreFound, and right ones are not.
func TestWrongLinksAreFound(t *testing.T) {
	all := pages(t)
	page := site.Parse("docs/design.md", []byte("# A `b`: c!\n\n## A b c\n")) // in place of the real one
	all = append([]*site.Page{page}, all...)
	for target, right := range map[string]bool{
		"#a-b-c": true, "#a-b-c-1": true, "#a-b-c-2": false, "page.md": true, "../README.md": true, "pages.md": false,
		"page.md#log-in": true, "page.md#log-on": false, "../../x": false, "/docs/page.md": false,
		"https://example.com/x": true, "http://example.com/x": false, "https://example": false, "ftp://example.com": false,
	} {
		if why := wrongLink(all, page, site.Link{Target: target}); (why == "") != right {
			t.Errorf("%s: %q", target, why)
		}
	}
	if wrongLink(all, page, site.Link{Target: "https://example.com/x.png", Picture: true}) == "" {
		t.Error("a picture may come from elsewhere")
	}
}

// TestNoPageIsAnOrphan: whoever begins at the front page finds all, and in the
// README's list of the forge the front page itself.
func TestNoPageIsAnOrphan(t *testing.T) {
	all := pages(t)
	found := map[string]bool{}
	var follow func(name string)
	follow = func(name string) {
		page := named(all, name)
		if page == nil || found[name] {
			return
		}
		found[name] = true
		for _, link := range page.Links {
			if !site.IsOutside(link.Target) {
				file, _ := page.At(link.Target)
				follow(file)
			}
		}
	}
	follow("docs/README.md")
	for _, page := range all {
		if !found[page.Name] && page.Name != "README.md" {
			t.Errorf("no way leads from docs/README.md to %s", page.Name)
		}
	}
	if !slices.ContainsFunc(named(all, "README.md").Links, func(l site.Link) bool { return l.Target == "docs/README.md" }) {
		t.Error("README.md does not lead to docs/README.md")
	}
}

// TestEveryPictureIsShown: none lies there that no page shows.
func TestEveryPictureIsShown(t *testing.T) {
	shown := map[string]bool{}
	for _, page := range pages(t) {
		for _, link := range page.Links {
			file, _ := page.At(link.Target)
			shown[file] = true
		}
	}
	for _, pattern := range []string{"docs/*.svg", "docs/images/*"} {
		files, err := fs.Glob(tree, pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, file := range files {
			if !shown[file] {
				t.Errorf("no page shows %s", file)
			}
		}
	}
}

var (
	header  = regexp.MustCompile(`^\[([a-z]+)\]`)
	setting = regexp.MustCompile(`^([a-z_]+) = .+$`)
)

// settings returns what of a block is for ota.toml: all of it, or, where it does
// not say what it is, the paragraphs that begin with a table of ours.
func settings(block site.Block) (found []string) {
	if block.Fenced {
		if kind(block) == "toml" {
			found = append(found, block.Text)
		}
		return found
	}
	for part := range strings.SplitSeq(block.Text, "\n\n") {
		table := header.FindStringSubmatch(part)
		if table != nil && slices.ContainsFunc(config.Keys(), func(key config.Key) bool { return key.Table == table[1] }) {
			found = append(found, part)
		}
	}
	return found
}

// kind is the language of a block with a fence.
func kind(block site.Block) string {
	kind, _, _ := strings.Cut(block.Info, " ")
	return kind
}

// TestSettings: each block of settings is one that ota takes.
func TestSettings(t *testing.T) {
	n := 0
	for _, page := range pages(t) {
		for _, block := range page.Blocks {
			for _, text := range settings(block) {
				n++
				if _, err := config.ParseLayers("ota.toml", []byte(text)); err != nil {
					t.Errorf("%s:%d: %v", page.Name, block.Line, err)
				}
			}
		}
		for _, code := range page.Codes {
			found := setting.FindStringSubmatch(code.Text)
			if found == nil || strings.Contains(code.Text, "…") {
				continue
			}
			n++
			if !slices.ContainsFunc(config.Keys(), func(key config.Key) bool { return key.Name == found[1] }) {
				t.Errorf("%s:%d: %q: there is no such key", page.Name, code.Line, code.Text)
			}
		}
	}
	if n < 15 {
		t.Errorf("only %d settings were found", n)
	}
}

// TestKeysThatAreNamed: `[trial] period` is a key of that table.
func TestKeysThatAreNamed(t *testing.T) {
	named := regexp.MustCompile(`^\[([a-z]+)\](?: ([a-z_]+))?(?: = .*)?$`)
	n := 0
	for _, page := range pages(t) {
		for _, code := range page.Codes {
			found := named.FindStringSubmatch(code.Text)
			if found == nil || page.Name == "docs/environments.md" && found[1] == "project" { // of pyproject.toml
				continue
			}
			n++
			if !slices.ContainsFunc(config.Keys(), func(key config.Key) bool {
				return key.Table == found[1] && (found[2] == "" || key.Name == found[2])
			}) {
				t.Errorf("%s:%d: %s is no setting", page.Name, code.Line, code.Text)
			}
		}
	}
	if n < 30 {
		t.Errorf("only %d keys were found", n)
	}
}

// TestJSON: what is shown as JSON is JSON.
func TestJSON(t *testing.T) {
	n := 0
	for _, page := range pages(t) {
		for _, block := range page.Blocks {
			if kind(block) == "json" || !block.Fenced && strings.HasPrefix(block.Text, "{") {
				n++
				if !json.Valid([]byte(block.Text)) {
					t.Errorf("%s:%d: this is no JSON: %s", page.Name, block.Line, block.Text)
				}
			}
		}
	}
	if n == 0 {
		t.Error("no JSON was found")
	}
}

// TestPaths: a file or package of the tree that is named is there.
func TestPaths(t *testing.T) {
	of := regexp.MustCompile(`^(?:\./)?((?:internal|cmd|test|docs|testdata|examples|bench)/[\w./*-]+)$`)
	n := 0
	for _, page := range pages(t) {
		for _, code := range page.Codes {
			found := of.FindStringSubmatch(code.Text)
			if found == nil {
				continue
			}
			n++
			if matches, err := fs.Glob(tree, path.Clean(found[1])); err != nil || len(matches) == 0 {
				t.Errorf("%s:%d: there is no %s", page.Name, code.Line, found[1])
			}
		}
	}
	if n < 5 {
		t.Errorf("only %d paths were found", n)
	}
}

// TestTestsThatAreNamed: each test by which security.md shows something is one.
func TestTestsThatAreNamed(t *testing.T) {
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	are := map[string]bool{}
	for _, folder := range []string{"internal", "test"} {
		err := fs.WalkDir(tree, folder, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(name, "_test.go") {
				return err
			}
			text, err := fs.ReadFile(tree, name)
			for _, found := range declared.FindAllSubmatch(text, -1) {
				are[string(found[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	name := regexp.MustCompile(`^Test[A-Z]\w+$`)
	n := 0
	for _, page := range pages(t) {
		for _, code := range page.Codes {
			if !name.MatchString(code.Text) {
				continue
			}
			n++
			if !are[code.Text] {
				t.Errorf("%s:%d: there is no test %s", page.Name, code.Line, code.Text)
			}
		}
	}
	if n < 30 {
		t.Errorf("only %d tests were found", n)
	}
}
