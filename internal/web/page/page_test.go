package page

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"ota/internal/api"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) {
	time.Local = time.UTC // what people see is in their own time
	os.Exit(m.Run())
}

func home(t *testing.T, v View) string {
	t.Helper()
	var out strings.Builder
	if err := Home(&out, v); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func login(t *testing.T, v LoginView) string {
	t.Helper()
	var out strings.Builder
	if err := Login(&out, v); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestThePage compares whole pages, an element a line, with those that were
// looked at.
func TestThePage(t *testing.T) {
	pages := map[string]string{
		"login":       login(t, LoginView{Device: "garden", Error: "that code is not right"}),
		"login-link":  login(t, LoginView{Device: "garden", Code: "4k2j-9fqe"}),
		"empty":       home(t, empty()),
		"held":        home(t, held()),
		"rolled-back": home(t, rolledBack()),
		"power":       home(t, weakPower()),
	}
	for name, page := range pages {
		t.Run(name, func(t *testing.T) {
			got, path := strings.ReplaceAll(page, "><", ">\n<"), filepath.Join("testdata", name+".html")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Error("(-want +got), \"go test -update\" accepts it:\n" + diff)
			}
		})
	}
}

// TestEveryPageIsSound: what the page's policy forbids is not in it, whatever
// comes from outside, and a browser need not guess.
func TestEveryPageIsSound(t *testing.T) {
	pages := map[string]string{
		"login": login(t, LoginView{Device: script, Error: script}),
		"link":  login(t, LoginView{Device: script, Code: script + `"`}),
	}
	for name, v := range views() {
		pages[name] = home(t, v)
	}
	for name, page := range pages {
		t.Run(name, func(t *testing.T) { checkSound(t, page) })
	}
}

// checkSound reads what markup.Render can write, and nothing else: that it is
// nothing else is what it is about.
func checkSound(t *testing.T, page string) {
	t.Helper()
	var open []string
	ids := map[string]bool{}
	rest, _ := strings.CutPrefix(page, "<!doctype html>\n")
	for rest != "" {
		text, after, found := strings.Cut(rest, "<")
		if len(open) > 0 && open[len(open)-1] == "script" && text != "" {
			t.Errorf("a script in the page: %q", text)
		}
		if !found {
			break
		}
		tag, tail, closed := strings.Cut(after, ">")
		if !closed {
			t.Fatalf("a tag without an end: %q", after)
		}
		rest = tail
		if name, isEnd := strings.CutPrefix(tag, "/"); isEnd {
			if len(open) == 0 || open[len(open)-1] != name {
				t.Fatalf("</%s> in %v", name, open)
			}
			open = open[:len(open)-1]
			continue
		}
		name, attributes, _ := strings.Cut(tag, " ")
		checkAttributes(t, name, attributes, ids)
		switch name {
		case "meta", "link", "input", "wbr":
		default:
			open = append(open, name)
		}
	}
	if len(open) > 0 {
		t.Errorf("not closed: %v", open)
	}
	for _, r := range strings.TrimPrefix(page, "<!doctype html>\n") {
		if unicode.Is(unicode.Cf, r) || unicode.IsControl(r) && r != '\t' && r != '\n' || r == unicode.ReplacementChar {
			t.Errorf("%U is in the page", r)
		}
	}
}

func checkAttributes(t *testing.T, tag, attributes string, ids map[string]bool) {
	t.Helper()
	for attributes != "" {
		name, after, ok := strings.Cut(attributes, `="`)
		value, rest, closed := strings.Cut(after, `"`)
		if !ok || !closed {
			t.Fatalf("<%s>: attributes that can't be read: %q", tag, attributes)
		}
		attributes = strings.TrimPrefix(rest, " ")
		switch {
		case name == "style" || strings.HasPrefix(name, "on"):
			t.Errorf("<%s> has %s", tag, name)
		case name == "id" && ids[value]:
			t.Errorf("the id %s is there twice", value)
		case name == "id":
			ids[value] = true
		case (name == "href" || name == "src" || name == "action") && !strings.HasPrefix(value, "/") && !strings.HasPrefix(value, "#"):
			t.Errorf("<%s> leads to %s", tag, value)
		case strings.ContainsAny(value, "<>"):
			t.Errorf("<%s>: %s holds markup: %s", tag, name, value)
		}
	}
}

func TestTheLinkIsAForm(t *testing.T) {
	page := login(t, LoginView{Device: "garden", Code: "secret"})
	if strings.Contains(page, `type="password"`) || !strings.Contains(page, `<input type="hidden" name="code" value="secret">`) {
		t.Error(page)
	}
}

func TestExcerptMarksTheSpot(t *testing.T) {
	const source = "    if x < 1\t"
	for name, test := range map[string]struct {
		source string
		column int
		want   string
	}{
		"in the line":          {source, 8, "<code>if <mark>x</mark> &lt; 1</code>"},
		"behind it":            {source, 13, "<code>if x &lt; 1<mark> </mark></code>"},
		"in what is cut off":   {source, 2, "<code>if x &lt; 1</code>"},
		"far behind it":        {source, 40, "<code>if x &lt; 1</code>"},
		"characters of a kind": {"größe = 1€", 10, "<code>größe = 1<mark>€</mark></code>"},
		"an empty line":        {" \t ", 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := markupOf(t, excerpt(test.source, nil, &test.column))
			if test.want != "" {
				test.want = `<p class="excerpt">` + test.want + "</p>"
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func markupOf(t *testing.T, shown part) string {
	t.Helper()
	var out strings.Builder
	if err := render(&out, all(shown)); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(strings.TrimPrefix(out.String(), "<!doctype html>"))
}

func TestCurve(t *testing.T) {
	at := func(minutes int, value float64) sample {
		return sample{ago(time.Duration(minutes) * time.Minute), &value}
	}
	gap := func(minutes int) sample { return sample{ago(time.Duration(minutes) * time.Minute), nil} }
	for name, test := range map[string]struct {
		samples    []sample
		line, area string
	}{
		"an hour":                {[]sample{at(60, 0), at(30, 5), at(0, 10)}, "M0 32L50 16L100 0", "M0 32L0 32L50 16L100 0V32z"},
		"a gap":                  {[]sample{at(60, 5), gap(30), at(15, 10), at(0, 10)}, "M0 16M75 0L100 0", "M0 32L0 16V32zM75 32L75 0L100 0V32z"},
		"nothing now":            {[]sample{at(30, 5), gap(0)}, "M50 16", "M50 32L50 16V32z"},
		"older than an hour":     {[]sample{at(90, 5), at(0, 5)}, "M100 16", "M100 32L100 16V32z"},
		"the clock was set back": {[]sample{at(-5, 5), at(0, 5)}, "M100 16", "M100 32L100 16V32z"},
		"nothing at all":         {[]sample{gap(0)}, "", ""},
		"too high":               {[]sample{at(0, 50)}, "M100 0", "M100 32L100 0V32z"},
	} {
		t.Run(name, func(t *testing.T) {
			if line, area := curve(test.samples, 10, longestPlane); line != test.line || area != test.area {
				t.Errorf("got %s and %s, want %s and %s", line, area, test.line, test.area)
			}
		})
	}
}

func TestWithoutColours(t *testing.T) {
	for text, want := range map[string]string{
		`\x1b[1;31mred\x1b[0m and plain`: "red and plain",
		`\x1b[31`:                        `\x1b[31`,
		`\x1b[2Jcleared`:                 `\x1b[2Jcleared`,
		`\x1b[\x1b[31mred`:               `\x1b[red`,
		"plain":                          "plain",
	} {
		if got := withoutColours(text); got != want {
			t.Errorf("%s became %s, want %s", text, got, want)
		}
	}
}

func TestWordsOfTheProgram(t *testing.T) {
	for name, test := range map[string]struct {
		program api.Program
		want    state
	}{
		"runs":      {api.Program{State: api.Running, Started: new(ago(90 * time.Minute))}, state{good, "Running", "for 1 h"}},
		"reloads":   {api.Program{State: api.Running, Phase: new("reloading")}, state{good, "Running", "reloading"}},
		"loops":     {api.Program{State: api.Running, CrashLooping: true}, state{bad, "Running", ""}},
		"failed":    {crashing().Status.Program, state{bad, "Failed", "killed by SIGKILL (out of memory), 4 min ago; it is started again after a pause"}},
		"finished":  {api.Program{State: api.Finished, LastExit: &api.Exit{Code: new(0), At: ago(50 * time.Hour)}}, state{plain, "Finished", "exit code 0, 2 days ago"}},
		"unknown":   {api.Program{}, state{plain, "Not known", "nobody looks after the program"}},
		"no clock":  {api.Program{State: api.Running, Started: new(noon.Add(time.Hour))}, state{good, "Running", "for less than a minute"}},
		"equipping": {api.Program{State: api.Equipping}, state{notice, "Getting ready", "its environment is made, then it is started"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := wordsOfProgram(test.program, noon); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}
