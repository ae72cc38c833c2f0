//go:build linux

package page

import (
	"bytes"
	"cmp"
	_ "embed"
	"flag"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"ota/test/harness"
)

var pictures = flag.Bool("pictures", false, "write the pictures of docs/images anew")

// greenhouse makes the device of the tests one that has been in use for days.
//
//go:embed greenhouse.js
var greenhouse string

// showsGreenhouse is for a browser that takes pictures, before it loads the page.
func (b *browser) showsGreenhouse(d *harness.Device) {
	b.Helper()
	source := strings.ReplaceAll(greenhouse, "'DIR'", "'"+d.Dir+"'")
	b.do(command(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: source}))
}

// picture takes one of what a screen shows, for the docs, where that is asked for.
func (b *browser) picture(name string, on screen) {
	b.Helper()
	if !*pictures {
		return
	}
	b.look(on)
	b.run(`document.fonts.ready.then(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))))`)
	taken, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join("..", "..", "docs", "images", name+".png")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, small(b, taken), 0o644); err != nil {
		b.Fatal(err)
	}
}

// small writes a picture with the 256 colours that it has most of: a page has
// few, and shades at the edges of its letters.
func small(t testing.TB, taken []byte) []byte {
	t.Helper()
	from, err := png.Decode(bytes.NewReader(taken))
	if err != nil {
		t.Fatal(err)
	}
	bounds := from.Bounds()
	counts := map[color.RGBA]int{}
	each := func(do func(x, y int, c color.RGBA)) {
		for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
			for x := bounds.Min.X; x < bounds.Max.X; x++ {
				do(x, y, color.RGBAModel.Convert(from.At(x, y)).(color.RGBA))
			}
		}
	}
	each(func(_, _ int, c color.RGBA) { counts[c]++ })
	to := image.NewPaletted(bounds, palette(counts))
	nearest := map[color.RGBA]uint8{}
	each(func(x, y int, c color.RGBA) {
		index, known := nearest[c]
		if !known {
			index = uint8(to.Palette.Index(c))
			nearest[c] = index
		}
		to.SetColorIndex(x, y, index)
	})
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&out, to); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// palette takes the commonest colours of all kinds, then the commonest shades.
func palette(counts map[color.RGBA]int) color.Palette {
	common := make([]color.RGBA, 0, len(counts))
	for c := range counts {
		common = append(common, c)
	}
	slices.SortFunc(common, func(a, b color.RGBA) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), bytes.Compare([]byte{a.R, a.G, a.B}, []byte{b.R, b.G, b.B}))
	})
	var chosen color.Palette
	for _, apart := range []int{40, 8, 1} {
		for _, c := range common {
			if len(chosen) < 256 && !slices.ContainsFunc(chosen, func(other color.Color) bool { return isNear(c, other.(color.RGBA), apart) }) {
				chosen = append(chosen, c)
			}
		}
	}
	return chosen
}

func isNear(a, b color.RGBA, apart int) bool {
	difference := func(x, y uint8) int { return max(int(x)-int(y), int(y)-int(x)) }
	return max(difference(a.R, b.R), difference(a.G, b.G), difference(a.B, b.B)) < apart
}
