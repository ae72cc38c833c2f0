// Package site reads the docs, and makes a site of them.
//
// In: a folder of Markdown. Out: what each page links to, shows and quotes, for
// the tests of the docs; and pages of HTML that need nothing else. Never: a
// script, or anything from elsewhere; and it is no part of ota.
package site

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
)

// Page is one file of Markdown.
type Page struct {
	Name    string // with slashes: "docs/page.md"
	Title   string
	Anchors []string // of its headings
	Links   []Link
	Blocks  []Block
	Codes   []Code

	source   []byte
	root     ast.Node
	sections []section
}

// Link leads somewhere, or shows a picture.
type Link struct {
	Target  string
	Line    int
	Picture bool
}

// Block is a block of code. Info is what stands behind the fence; an indented
// block has none.
type Block struct {
	Info   string
	Text   string
	Line   int // of its first line
	Fenced bool
}

// Code is code within a sentence.
type Code struct {
	Text string
	Line int
}

type section struct {
	title, anchor string
}

// markdown is what forges understand: CommonMark with tables, and HTML where
// that is written. The docs are ours, so it is trusted.
var markdown = goldmark.New(
	goldmark.WithExtensions(extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute))),
	goldmark.WithParserOptions(parser.WithAutoHeadingID()),
	goldmark.WithRendererOptions(html.WithUnsafe()),
)

// Read returns the pages of a tree: those directly in the folder docs, and those
// named, sorted.
func Read(tree fs.FS, others ...string) ([]*Page, error) {
	names, err := fs.Glob(tree, "docs/*.md")
	if err != nil {
		return nil, err
	}
	names = append(names, others...)
	slices.Sort(names)
	var pages []*Page
	for _, name := range names {
		source, err := fs.ReadFile(tree, name)
		if err != nil {
			return nil, fmt.Errorf("cannot read a page: %w", err)
		}
		pages = append(pages, Parse(name, source))
	}
	return pages, nil
}

// Parse reads one page.
func Parse(name string, source []byte) *Page {
	p := &Page{Name: name, source: source}
	p.root = markdown.Parser().Parse(text.NewReader(source), parser.WithContext(parser.NewContext(parser.WithIDs(&anchors{}))))
	at := 0
	ast.Walk(p.root, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		if node.Type() == ast.TypeBlock && node.Lines() != nil && node.Lines().Len() > 0 {
			at = bytes.Count(source[:node.Lines().At(0).Start], []byte("\n")) + 1
		}
		p.note(node, at)
		return ast.WalkContinue, nil
	})
	return p
}

func (p *Page) note(node ast.Node, line int) {
	switch node := node.(type) {
	case *ast.Heading:
		anchor, _ := node.AttributeString("id")
		id := string(anchor.([]byte))
		p.Anchors = append(p.Anchors, id)
		switch node.Level {
		case 1:
			p.Title = plain(node, p.source)
		case 2:
			p.sections = append(p.sections, section{plain(node, p.source), id})
		}
	case *ast.Link:
		p.Links = append(p.Links, Link{string(node.Destination), line, false})
	case *ast.AutoLink:
		p.Links = append(p.Links, Link{string(node.URL(p.source)), line, false})
	case *ast.Image:
		p.Links = append(p.Links, Link{string(node.Destination), line, true})
	case *ast.RawHTML:
		p.tags(segments(node.Segments, p.source), line)
	case *ast.HTMLBlock:
		p.tags(segments(node.Lines(), p.source), line)
	case *ast.FencedCodeBlock:
		info := ""
		if node.Info != nil {
			info = string(node.Info.Value(p.source))
		}
		p.Blocks = append(p.Blocks, Block{info, segments(node.Lines(), p.source), line, true})
	case *ast.CodeBlock:
		p.Blocks = append(p.Blocks, Block{"", segments(node.Lines(), p.source), line, false})
	case *ast.CodeSpan:
		p.Codes = append(p.Codes, Code{plain(node, p.source), line})
	}
}

var reference = regexp.MustCompile(`(?i)\b(href|src)="([^"]*)"`)

// tags notes what HTML refers to.
func (p *Page) tags(text string, line int) {
	for _, found := range reference.FindAllStringSubmatch(text, -1) {
		p.Links = append(p.Links, Link{found[2], line, strings.EqualFold(found[1], "src")})
	}
}

func segments(lines *text.Segments, source []byte) string {
	var all strings.Builder
	for i := range lines.Len() {
		line := lines.At(i)
		all.Write(line.Value(source))
	}
	return all.String()
}

// plain is the text of a node without its marks.
func plain(node ast.Node, source []byte) string {
	var all strings.Builder
	ast.Walk(node, func(inner ast.Node, entering bool) (ast.WalkStatus, error) {
		if piece, ok := inner.(*ast.Text); ok && entering {
			all.Write(piece.Value(source))
			if piece.SoftLineBreak() {
				all.WriteByte(' ')
			}
		}
		return ast.WalkContinue, nil
	})
	return all.String()
}

// At joins the target of a link with the page that it stands on: the file, with
// slashes below the top of the tree, and the anchor in it.
func (p *Page) At(target string) (file, anchor string) {
	target, anchor, _ = strings.Cut(target, "#")
	if target == "" {
		return p.Name, anchor
	}
	return path.Join(path.Dir(p.Name), target), anchor
}

// IsOutside tells whether a link leaves the tree.
func IsOutside(target string) bool {
	return strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:")
}

// Tree is the tree below a folder.
func Tree(top string) fs.FS { return os.DirFS(top) }
