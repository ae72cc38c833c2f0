package site

import (
	"fmt"
	"html"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"
)

// dressed renders as markdown does, but for what dress does in its own way.
var dressed = func() goldmark.Markdown {
	markdown.Renderer().AddOptions(renderer.WithNodeRenderers(util.Prioritized(dress{}, 1)))
	return markdown
}()

// dress renders headings that can be linked to, tables that can be wider than
// the screen, and consoles.
type dress struct{}

// RegisterFuncs implements renderer.NodeRenderer.
func (dress) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindHeading, heading)
	r.Register(extast.KindTable, table)
	r.Register(ast.KindFencedCodeBlock, fenced)
}

func heading(w util.BufWriter, _ []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	n := node.(*ast.Heading)
	id, _ := n.AttributeString("id")
	if entering {
		fmt.Fprintf(w, "<h%d id=\"%s\">", n.Level, id)
		return ast.WalkContinue, nil
	}
	if n.Level > 1 {
		fmt.Fprintf(w, " <a class=\"here\" href=\"#%s\" aria-label=\"Link to this section\">#</a>", id)
	}
	fmt.Fprintf(w, "</h%d>\n", n.Level)
	return ast.WalkContinue, nil
}

// table can be scrolled, with the keyboard, too.
func table(w util.BufWriter, _ []byte, _ ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		w.WriteString("<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"Table\"><table>\n")
	} else {
		w.WriteString("</table></div>\n")
	}
	return ast.WalkContinue, nil
}

// places are where a block belongs, as the info string of its fence says.
var places = map[string]string{"pi": "on the Pi", "computer": "on your computer"}

func fenced(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	n := node.(*ast.FencedCodeBlock)
	var info []string
	if n.Info != nil {
		info = strings.Fields(string(n.Info.Value(source)))
	}
	kind, label := "", ""
	if len(info) > 0 {
		kind = info[0]
	}
	if len(info) > 1 {
		if label = places[info[1]]; label != "" && kind != "console" && len(info) > 2 {
			label = info[2] + ", " + label
		}
	}
	text := segments(n.Lines(), source)
	w.WriteString("<figure>")
	if label != "" {
		fmt.Fprintf(w, "<figcaption>%s</figcaption>", html.EscapeString(label))
	}
	if kind == "mermaid" {
		w.WriteString("<details><summary>As text, for a program that draws it (Mermaid)</summary>")
	}
	w.WriteString("<pre tabindex=\"0\"><code>")
	for line := range strings.Lines(text) {
		if command, ok := strings.CutPrefix(line, "$ "); ok && kind == "console" {
			fmt.Fprintf(w, "<span class=\"prompt\">$ </span><b>%s</b>\n", html.EscapeString(strings.TrimSuffix(command, "\n")))
			continue
		}
		w.WriteString(html.EscapeString(line))
	}
	w.WriteString("</code></pre>")
	if kind == "mermaid" {
		w.WriteString("</details>")
	}
	w.WriteString("</figure>\n")
	return ast.WalkSkipChildren, nil
}
