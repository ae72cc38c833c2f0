package site

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/yuin/goldmark/ast"
)

//go:embed site.css
var sheet []byte

const front = "docs/README.md"

// File is one file of the site.
type File struct {
	Name string // with slashes
	Data []byte
}

// Render makes the site: each page, the pictures that pages show, and the
// stylesheet. The order is that of the front page, docs/README.md. An error
// names each link that would lead nowhere.
func Render(tree fs.FS, pages []*Page) ([]File, error) {
	s := &rendering{tree: tree, pages: map[string]*Page{}, files: map[string][]byte{"site.css": sheet}}
	for _, page := range pages {
		s.pages[page.Name] = page
	}
	if s.pages[front] == nil {
		return nil, errors.New("cannot make a site without " + front)
	}
	s.contents = contents(s.pages[front])
	for _, page := range pages {
		s.files[address(page.Name)] = s.page(page)
	}
	var files []File
	for name, data := range s.files {
		files = append(files, File{name, data})
	}
	sort.Slice(files, func(i, j int) bool { return files[i].Name < files[j].Name })
	return files, errors.Join(s.problems...)
}

type rendering struct {
	tree     fs.FS
	pages    map[string]*Page
	contents []chapter
	files    map[string][]byte
	problems []error
}

// chapter is a part of the contents: a heading of the front page and the pages
// that stand below it.
type chapter struct {
	title string
	names []string
}

// contents are what the front page leads to, in its order: the first link of
// each item of its lists.
func contents(page *Page) (all []chapter) {
	ast.Walk(page.root, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch node := node.(type) {
		case *ast.Heading:
			if node.Level == 2 {
				all = append(all, chapter{title: plain(node, page.source)})
			}
		case *ast.ListItem:
			name := ""
			ast.Walk(node, func(inner ast.Node, entering bool) (ast.WalkStatus, error) {
				if link, ok := inner.(*ast.Link); ok && entering && name == "" {
					name, _ = page.At(string(link.Destination))
				}
				return ast.WalkContinue, nil
			})
			if last := len(all) - 1; last >= 0 && name != "" {
				all[last].names = append(all[last].names, name)
			}
			return ast.WalkSkipChildren, nil
		}
		return ast.WalkContinue, nil
	})
	return all
}

// address is where a page is in the site: docs/page.md is page.html.
func address(name string) string {
	if name == front {
		return "index.html"
	}
	return strings.ToLower(strings.TrimSuffix(path.Base(name), ".md")) + ".html"
}

// link is the address of what a page refers to. Pictures come into the site.
func (s *rendering) link(page *Page, target string) string {
	if IsOutside(target) {
		return target
	}
	file, anchor := page.At(target)
	if anchor != "" {
		anchor = "#" + anchor
	}
	if file == "README.md" { // that of the whole project
		file = front
	}
	if other, ok := s.pages[file]; ok {
		if anchor != "" && !slices.Contains(other.Anchors, anchor[1:]) {
			s.problems = append(s.problems, fmt.Errorf("%s: %s has no heading %s", page.Name, file, anchor))
		}
		if file == page.Name && anchor != "" {
			return anchor
		}
		return address(file) + anchor
	}
	below, isOurs := strings.CutPrefix(file, "docs/")
	data, err := fs.ReadFile(s.tree, file)
	if err != nil || !isOurs {
		s.problems = append(s.problems, fmt.Errorf("%s: %q is no part of the site", page.Name, target))
		return target
	}
	s.files[below] = data
	return below
}

func (s *rendering) page(page *Page) []byte {
	s.redirect(page)
	var body bytes.Buffer
	if err := dressed.Renderer().Render(&body, page.source, page.root); err != nil {
		s.problems = append(s.problems, fmt.Errorf("cannot render %s: %w", page.Name, err))
	}
	title := page.Title
	if page.Name != front {
		title += " · ota"
	}
	var all bytes.Buffer
	fmt.Fprintf(&all, `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>%s</title>
<link rel="stylesheet" href="site.css">
<a class="skip" href="#content">To the text</a>
<header><a href="index.html">ota</a> <span>keeps a program on a small device running and up to date</span></header>
<div class="frame">
`, html.EscapeString(title))
	s.navigation(&all, page)
	fmt.Fprintf(&all, "<main id=\"content\">\n%s", body.Bytes())
	s.neighbours(&all, page)
	all.WriteString("</main>\n</div>\n</html>\n")
	return all.Bytes()
}

// redirect makes each link of a page one of the site.
func (s *rendering) redirect(page *Page) {
	ast.Walk(page.root, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			switch node := node.(type) {
			case *ast.Link:
				node.Destination = []byte(s.link(page, string(node.Destination)))
			case *ast.Image:
				node.Destination = []byte(s.link(page, string(node.Destination)))
			case *ast.RawHTML:
				s.tags(page, segments(node.Segments, page.source))
			case *ast.HTMLBlock:
				s.tags(page, segments(node.Lines(), page.source))
			}
		}
		return ast.WalkContinue, nil
	})
}

// tags brings what HTML of a page shows. It stays as it is, so it can show only
// what has the same name in the site.
func (s *rendering) tags(page *Page, text string) {
	for _, found := range reference.FindAllStringSubmatch(text, -1) {
		if got := s.link(page, found[2]); got != found[2] {
			s.problems = append(s.problems, fmt.Errorf("%s: write %s in Markdown", page.Name, found[0]))
		}
	}
}

// navigation is the contents, with the sections of this page. On a narrow screen
// it is folded up, without a script.
func (s *rendering) navigation(all *bytes.Buffer, page *Page) {
	all.WriteString("<nav aria-label=\"Contents\">\n<input type=\"checkbox\" id=\"fold\"><label for=\"fold\">Contents</label>\n<div>\n")
	for _, chapter := range s.contents {
		fmt.Fprintf(all, "<h2>%s</h2>\n<ul>\n", html.EscapeString(chapter.title))
		for _, name := range chapter.names {
			other := s.pages[name]
			if other == nil {
				continue
			}
			if other != page {
				fmt.Fprintf(all, "<li><a href=\"%s\">%s</a>\n", address(name), html.EscapeString(other.Title))
				continue
			}
			fmt.Fprintf(all, "<li><a href=\"%s\" aria-current=\"page\">%s</a>\n", address(name), html.EscapeString(other.Title))
			if len(page.sections) > 1 {
				all.WriteString("<ul>\n")
				for _, section := range page.sections {
					fmt.Fprintf(all, "<li><a href=\"#%s\">%s</a>\n", section.anchor, html.EscapeString(section.title))
				}
				all.WriteString("</ul>\n")
			}
		}
		all.WriteString("</ul>\n")
	}
	all.WriteString("</div>\n</nav>\n")
}

// neighbours are the pages before and after this one.
func (s *rendering) neighbours(all *bytes.Buffer, page *Page) {
	order := []string{front}
	for _, chapter := range s.contents {
		for _, name := range chapter.names {
			if s.pages[name] != nil && !slices.Contains(order, name) {
				order = append(order, name)
			}
		}
	}
	at := slices.Index(order, page.Name)
	if at < 0 {
		return
	}
	all.WriteString("<footer>\n")
	if at > 0 {
		fmt.Fprintf(all, "<a rel=\"prev\" href=\"%s\">%s</a>\n", address(order[at-1]), html.EscapeString(s.pages[order[at-1]].Title))
	}
	if at+1 < len(order) {
		fmt.Fprintf(all, "<a rel=\"next\" href=\"%s\">%s</a>\n", address(order[at+1]), html.EscapeString(s.pages[order[at+1]].Title))
	}
	all.WriteString("</footer>\n")
}
