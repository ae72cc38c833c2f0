package agent

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ota/internal/api"
	"ota/internal/release"
)

func (g *garden) verify() api.Verification {
	g.Helper()
	found, err := Verify(g.Context(), g.place.dir, func() {})
	g.check(err)
	return found
}

func (g *garden) wants(want api.Verification) {
	g.Helper()
	if diff := cmp.Diff(want, g.verify(), cmpopts.EquateEmpty()); diff != "" {
		g.Errorf("-want +got:\n%s", diff)
	}
}

const otherContent = "its content does not have the SHA-256 of its name"

func (g *garden) flaw(number int, at, content, message string) api.Flaw {
	return api.Flaw{Release: number, Path: new(api.Path(at)), File: api.Path(g.stored(content)), Message: message}
}

// TestVerifyHeals: with the copy in main/, where that is right, and for good.
func TestVerifyHeals(t *testing.T) {
	g := newGarden(t)
	g.enter(release.Confirmed, map[string]string{"main.py": "one", "lib/a": "a", "b": "b"})
	g.enter(release.Confirmed, map[string]string{"main.py": "two"})
	g.wants(api.Verification{Contents: 4})

	g.check(os.WriteFile(g.stored("a"), []byte("rotten"), 0o600))
	g.check(os.Remove(g.stored("b")))
	g.check(os.WriteFile(g.stored("one"), nil, 0o600))
	g.wants(api.Verification{
		Contents: 4,
		Healed:   api.List[api.Flaw]{g.flaw(2, "b", "b", "it is missing"), g.flaw(2, "lib/a", "a", otherContent)},
		Damaged:  api.List[api.Flaw]{g.flaw(1, "main.py", "one", otherContent)},
	})
	g.wants(api.Verification{Contents: 4, Damaged: api.List[api.Flaw]{g.flaw(1, "main.py", "one", otherContent)}})
}

// TestVerifyFollowsNoLink: a content outside is nobody's copy.
func TestVerifyFollowsNoLink(t *testing.T) {
	g := newGarden(t)
	g.enter(release.Confirmed, map[string]string{"lib/a": "a", "b": "b"})
	outside := t.TempDir()
	g.check(os.Rename(g.inMain("lib"), outside+"/lib"))
	g.check(os.Symlink(outside+"/lib", g.inMain("lib")))
	g.check(os.Rename(g.inMain("b"), outside+"/b"))
	g.check(os.Symlink(outside+"/b", g.inMain("b")))
	g.check(os.Remove(g.stored("a")))
	g.check(os.Remove(g.stored("b")))
	g.wants(api.Verification{
		Contents: 2,
		Damaged:  api.List[api.Flaw]{g.flaw(1, "b", "b", "it is missing"), g.flaw(1, "lib/a", "a", "it is missing")},
		Edited:   api.List[api.Difference]{{Path: "b", Message: "it is no file any more"}, {Path: "lib", Message: "it is no folder any more"}},
		Missing:  api.List[api.Path]{"lib/a"},
	})
}

// TestVerifyOfWhatWasAdopted: it was never copied, and that is no damage.
func TestVerifyOfWhatWasAdopted(t *testing.T) {
	g := newGarden(t)
	g.enter(release.Adopted, map[string]string{"main.py": "one", "data.db": "rows", "edited.py": "1", "lost.py": "lost"})
	g.wants(api.Verification{Contents: 4})
	g.write("data.db", "more rows")
	g.wants(api.Verification{Contents: 4, Edited: api.List[api.Difference]{{Path: "data.db", Message: "its content is another one"}}})

	// A switch replaces main.py and lost.py, which should be in the store then,
	// and edited.py, which had been edited before.
	record := g.enter(release.Confirmed, map[string]string{"main.py": "two", "edited.py": "3", "lost.py": "new"})
	copied := t.TempDir() + "/copy"
	g.check(os.WriteFile(copied, []byte("one"), 0o600))
	g.check(g.releases.Store().Take(copied, sumOf("one")))
	g.check(os.WriteFile(copied, []byte("2"), 0o600))
	g.check(g.releases.Store().Take(copied, sumOf("2")))
	record.Kept = []release.Kept{{Path: "edited.py", Entry: release.Entry{Kind: release.File, Mode: 0o600, Size: 1, Sum: sumOf("2")}}}
	g.check(g.releases.Enter(record, release.Tries{}))
	g.check(g.releases.SetAside(release.Aside{"edited.py": {{By: 1, Of: release.Entry{Kind: release.File, Mode: 0o600, Size: 1, Sum: sumOf("1")}, Was: record.Kept[0].Entry}}}))
	g.wants(api.Verification{
		Contents: 8,
		Damaged:  api.List[api.Flaw]{g.flaw(1, "lost.py", "lost", "it is missing")},
		Gone:     api.List[api.Flaw]{g.flaw(1, "edited.py", "1", "it is missing")},
		Edited:   api.List[api.Difference]{{Path: "data.db", Message: "its content is another one"}},
	})
}

func TestVerifyLooksIntoMain(t *testing.T) {
	g := newGarden(t)
	g.enter(release.Confirmed, map[string]string{"cut": "all of it", "zeros": "all of it too", "mode": "m", "gone": "g", "same": "s", "a\nb": "x"})
	g.write("cut", "all")
	g.write("zeros", "all of\x00\x00\x00\x00")
	g.write("a\nb", "y")
	g.check(os.Chmod(g.inMain("mode"), 0o644))
	g.check(os.Remove(g.inMain("gone")))
	const cutOff = "it looks cut off: it begins as recorded, and ends early or in zeros"
	g.wants(api.Verification{
		Contents: 6,
		Edited: api.List[api.Difference]{
			{Path: "a\nb", Message: "its content is another one"}, {Path: "cut", Message: cutOff},
			{Path: "mode", Message: "its mode is 0644, not 0600"}, {Path: "zeros", Message: cutOff},
		},
		Missing: api.List[api.Path]{"gone"},
	})
}

// TestVerifyNamesWhatIsNoContent: a listing and a record.
func TestVerifyNamesWhatIsNoContent(t *testing.T) {
	g := newGarden(t)
	first := g.enter(release.Confirmed, map[string]string{"lib/a": "a"})
	g.enter(release.Confirmed, map[string]string{"lib/a": "b"})
	listing := g.releases.Store().Path(first.Digest)
	g.check(os.WriteFile(listing, []byte("{}"), 0o600))
	g.check(os.WriteFile(g.place.own()+"/releases/2.json", []byte("{"), 0o600))
	found := g.verify()
	if len(found.Damaged) != 2 {
		t.Fatalf("%+v", found)
	}
	if one := found.Damaged[0]; one.Release != 2 || one.Path != nil || !strings.HasSuffix(string(one.File), "releases/2.json") {
		t.Errorf("the record: %+v", one)
	}
	if one := found.Damaged[1]; one.Release != 1 || string(one.File) != listing || one.Message != otherContent {
		t.Errorf("the listing: %+v", one)
	}
}

func TestTorn(t *testing.T) {
	tests := []struct {
		found, whole string
		want         bool
	}{
		{"", "abc", true},
		{"ab", "abc", true},
		{"ab\x00", "abc", true},
		{"\x00\x00\x00", "abc", true},
		{"abc\x00\x00", "abc", true},
		{"abc", "abc", false},
		{"abd", "abc", false},
		{"ab\x00c", "abcd", false},
		{"abcd", "abc", false},
		{"x", "", false},
	}
	for _, test := range tests {
		if got := torn(strings.NewReader(test.found), strings.NewReader(test.whole)); got != test.want {
			t.Errorf("%q of %q: %t", test.found, test.whole, got)
		}
	}
}
