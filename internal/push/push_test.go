package push

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ota/internal/parcel"
	"ota/internal/receive"
)

func TestWhereTo(t *testing.T) {
	for text, want := range map[string]string{
		"pi@greenhouse:garden":       "pi@greenhouse ./garden",
		"greenhouse:/srv/g":          "greenhouse /srv/g",
		"ssh://pi@greenhouse:2222/g": "pi@greenhouse /g",
		"garden":                     "here/garden",
		"./a:b":                      "here/a:b",
		"/srv/g":                     "/srv/g",
	} {
		place, err := ParsePlace(text, "here")
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := place.dir
		if place.remote != nil {
			got = place.remote.Login() + " " + place.remote.RemoteDir()
		}
		if got != want {
			t.Errorf("%s: %q, not %q", text, got, want)
		}
	}
	for _, text := range []string{"", "ftp://greenhouse:8484", "-oProxyCommand=x:y", "a b:c"} {
		if place, err := ParsePlace(text, "here"); err == nil {
			t.Errorf("%q is taken: %+v", text, place)
		}
	}
}

// TestDryRun: only what an upload brought is removed, and a mode is a change.
func TestDryRun(t *testing.T) {
	sums := [2]string{strings.Repeat("a", 64), strings.Repeat("b", 64)}
	there := []receive.Entry{
		{Path: "changed", Mode: "0644", Sum: sums[0], Brought: true},
		{Path: "gone", Mode: "0644", Sum: sums[0], Brought: true},
		{Path: "link", Target: "same", Brought: true},
		{Path: "mode", Mode: "0644", Sum: sums[0], Brought: true},
		{Path: "own", Mode: "0644", Sum: sums[0]},
		{Path: "same", Mode: "0644", Sum: sums[0], Brought: true},
	}
	next := &parcel.Manifest{Kind: parcel.Whole, Files: []parcel.Entry{
		{Path: "changed", Mode: "0644", SHA256: sums[1]},
		{Path: "link", Kind: parcel.Link, Target: "same"},
		{Path: "mode", Mode: "0755", SHA256: sums[0]},
		{Path: "new", Mode: "0644", SHA256: sums[0]},
		{Path: "same", Mode: "0644", SHA256: sums[0]},
	}}
	want := []Change{{"changed", Replaced}, {"gone", Removed}, {"mode", Replaced}, {"new", Added}}
	if diff := cmp.Diff(want, changes(next, there)); diff != "" {
		t.Error(diff)
	}
	next.Kind = parcel.Overlay
	if diff := cmp.Diff(append(want[:1:1], want[2:]...), changes(next, there)); diff != "" {
		t.Error(diff)
	}
}
