package update

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stop is a box of the picture of an upload's way, for people: what they would
// call the same is one box.
type stop struct {
	name, says string
	x, y       int
	attempts   []Attempt
	standings  []Standing // of the release that runs, when no attempt is on its way
}

const boxWidth, boxHeight = 268, 52

// stops are all boxes; each state of the table is in one of them, or in unseen.
var stops = []stop{
	{"in deposit/", "until the upload is complete", 20, 16, []Attempt{Idle}, nil},
	{"checked", "the old program runs on", 20, 112, []Attempt{Preparing}, nil},
	{"deferred", "until its time has come", 20, 208, []Attempt{Deferred}, nil},
	{"switched", "stop, exchange the files, start", 20, 304, []Attempt{Halting, Switching, Refreshing, Finishing}, nil},
	{"on trial", "it runs, and is watched", 20, 400, nil, []Standing{OnTrial}},
	{"confirmed", "what a rollback goes back to", 20, 496, nil, []Standing{Settled, Proven}},
	{"held", "its files stay in deposit/, with the reason", 352, 112, []Attempt{Held}, nil},
	{"rolled back", "the release before is switched in again", 352, 400, []Attempt{Reverting}, []Standing{Condemned}},
	{"returned", "its files go back to deposit/", 352, 208, []Attempt{Returning}, nil},
}

// unseen are the states that the picture leaves out: starts, ends and what a
// person asks for.
var unseen = []Attempt{Opening, Adopting, Withdrawn, Unwanted, Torn, Unfinished, Discarding}

// arrows are drawn, each as the words say; the table has to have the step.
var arrows = []struct{ from, to, says, path string }{
	{"in deposit/", "checked", "complete", "M138 68V110"},
	{"checked", "deferred", "good", "M138 164V206"},
	{"deferred", "switched", "", "M138 260V302"},
	{"switched", "on trial", "", "M138 356V398"},
	{"on trial", "confirmed", "proved itself", "M138 452V494"},
	{"checked", "held", "refused", "M288 138H350"},
	{"on trial", "rolled back", "failed", "M288 426H350"},
	{"rolled back", "switched", "", "M440 400V336H290"},
	{"switched", "returned", "", "M288 318H400V262"},
	{"held", "checked", "corrected", "M486 112V88H250V110"},
}

// TestTheWayIsTrue: the picture for people shows steps that the table has, and
// forgets no state.
func TestTheWayIsTrue(t *testing.T) {
	for _, arrow := range arrows {
		if !hasStep(boxOf(t, arrow.from), boxOf(t, arrow.to)) {
			t.Errorf("the table has no step from %q to %q", arrow.from, arrow.to)
		}
	}
	for _, row := range table {
		for _, attempt := range append(slices.Clone(row.attempts), row.next.Attempt) {
			if attempt != "" && !slices.Contains(unseen, attempt) && !slices.ContainsFunc(stops, func(s stop) bool { return slices.Contains(s.attempts, attempt) }) {
				t.Errorf("%q is in no box", attempt)
			}
		}
	}
	const file = "../../docs/way.svg"
	if *rewrite {
		if err := os.WriteFile(file, []byte(drawWay()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(drawWay(), string(got)); diff != "" {
		t.Errorf("%s is not what this test draws; go test ./internal/update -update\n%s", file, diff)
	}
}

func boxOf(t *testing.T, name string) stop {
	t.Helper()
	at := slices.IndexFunc(stops, func(s stop) bool { return s.name == name })
	if at < 0 {
		t.Fatalf("there is no box %q", name)
	}
	return stops[at]
}

// hasStep tells whether a row of the table leads from one box to the other.
func hasStep(from, to stop) bool {
	return slices.ContainsFunc(table, func(row row) bool {
		attempted := slices.ContainsFunc(from.attempts, func(a Attempt) bool { return slices.Contains(row.attempts, a) })
		stood := slices.ContainsFunc(from.standings, func(s Standing) bool { return slices.Contains(row.standings, s) })
		return attempted && slices.Contains(to.attempts, row.next.Attempt) ||
			(attempted || stood) && slices.Contains(to.standings, row.next.Standing)
	})
}

// drawWay draws the boxes and arrows, in the colours of the other pictures.
func drawWay() string {
	var svg strings.Builder
	svg.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" width="640" height="564" viewBox="0 0 640 564" role="img" aria-labelledby="title">
<title id="title">The way of an upload: in deposit/, checked, perhaps deferred, switched, on trial, confirmed; or held, or rolled back and returned to deposit/.</title>
<style>
svg { --ground: #ffffff; --edge: #d0d7de; --bar: #f6f8fa; --ink: #1f2328; --faint: #656d76; --red: #cf222e; --green: #116329; }
@media (prefers-color-scheme: dark) {
  svg { --ground: #0d1117; --edge: #30363d; --bar: #161b22; --ink: #e6edf3; --faint: #9198a1; --red: #ff7b72; --green: #3fb950; }
}
text { font: 12px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: var(--faint); }
.name { font-size: 15px; font-weight: 600; fill: var(--ink); }
.frame { fill: var(--ground); stroke: var(--edge); }
.box { fill: var(--bar); stroke: var(--edge); }
.good { stroke: var(--green); stroke-width: 2; }
.bad { stroke: var(--red); stroke-width: 2; }
.arrow { fill: none; stroke: var(--faint); marker-end: url(#tip); }
#tip path { fill: var(--faint); }
</style>
<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8Z"/></marker>
<rect class="frame" x=".5" y=".5" width="639" height="563" rx="7.5"/>
`)
	kinds := map[string]string{"confirmed": " good", "held": " bad", "rolled back": " bad"}
	for _, arrow := range arrows {
		fmt.Fprintf(&svg, "<path class=\"arrow\" d=\"%s\"/>\n", arrow.path)
		if arrow.says != "" {
			x, y := labelled(arrow.path)
			fmt.Fprintf(&svg, "<text x=\"%d\" y=\"%d\">%s</text>\n", x, y, arrow.says)
		}
	}
	for _, one := range stops {
		fmt.Fprintf(&svg, "<rect class=\"box%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"6\"/>\n", kinds[one.name], one.x, one.y, boxWidth, boxHeight)
		fmt.Fprintf(&svg, "<text class=\"name\" x=\"%d\" y=\"%d\">%s</text>\n<text x=\"%d\" y=\"%d\">%s</text>\n", one.x+12, one.y+22, one.name, one.x+12, one.y+41, one.says)
	}
	svg.WriteString("</svg>\n")
	return svg.String()
}

// labelled is where the words of an arrow stand: beside one that goes down, over
// one that goes aside.
func labelled(path string) (x, y int) {
	var end int
	if n, _ := fmt.Sscanf(path, "M%d %dV%d", &x, &y, &end); n == 3 {
		return x + 10, (y+end)/2 + 4
	}
	if n, _ := fmt.Sscanf(path, "M%d %dV%dH%d", &x, &y, &y, &end); n == 4 {
		return (x+end)/2 - 26, y - 7
	}
	fmt.Sscanf(path, "M%d %dH%d", &x, &y, &end)
	return x + 10, y - 8
}
