// Package markup builds HTML in which nothing from outside can be more than
// text.
//
// In: elements, attributes and texts. Out: HTML. Never: a way to write markup
// that was not built here; a style, a script or an event handler inside the
// page; an address of another site.
//
// Texts and values of attributes are made harmless twice: characters that would
// turn the order of a line round or can't be seen are written as text (see
// kit/escape), and what HTML would take as markup is escaped. Who builds a page
// can forget neither, because no other type is taken.
//
// What is built never changes; several goroutines may render it.
package markup

import (
	"io"
	"strings"

	"ota/internal/kit/escape"
)

// Part is what an element is made of: attributes, texts and other elements. A
// nil part is nothing at all.
type Part interface{ in(*element) }

// El is an element. Its attributes and its content may come in any order. An
// element that has no content in HTML, or one whose content is no text (script,
// style), gets none.
func El(name string, parts ...Part) Part {
	made := &element{name: name}
	for _, part := range parts {
		if part != nil {
			part.in(made)
		}
	}
	return made
}

// All are several parts in place of one.
func All(parts ...Part) Part { return group(parts) }

// Text is text.
func Text(text string) Part { return plain(text) }

// Attr is an attribute. What has no place in a page that trusts nobody is left
// out: style, handlers of events, and addresses that are not on this site.
func Attr(name, value string) Part { return attribute{name, value} }

// Render writes a whole document.
func Render(w io.Writer, root Part) error {
	page := &element{}
	root.in(page)
	out := append(make([]byte, 0, 64<<10), "<!doctype html>\n"...)
	for _, node := range page.content {
		out = node.write(out)
	}
	_, err := w.Write(append(out, '\n'))
	return err
}

// node is what stands in an element's content.
type node interface{ write([]byte) []byte }

type element struct {
	name       string
	attributes []attribute
	content    []node
}

type (
	group     []Part
	plain     string
	attribute struct{ name, value string }
)

func (e *element) in(parent *element) { parent.content = append(parent.content, e) }

func (p plain) in(parent *element) { parent.content = append(parent.content, p) }

func (g group) in(parent *element) {
	for _, part := range g {
		if part != nil {
			part.in(parent)
		}
	}
}

func (a attribute) in(parent *element) {
	switch {
	case a.name == "style" || strings.HasPrefix(a.name, "on"):
		return
	case isAddress[a.name] && !isHere(a.value):
		return
	}
	parent.attributes = append(parent.attributes, a)
}

// isAddress are the attributes that lead somewhere.
var isAddress = map[string]bool{"href": true, "src": true, "action": true, "formaction": true}

// isHere reports whether an address is one of this site: a path, or a place on
// the page. Browsers take a backslash for a slash, and leave out tabs and
// newlines before they look (URL Standard, "basic URL parser").
func isHere(address string) bool {
	if strings.ContainsAny(address, "\\\t\r\n") {
		return false
	}
	return strings.HasPrefix(address, "#") || strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "//")
}

// isVoid are the elements that have no content, and no end tag.
var isVoid = map[string]bool{"br": true, "hr": true, "img": true, "input": true, "link": true, "meta": true, "wbr": true}

// isRaw are the elements whose content is not read as text.
var isRaw = map[string]bool{"script": true, "style": true}

func (e *element) write(dst []byte) []byte {
	dst = append(append(dst, '<'), e.name...)
	for _, a := range e.attributes {
		dst = append(append(append(dst, ' '), a.name...), `="`...)
		dst = append(appendText(dst, a.value), '"')
	}
	dst = append(dst, '>')
	if isVoid[e.name] {
		return dst
	}
	if !isRaw[e.name] {
		for _, node := range e.content {
			dst = node.write(dst)
		}
	}
	return append(append(append(dst, "</"...), e.name...), '>')
}

func (p plain) write(dst []byte) []byte { return appendText(dst, string(p)) }

// appendText escapes the same in content and in attributes, so that there is
// nothing to choose.
func appendText(dst []byte, text string) []byte {
	for _, c := range escape.Line(nil, []byte(text)) {
		switch c {
		case '&':
			dst = append(dst, "&amp;"...)
		case '<':
			dst = append(dst, "&lt;"...)
		case '>':
			dst = append(dst, "&gt;"...)
		case '"':
			dst = append(dst, "&#34;"...)
		case '\'':
			dst = append(dst, "&#39;"...)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
