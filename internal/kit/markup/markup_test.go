package markup

import (
	"strings"
	"testing"
)

func render(t *testing.T, root Part) string {
	t.Helper()
	var out strings.Builder
	if err := Render(&out, root); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(strings.TrimPrefix(out.String(), "<!doctype html>\n"), "\n")
}

func TestWhatIsBuilt(t *testing.T) {
	for name, test := range map[string]struct {
		root Part
		want string
	}{
		"an element":              {El("p", Attr("class", "muted"), Text("a"), nil, El("b", Text("c"))), `<p class="muted">a<b>c</b></p>`},
		"attributes after text":   {El("p", Text("a"), Attr("id", "x")), `<p id="x">a</p>`},
		"several in place of one": {El("p", All(Attr("id", "x"), Text("a"), nil)), `<p id="x">a</p>`},
		"no end tag":              {El("input", Attr("name", "x"), Text("lost")), `<input name="x">`},
		"text is text":            {El("p", Text(`<script>alert("1")</script> & 'x'`)), `<p>&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt; &amp; &#39;x&#39;</p>`},
		"a value is a value":      {El("p", Attr("title", `" onclick="alert(1)`)), `<p title="&#34; onclick=&#34;alert(1)"></p>`},
		"order and escapes":       {El("p", Text("a\u202eb\x1b[31m\n")), `<p>a\u202eb\x1b[31m\n</p>`},
		"not UTF-8":               {El("p", Text("\xff")), `<p>\xff</p>`},
		"no script inside":        {El("script", Text("alert(1)"), Attr("src", "/a.js")), `<script src="/a.js"></script>`},
		"no style":                {El("style", Text("*{}")), `<style></style>`},
		"no style attribute":      {El("p", Attr("style", "color:red"), Attr("onclick", "x()")), `<p></p>`},
		"an address here":         {El("a", Attr("href", "/x?a=1&b=2")), `<a href="/x?a=1&amp;b=2"></a>`},
		"a place here":            {El("a", Attr("href", "#log")), `<a href="#log"></a>`},
		"an address elsewhere":    {El("a", Attr("href", "https://example.com/")), `<a></a>`},
		"an address without http": {El("a", Attr("href", "//example.com/")), `<a></a>`},
		"the same to a browser":   {El("a", Attr("href", `/\example.com/`)), `<a></a>`},
		"a tab is left out":       {El("a", Attr("href", "/\t/example.com/")), `<a></a>`},
		"a script as an address":  {El("a", Attr("href", "javascript:alert(1)")), `<a></a>`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := render(t, test.root); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// FuzzTextStaysText: whatever comes in, no tag and no attribute comes of it.
func FuzzTextStaysText(f *testing.F) {
	f.Add("plain")
	f.Add(`</p><script>"'&`)
	f.Add("\u202e\x00\xff\u2028\U000e0001")
	f.Fuzz(func(t *testing.T, text string) {
		got := render(t, El("p", Attr("title", text), Text(text)))
		inside, ok := strings.CutPrefix(got, `<p title="`)
		inside, ok2 := strings.CutSuffix(inside, "</p>")
		value, content, ok3 := strings.Cut(inside, `">`)
		if !ok || !ok2 || !ok3 || strings.ContainsAny(value+content, "<>\"'\n\x00\x1b") {
			t.Errorf("%q became %s", text, got)
		}
	})
}
