package page

import (
	"maps"
	"math"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ota/internal/kit/packed"
	"ota/internal/kit/packed/packedtest"
)

// contentOf is an asset as it was written.
func contentOf(name string) []byte { return packed.Open(packedOf(name)) }

// TestPackedIsWhatWasWritten: what is embedded is what lies in assets/. The
// content is compared, as another Go may compress it otherwise.
func TestPackedIsWhatWasWritten(t *testing.T) {
	written, err := filepath.Glob("assets/*")
	if err != nil || len(written) < 30 {
		t.Fatalf("%q, %v", written, err)
	}
	for i, from := range written {
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		written[i] = filepath.Base(from)
		packedtest.Check(t, filepath.Join("packed", written[i]+".gz"), content, *update)
	}
	embedded := slices.Sorted(maps.Keys(assets()))
	if slices.Sort(written); !*update && !slices.Equal(written, embedded) {
		t.Errorf("in assets/: %q\nin packed/: %q", written, embedded)
	}
}

func TestEveryAssetCanBeServed(t *testing.T) {
	tags := map[string]string{}
	for name := range assets() {
		content, kind, tag, ok := Asset(name)
		if !ok || len(content) == 0 || kind == "" || len(tag) < 10 {
			t.Errorf("%s: %d bytes, %q, %s, %t", name, len(content), kind, tag, ok)
		}
		if other := tags[tag]; other != "" {
			t.Errorf("%s and %s are the same to a cache", name, other)
		}
		tags[tag] = name
	}
	for _, name := range []string{"", "page.go", "../assets.go", "assets", "page.js/"} {
		if _, _, _, ok := Asset(name); ok {
			t.Errorf("%q can be had", name)
		}
	}
}

func TestWhoIsNotLoggedInGetsTheLoginPageOnly(t *testing.T) {
	for name := range ofLogin {
		if _, _, _, ok := LoginAsset(name); !ok {
			t.Errorf("%s can't be had", name)
		}
	}
	if _, _, _, ok := LoginAsset("page.js"); ok {
		t.Error("page.js can be had")
	}
}

// TestThePageLoadsWhatThereIs: addresses in both documents lead to assets.
func TestThePageLoadsWhatThereIs(t *testing.T) {
	loads := regexp.MustCompile(`(?:href|src)="/(page|login)/([^"]+)"`)
	for _, page := range []string{home(t, running()), login(t, LoginView{}), login(t, LoginView{Code: "x"})} {
		found := loads.FindAllStringSubmatch(page, -1)
		if len(found) < 4 {
			t.Errorf("only %v", found)
		}
		for _, one := range found {
			get := Asset
			if one[1] == "login" {
				get = LoginAsset
			}
			if _, _, _, ok := get(one[2]); !ok {
				t.Errorf("%s is not there", one[0])
			}
		}
	}
}

// TestModulesFitTogether: what is imported is exported. A browser would show
// nothing at all.
func TestModulesFitTogether(t *testing.T) {
	imports := regexp.MustCompile(`(?s)import \{([^}]*)\} from '\./([^']+)'`)
	for name := range assets() {
		for _, one := range imports.FindAllStringSubmatch(string(contentOf(name)), -1) {
			if _, _, _, ok := Asset(one[2]); !ok {
				t.Errorf("%s imports %s, which is not there", name, one[2])
				continue
			}
			from := contentOf(one[2])
			for imported := range strings.SplitSeq(one[1], ",") {
				what, _, _ := strings.Cut(strings.TrimSpace(imported), " as ")
				exported := regexp.MustCompile(`(?m)^export (?:async )?(?:const|function|class) ` + what + `\b`)
				if what != "" && !exported.Match(from) {
					t.Errorf("%s imports %s, which %s does not export", name, what, one[2])
				}
			}
		}
	}
}

// banned are words by which text could become markup, or something could be
// loaded from elsewhere. The page's policy stops them; they should not even be
// tried.
var banned = map[string]*regexp.Regexp{
	".js":  regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|createContextualFragment|setAttribute\('style'|https?://[^w]`),
	".css": regexp.MustCompile(`url\(|@import|expression\(`),
	".svg": regexp.MustCompile(`<script|\bon\w+=|href`),
}

func TestAssetsTrustNobody(t *testing.T) {
	for name := range assets() {
		if found := banned[path.Ext(name)].Find(contentOf(name)); found != nil {
			t.Errorf("%s has %s", name, found)
		}
	}
}

// TestBothSidesSayTheSame: pictures and advice stand in the modules as they do
// here.
func TestBothSidesSayTheSame(t *testing.T) {
	said := func(module, text string) {
		t.Helper()
		if !strings.Contains(string(contentOf(module)), text) {
			t.Errorf("%s does not have %q", module, text)
		}
	}
	for _, lines := range pictures {
		said("parts.js", lines)
	}
	for _, v := range views() {
		said("words.js", adviceOnDeposit(v.Status.Deposit.State))
		said("words.js", wordsOfDeposit(v.Status.Deposit).word)
		said("words.js", wordsOfProgram(v.Status.Program, noon).word)
	}
}

// colours reads the custom properties of the block that begins with a line.
func colours(t *testing.T, begin string) map[string]string {
	t.Helper()
	_, after, found := strings.Cut(string(contentOf("base.css")), begin)
	block, _, closed := strings.Cut(after, "}")
	if !found || !closed {
		t.Fatalf("base.css has no %s", begin)
	}
	values := map[string]string{}
	for _, one := range regexp.MustCompile(`--([\w-]+): ([^;]+);`).FindAllStringSubmatch(block, -1) {
		values[one[1]] = one[2]
	}
	return values
}

func TestDarkIsDarkHoweverItIsChosen(t *testing.T) {
	bySystem, byHand := colours(t, `:root:not([data-theme="light"]) {`), colours(t, `:root[data-theme="dark"] {`)
	if len(bySystem) < 15 || len(bySystem) != len(byHand) {
		t.Errorf("%d and %d colours", len(bySystem), len(byHand))
	}
	for name, value := range bySystem {
		if byHand[name] != value {
			t.Errorf("--%s is %s, and %s by hand", name, value, byHand[name])
		}
	}
}

// TestColoursCanBeRead: WCAG 2.2, 1.4.3 for text and 1.4.11 for what tells
// something without text.
func TestColoursCanBeRead(t *testing.T) {
	texts := [][2]string{{"on-accent", "accent"}, {"surface", "bad"}, {"good", "good-soft"}, {"notice", "notice-soft"}, {"bad", "bad-soft"}, {"bad", "raised"}}
	for _, ground := range []string{"ground", "surface", "raised"} {
		texts = append(texts, [2]string{"text", ground}, [2]string{"muted", ground}, [2]string{"accent", ground})
	}
	for _, ground := range []string{"good-soft", "notice-soft", "bad-soft"} {
		texts = append(texts, [2]string{"text", ground})
	}
	marks := [][2]string{{"edge", "surface"}, {"good-mark", "surface"}, {"bad-mark", "surface"}, {"accent", "line"}}
	for name, begin := range map[string]string{"light": ":root {", "dark": `:root[data-theme="dark"] {`} {
		colour := colours(t, begin)
		atLeast := func(pairs [][2]string, want float64) {
			for _, pair := range pairs {
				if got := contrast(t, colour[pair[0]], colour[pair[1]]); got < want {
					t.Errorf("%s: %s on %s has a contrast of %.2f, not %.1f", name, pair[0], pair[1], got, want)
				}
			}
		}
		atLeast(texts, 4.5)
		atLeast(marks, 3)
	}
}

// contrast is that of WCAG 2.
func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	digits := strings.TrimPrefix(colour, "#")
	if len(digits) == 3 {
		digits = string([]byte{digits[0], digits[0], digits[1], digits[1], digits[2], digits[2]})
	}
	value, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || len(digits) != 6 {
		t.Fatalf("%q is no colour", colour)
	}
	part := func(shift int) float64 {
		c := float64(value>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
}
