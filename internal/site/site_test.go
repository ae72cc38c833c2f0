package site

import (
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// TestAnchors: as forges make them.
func TestAnchors(t *testing.T) {
	page := Parse("x.md", []byte("# The `[web]` table: what's new?\n\n## 1. The card\n\n## Ünïcode, 2 – 3\n\n## 1. The card\n\n## a_b-c\n"))
	want := []string{"the-web-table-whats-new", "1-the-card", "ünïcode-2--3", "1-the-card-1", "a_b-c"}
	if diff := cmp.Diff(want, page.Anchors); diff != "" {
		t.Error(diff)
	}
}

// TestParse: what a page says, and in which line.
func TestParse(t *testing.T) {
	page := Parse("docs/x.md", []byte("# A page\n\nTo [there](y.md#z) and\n![it](i.svg), `ota status`.\n\n<img src=\"j.png\">\n\n    in it\n\n```console pi\n$ ls\n```\n"))
	if page.Title != "A page" {
		t.Errorf("it is called %q", page.Title)
	}
	if diff := cmp.Diff([]Link{{"y.md#z", 3, false}, {"i.svg", 3, true}, {"j.png", 6, true}}, page.Links); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Block{{"", "in it\n", 8, false}, {"console pi", "$ ls\n", 11, true}}, page.Blocks); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Code{{"ota status", 3}}, page.Codes); diff != "" {
		t.Error(diff)
	}
	if file, anchor := page.At("../README.md#x"); file != "README.md" || anchor != "x" {
		t.Error(file, anchor)
	}
}

// TestRenderSmall: how a page looks in the site.
func TestRenderSmall(t *testing.T) {
	tree := fstest.MapFS{
		"docs/README.md": {Data: []byte("# All\n\n## Begin\n\n* [One](one.md): first, then [two](two.md).\n* [Two](two.md#x): second.\n")},
		"docs/one.md":    {Data: []byte("# One <1>\n\n![a](a.svg) [home](../README.md) [x](two.md#x) [log](../LOG.md)\n\n```console pi\n$ ls <a>\nb\n```\n")},
		"docs/two.md":    {Data: []byte("# Two\n\n## X\n\n| a |\n|---|\n| b |\n\n## Y\n")},
		"docs/a.svg":     {Data: []byte("<svg/>")},
		"LOG.md":         {Data: []byte("# Log\n")},
	}
	files := render(t, tree, "LOG.md")
	one := files["one.html"]
	for _, want := range []string{
		`<title>One &lt;1&gt; · ota</title>`, `href="index.html">home`, `href="two.html#x"`, `href="log.html"`, `src="a.svg"`,
		`<figcaption>on the Pi</figcaption>`, `<span class="prompt">$ </span><b>ls &lt;a&gt;</b>`, `aria-current="page"`,
		`<a rel="prev" href="index.html">All</a>`, `<a rel="next" href="two.html">Two</a>`,
	} {
		if !strings.Contains(one, want) {
			t.Errorf("one.html has no %s:\n%s", want, one)
		}
	}
	if !strings.Contains(files["two.html"], `<a href="#y">Y</a>`) || files["a.svg"] != "<svg/>" {
		t.Error("its sections, or the picture, are not there")
	}
}

// TestRenderNamesWhatLeadsNowhere, instead of making half a site.
func TestRenderNamesWhatLeadsNowhere(t *testing.T) {
	for text, want := range map[string]string{
		"[a](b.md)":              `"b.md" is no part of the site`,
		"[a](README.md#none)":    "docs/README.md has no heading #none",
		"[a](../README.md)":      "",
		"<a href=\"README.md\">": "write href=\"README.md\" in Markdown",
		"[a](x.md#none)":         "docs/x.md has no heading #none",
		"[a](../internal/x.go)":  "is no part of the site",
		"<img src=\"none.png\">": `"none.png" is no part of the site`,
	} {
		tree := fstest.MapFS{"docs/README.md": {Data: []byte("# A\n")}, "docs/x.md": {Data: []byte("# X\n\n" + text + "\n")}, "internal/x.go": {}}
		pages, err := Read(tree)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Render(tree, pages)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func render(t *testing.T, tree fstest.MapFS, others ...string) map[string]string {
	t.Helper()
	pages, err := Read(tree, others...)
	if err != nil {
		t.Fatal(err)
	}
	made, err := Render(tree, pages)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, file := range made {
		files[file.Name] = string(file.Data)
	}
	return files
}

var (
	refers = regexp.MustCompile(`(?:href|src)="([^"]*)"`)
	marks  = regexp.MustCompile(` id="([^"]*)"`)
)

// TestTheSite: each page of the real one needs nothing else, and each of its
// links leads somewhere.
func TestTheSite(t *testing.T) {
	tree := Tree("../..")
	pages, err := Read(tree, "CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	made, err := Render(tree, pages)
	if err != nil {
		t.Fatal(err)
	}
	files, ids := map[string]string{}, map[string]bool{}
	for _, file := range made {
		files[file.Name] = string(file.Data)
		if !strings.HasSuffix(file.Name, ".html") {
			continue
		}
		for _, found := range marks.FindAllStringSubmatch(string(file.Data), -1) {
			if ids[file.Name+"#"+found[1]] {
				t.Errorf("%s has #%s twice", file.Name, found[1])
			}
			ids[file.Name+"#"+found[1]] = true
		}
	}
	if len(files) < 20 {
		t.Errorf("there are only %d files", len(files))
	}
	for name, text := range files {
		if !strings.HasSuffix(name, ".html") {
			continue
		}
		if strings.Count(text, "<h1") != 1 || strings.Contains(text, "<script") || strings.Contains(text, "style=") {
			t.Errorf("%s has a script, a style or not one title", name)
		}
		if !strings.Contains(text, `aria-current="page"`) && name != "index.html" {
			t.Errorf("%s is not in the contents", name)
		}
		for _, found := range refers.FindAllStringSubmatch(text, -1) {
			target := found[1]
			if strings.HasPrefix(target, "https://") && strings.HasPrefix(found[0], "href") {
				continue
			}
			file, anchor, _ := strings.Cut(target, "#")
			if file == "" {
				file = name
			}
			if _, ok := files[file]; !ok || anchor != "" && !ids[file+"#"+anchor] {
				t.Errorf("%s: %s leads nowhere", name, target)
			}
		}
	}
	if strings.Contains(files["site.css"], "url(") || strings.Contains(files["site.css"], "@import") {
		t.Error("the stylesheet needs something else")
	}
}
