package agent

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ota/internal/api"
	"ota/internal/reason"
	"ota/internal/release"
)

// garden is a folder with releases in it.
type garden struct {
	*testing.T
	place    folder
	releases *release.Room
	tree     *release.Tree
}

func newGarden(t *testing.T) *garden {
	t.Helper()
	place := folder{t.TempDir()}
	if _, err := place.make(); err != nil {
		t.Fatal(err)
	}
	releases, _, err := release.Open(place.own())
	if err != nil {
		t.Fatal(err)
	}
	return &garden{t, place, releases, releases.Store().Empty()}
}

func (g *garden) check(err error) {
	g.Helper()
	if err != nil {
		g.Fatal(err)
	}
}

// inMain is where a path of main/ is.
func (g *garden) inMain(at string) string { return filepath.Join(g.place.main(), at) }

// write puts a file into main/, with the mode that releases have here.
func (g *garden) write(at, content string) {
	g.Helper()
	g.check(os.MkdirAll(filepath.Dir(g.inMain(at)), 0o755))
	g.check(os.WriteFile(g.inMain(at), []byte(content), 0o600))
}

// enter makes a release of changed files, in main/ too. What is adopted does
// not go into the store; "" removes.
func (g *garden) enter(state release.State, changed map[string]string) release.Record {
	g.Helper()
	record := release.Record{Number: g.releases.Next(), State: state, From: g.releases.Current(), Created: time.Unix(1, 0).UTC()}
	if state == release.Adopted {
		record.Origin = release.FromMain
	}
	for at, content := range changed {
		if content == "" {
			g.check(g.tree.Delete(at))
			g.check(os.Remove(g.inMain(at)))
			record.Files = append(record.Files, release.Touched{Path: release.Name(at), Effect: release.Removed})
			continue
		}
		sum := sumOf(content)
		g.check(g.tree.Set(at, release.Entry{Kind: release.File, Mode: 0o600, Size: int64(len(content)), Sum: sum}))
		g.write(at, content)
		record.Files = append(record.Files, release.Touched{Path: release.Name(at), Effect: release.Replaced})
		if state != release.Adopted {
			copied := filepath.Join(g.TempDir(), "copy")
			g.check(os.WriteFile(copied, []byte(content), 0o600))
			g.check(g.releases.Store().Take(copied, sum))
		}
	}
	digest, err := g.tree.Save()
	g.check(err)
	record.Digest = digest
	g.check(g.releases.Enter(record, release.Tries{}))
	return record
}

// stored is where a content is kept.
func (g *garden) stored(content string) string {
	return g.releases.Store().Path(sumOf(content))
}

func sumOf(content string) release.Sum { return sha256.Sum256([]byte(content)) }

func TestOfflineDiff(t *testing.T) {
	g := newGarden(t)
	g.enter(release.Adopted, map[string]string{"main.py": "one\n", "big": strings.Repeat("x\n", patchBytes), "data.db": "a\n", "gone": "1\n"})
	g.enter(release.Confirmed, map[string]string{"main.py": "two\n", "lib/new\n.py": "new", "raw": "\x00", "gone": ""})
	g.write("data.db", "edited\n")
	patch := func(names, text string) *string { return new("diff " + names + text) }
	tests := []struct {
		name    string
		request api.DiffRequest
		want    api.Diff
	}{
		{"default", api.DiffRequest{}, api.Diff{From: 1, To: 2, Files: api.List[api.FileDiff]{
			{Path: "gone", Change: api.Removed},
			{Path: "lib/new\n.py", Change: api.Added},
			{Path: "main.py", Change: api.Replaced},
			{Path: "raw", Change: api.Added},
		}}},
		{"what is not kept, and what is only in main/", api.DiffRequest{From: 2, To: 1, Patch: true}, api.Diff{From: 2, To: 1, Files: api.List[api.FileDiff]{
			{Path: "gone", Change: api.Added, Note: new("its content is not kept")},
			{Path: "lib/new\n.py", Change: api.Removed, Patch: patch(`a/lib/new\n.py /dev/null`, "\n--- a/lib/new\\n.py\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-new\n\\ No newline at end of file\n")},
			{Path: "main.py", Change: api.Replaced, Note: new("its content is not kept")},
			{Path: "raw", Change: api.Removed, Note: new("it is not a text")},
		}}},
		{"against nothing", api.DiffRequest{To: 1, Patch: true}, api.Diff{To: 1, Files: api.List[api.FileDiff]{
			{Path: "big", Change: api.Added, Note: new("it is larger than 1 MB")},
			{Path: "data.db", Change: api.Added, Note: new("its content is not kept")},
			{Path: "gone", Change: api.Added, Note: new("its content is not kept")},
			{Path: "main.py", Change: api.Added, Note: new("its content is not kept")},
		}}},
		{"to the current one", api.DiffRequest{From: 2}, api.Diff{From: 2, To: 2}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := OfflineDiff(g.place.dir, test.request)
			g.check(err)
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	g.write("data.db", "a\n")
	got, err := OfflineDiff(g.place.dir, api.DiffRequest{To: 1, Patch: true})
	g.check(err)
	if patch := got.Files[1].Patch; patch == nil || !strings.HasSuffix(*patch, "+a\n") {
		t.Errorf("a content that main/ has: %+v", got.Files[1])
	}
	_, err = OfflineDiff(g.place.dir, api.DiffRequest{From: 9})
	if unknown, ok := errors.AsType[*api.NoRelease](err); !ok || unknown.Number != 9 {
		t.Errorf("a release that is not there: %v", err)
	}
}

func TestDiffOfWhatIsNoContent(t *testing.T) {
	g := newGarden(t)
	g.enter(release.Confirmed, map[string]string{"tool": "1\n", "thing": "2\n"})
	g.check(g.tree.Set("link", release.Entry{Kind: release.Link, Target: "to\nol"}))
	g.check(g.tree.Set("empty", release.Entry{Kind: release.Folder}))
	entry, _, err := g.tree.Lookup("tool")
	g.check(err)
	entry.Mode = 0o755
	g.check(g.tree.Set("tool", entry))
	g.enter(release.Confirmed, nil)
	got, err := OfflineDiff(g.place.dir, api.DiffRequest{Patch: true})
	g.check(err)
	want := api.List[api.FileDiff]{
		{Path: "empty", Change: api.Added, Note: new("is a folder")},
		{Path: "link", Change: api.Added, Note: new(`is a link to to\nol`)},
		{Path: "tool", Change: api.Replaced, Note: new("mode 0600 became 0755")},
	}
	if diff := cmp.Diff(want, got.Files); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestOfflineWhy(t *testing.T) {
	g := newGarden(t)
	g.enter(release.Confirmed, map[string]string{"main.py": "1"})
	why, err := OfflineWhy(g.place.dir, 0)
	if err != nil || why.Release != nil || why.Evidence != nil {
		t.Errorf("nothing has failed: %+v, %v", why, err)
	}
	g.enter(release.Trial, map[string]string{"main.py": "2"})
	g.check(g.releases.SetEvidence(release.Evidence{
		Release: 2, At: time.Unix(9, 0).UTC(), Why: "killed by SIGSEGV", Exit: &release.Exit{Code: 139, Signal: "SIGSEGV"},
		Traceback: &release.Traceback{Error: "E", File: "m.py", Line: 1}, Probes: []release.ProbeAnswer{{Probe: "p", Answer: "UNKNOWN"}},
		BackTo: 1, Files: []release.Touched{{Path: "main.py", Effect: release.Replaced}}, Output: []string{"last"},
	}))
	g.check(g.releases.Reverse(release.Reversal{From: 2, To: 1, Verdict: release.RolledBack, Reason: "killed by SIGSEGV"}))
	want := api.Why{
		Release: new(2), State: new(api.RolledBack), Reason: new("killed by SIGSEGV"), Held: api.List[api.Reason]{},
		Evidence: &api.Evidence{
			At: time.Unix(9, 0).UTC(), Why: "killed by SIGSEGV", Exit: &api.Ending{Signal: new("SIGSEGV")},
			Traceback: &api.Traceback{Error: "E", File: "m.py", Line: 1}, Probes: api.List[api.ProbeAnswer]{{Probe: "p", Answer: "UNKNOWN"}},
			BackTo: new(1), Files: api.List[api.FileChange]{{Path: "main.py", Change: api.Replaced}}, Output: api.List[string]{"last"},
		},
	}
	why, err = OfflineWhy(g.place.dir, 0)
	if diff := cmp.Diff(want, why); diff != "" || err != nil {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
	held := []reason.Reason{{Message: "no"}}
	if why, err := whyOf(g.releases, 0, held); err != nil || why.Evidence == nil || len(why.Held) != 1 {
		t.Errorf("held since it failed: %+v, %v", why, err)
	}
	g.enter(release.Confirmed, map[string]string{"main.py": "3"})
	if why, err := whyOf(g.releases, 0, held); err != nil || why.Evidence != nil || len(why.Held) != 1 {
		t.Errorf("held, and the failure is an old story: %+v, %v", why, err)
	}
	if why, err := whyOf(g.releases, 1, nil); err != nil || *why.Release != 1 || why.Evidence != nil {
		t.Errorf("a good one: %+v, %v", why, err)
	}
	if _, err := whyOf(g.releases, 9, nil); err == nil || err.Error() != "there is no release 9" {
		t.Errorf("a release that is not there: %v", err)
	}
}

func TestOfflinePin(t *testing.T) {
	g := newGarden(t)
	g.enter(release.Confirmed, map[string]string{"main.py": "1"})
	g.check(OfflinePin(t.Context(), g.place.dir, 1, true))
	if record, err := g.releases.Record(1); err != nil || !record.Pinned {
		t.Errorf("%+v, %v", record, err)
	}
	if _, ok := errors.AsType[*api.NoRelease](OfflinePin(t.Context(), g.place.dir, 2, true)); !ok {
		t.Error("a release that is not there can be pinned")
	}
	lock, err := g.place.lock()
	g.check(err)
	defer lock.Close()
	if _, ok := errors.AsType[*Locked](OfflinePin(t.Context(), g.place.dir, 1, false)); !ok {
		t.Error("pinned although an ota has the folder")
	}
}

// TestDiffHasAnEnd: an answer stands in memory, beside the program.
func TestDiffHasAnEnd(t *testing.T) {
	g := newGarden(t)
	files := map[string]string{}
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		files[name] = name + strings.Repeat("x\n", patchBytes/4)
	}
	g.enter(release.Confirmed, files)
	got, err := OfflineDiff(g.place.dir, api.DiffRequest{Patch: true})
	g.check(err)
	bytes := 0
	for _, file := range got.Files {
		switch {
		case file.Patch != nil:
			bytes += len(*file.Patch)
		case file.Note == nil || *file.Note != errTooMany.Error():
			t.Errorf("%s: no patch, and no reason", file.Path)
		}
	}
	if len(got.Files) != 6 || bytes == 0 || bytes > patchesBytes || got.Files[5].Patch != nil {
		t.Errorf("%d files, %d bytes", len(got.Files), bytes)
	}
}
