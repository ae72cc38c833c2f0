//go:build linux

package life

import (
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"ota/test/harness"
)

// lasting runs whatever the project is, and is confirmed soon. All releases are
// kept.
const lasting = `[program]
command = ["sleep", "100000"]

[python]
interpreter = "/none" # whatever the project needs

[update]
quiet = "20ms"

[trial]
period = "20ms"

[store]
keep = 100000
`

// TestHistoryReplay: the commits of a history, each uploaded as the files that it
// changes, make main/ what git checks out, but that nothing is deleted; rolled
// back one by one main/ is again what it was before each. What the program has
// written there itself stays, and what it had changed in a file of the project is
// back with that file.
func TestHistoryReplay(t *testing.T) {
	t.Parallel()
	harness.Need(t, "git")
	var h *history
	if clone := os.Getenv("OTA_TEST_HISTORY"); clone != "" {
		h = openHistory(t, clone)
	} else {
		h = generate(t, *commits+1)
	}
	list := h.last(*commits + 1)
	first := h.checkOut(list[0])
	r := &replay{T: t, Device: harness.NewDevice(t, harness.FastDir(t), first, lasting), history: h, main: first}
	r.Start()
	r.awaitRelease(1)
	began := time.Now()
	for i, commit := range list[1:] {
		r.take(i, list[i], commit)
	}
	t.Logf("%d commits in %.1f s: %v; main/ has %d names", *commits, time.Since(began).Seconds(), r.counts, len(r.main))
	began = time.Now()
	steps := slices.Clone(r.steps)
	for _, one := range slices.Backward(steps) {
		r.goBack(one)
	}
	t.Logf("back to the first in %.1f s", time.Since(began).Seconds())
	r.goForth(first, steps)
	r.Say("verify")
}

// replay is a device on its way through a history.
type replay struct {
	*testing.T
	*harness.Device
	history *history
	main    harness.Tree    // what is in main/, all of it
	foreign map[string]bool // paths of the history that are not in main/
	steps   []step
	counts  counts
}

// step is a commit that became a release.
type step struct {
	number        int
	before, after harness.Tree // main/ as a whole
}

// counts are what there was on the way.
type counts struct {
	releases, files, held, same, empty, left, edited int
}

func (c counts) String() string {
	return fmt.Sprintf("%d releases of %d files, %d uploads held until \"ota apply\", %d without a change, %d commits without an upload, "+
		"%d paths left out, %d files edited by the program",
		c.releases, c.files, c.held, c.same, c.empty, c.left, c.edited)
}

// current is the number of the release in main/.
func (r *replay) current() int {
	if len(r.steps) == 0 {
		return 1
	}
	return r.steps[len(r.steps)-1].number
}

// take uploads what a commit changes.
func (r *replay) take(i int, from, commit string) {
	r.Helper()
	checkout := r.history.checkOut(commit)
	brought := harness.Tree{}
	for _, path := range r.history.changed(from, commit) {
		if entry := checkout[path]; r.fits(path, entry) {
			brought[path] = entry
		} else {
			r.leaveOut(path)
		}
	}
	r.scribble(i, brought)
	before := r.main
	r.main = brought.Over(before)
	r.compare(checkout)
	switch {
	case len(brought) == 0:
		r.counts.empty++
	case harness.Diff(before, r.main) == "":
		r.counts.same++
		upload(r.T, r.Device, brought)
		r.awaitRelease(r.current())
	default:
		upload(r.T, r.Device, brought)
		r.steps = append(r.steps, step{r.current() + 1, before, r.main})
		r.awaitRelease(r.current())
		r.counts.releases++
		r.counts.files += len(brought)
	}
	r.check("commit " + commit)
}

// fits reports whether main/ can take a path: a file where it has a folder, or
// the other way round, is refused, and some names are no part of any upload.
func (r *replay) fits(at string, entry harness.Entry) bool {
	if slices.Contains([]string{".keep", ".gitkeep", ".DS_Store", "Thumbs.db", "desktop.ini"}, path.Base(at)) {
		return false
	}
	for above := path.Dir(at); above != "."; above = path.Dir(above) {
		if there, is := r.main[above]; is && !there.Mode.IsDir() {
			return false
		}
	}
	there, is := r.main[at]
	return !entry.Mode.IsDir() && !(is && there.Mode.IsDir())
}

func (r *replay) leaveOut(path string) {
	if r.foreign == nil {
		r.foreign = map[string]bool{}
	}
	r.foreign[path] = true
	r.counts.left++
	r.Logf("left out: %s", path)
}

// scribble is what the program does to main/ before an upload: it goes on with a
// file of its own, makes one in a folder that came with a release, and now and
// then changes a file that the upload is going to replace.
func (r *replay) scribble(i int, brought harness.Tree) {
	r.Helper()
	own := harness.Tree{"own data/log": harness.File(r.main["own data/log"].Content + fmt.Sprintln("before commit", i))}
	if len(r.steps) > 0 && i%3 == 0 {
		last := r.steps[len(r.steps)-1]
		folder := path.Dir(slices.Max(changes(last.before, last.after)))
		own[path.Join(folder, fmt.Sprintf("own-%d.dat", i))] = harness.File(fmt.Sprintf("\x00 %d", i))
	}
	if at, ok := r.editable(brought); ok && i%4 == 0 {
		edited := r.main[at]
		edited.Content += "# changed by the program\n"
		own[at] = edited
		r.counts.edited++
	}
	own.Write(r.T, r.Main())
	r.main = own.Over(r.main)
}

// editable is the first text in main/ that an upload is going to replace.
func (r *replay) editable(brought harness.Tree) (string, bool) {
	for _, at := range slices.Sorted(maps.Keys(brought)) {
		there, is := r.main[at]
		if is && there.Mode.IsRegular() && there.Content != "" && utf8.ValidString(there.Content) && !strings.Contains(there.Content, "\x00") {
			return at, true
		}
	}
	return "", false
}

// compare fails the test unless what main/ is to be has all that git has checked
// out.
func (r *replay) compare(checkout harness.Tree) {
	r.Helper()
	for at, entry := range checkout {
		if got, is := r.main[at]; !entry.Mode.IsDir() && !r.foreign[at] && (!is || !same(got, entry)) {
			if r.fits(at, entry) {
				r.Fatalf("%q is in the commit, and is to be %v", at, got)
			}
			r.leaveOut(at)
		}
	}
}

// check fails the test unless main/ is what it should be.
func (r *replay) check(after string) {
	r.Helper()
	checkTree(r.T, r.Main(), r.main)
	checkTree(r.T, r.Deposit(), harness.Tree{})
	if r.Failed() {
		r.Fatalf("after %s", after)
	}
}

// awaitRelease waits until a release is confirmed. What seems cut off, and is as
// the project has it, is applied all the same.
func (r *replay) awaitRelease(number int) {
	r.Helper()
	isIn := func(s harness.Status) bool {
		isGood := s.Release.State == "confirmed" || s.Release.State == "adopted"
		return s.Release.Number == number && isGood && s.Program.State == "running" && s.Deposit.State == "empty"
	}
	status := r.Await(fmt.Sprintf("release %d", number), func(s harness.Status) bool { return isIn(s) || s.Deposit.State == "held" })
	if status.Deposit.State == "held" {
		r.Logf("held: %+v", status.Deposit.Reasons)
		r.counts.held++
		r.Say("apply")
		r.Await(fmt.Sprintf("release %d", number), isIn)
	}
}

// changes lists the paths at which two trees differ.
func changes(before, after harness.Tree) []string {
	var paths []string
	for at, entry := range after {
		if was, is := before[at]; !is || !same(was, entry) {
			paths = append(paths, at)
		}
	}
	slices.Sort(paths)
	return paths
}

// goBack takes back one step: what it has changed is as it was, what it has added
// is gone, but for folders in which the program has put something; and all else
// is as it is.
func (r *replay) goBack(one step) {
	r.Helper()
	r.Say("rollback", "--no-trial")
	r.main = maps.Clone(r.main)
	for _, at := range slices.Backward(changes(one.before, one.after)) {
		if was, is := one.before[at]; is {
			r.main[at] = was
		} else if len(r.main.Below(at)) <= 1 {
			delete(r.main, at)
		}
	}
	r.steps = r.steps[:len(r.steps)-1]
	r.awaitRelease(r.current())
	r.check(fmt.Sprintf("the rollback of release %d", one.number))
}

// goForth goes from the first release to the last one at once: all that came on
// the way is there again. What both have alike is not touched, so that what the
// program has made of it stays.
func (r *replay) goForth(first harness.Tree, steps []step) {
	r.Helper()
	final := steps[len(steps)-1]
	r.Say("rollback", "--no-trial", strconv.Itoa(final.number))
	r.main = maps.Clone(r.main)
	for _, one := range steps {
		for _, at := range changes(one.before, one.after) {
			if was, is := first[at]; !is || !same(was, final.after[at]) {
				r.main[at] = final.after[at]
			}
		}
	}
	r.awaitRelease(final.number)
	r.check(fmt.Sprintf("going to release %d", final.number))
}

// same reports whether a release would take two entries for the same.
func same(a, b harness.Entry) bool { return a.Mode == b.Mode && a.Content == b.Content }
