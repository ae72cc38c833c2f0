//go:build linux

package checks

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ota/test/harness"
)

// ending is what becomes of an upload.
type ending string

const (
	held       ending = "held"        // before anything is stopped
	rolledBack ending = "rolled back" // only the start can tell
	taken      ending = "taken"       // it looks bad and is not
)

// mending is how a bad upload is corrected.
type mending string

const (
	layOver    mending = "laid over it"
	startAgain mending = "after a discard" // what is in the way can't be uploaded away
)

// one is an upload and what becomes of it.
type one struct {
	name   string       // of the golden file
	before harness.Tree // is a release of its own, before
	upload harness.Tree
	ends   ending  // held, if it is not said
	mend   mending // laid over, if it is not said
	fixed  harness.Tree
	until  string // the first Python for which it is good
}

// group are uploads that share a device, one after another.
type group struct {
	name     string
	settings string
	need     func(*testing.T)
	cases    func(*testing.T) []one
}

// TestMatrix puts bad uploads over a good program: the program goes on, the
// reason is the right one, and a corrected upload is taken with one restart.
func TestMatrix(t *testing.T) {
	count := 0
	names := map[string]bool{}
	for _, group := range groups {
		t.Run(group.name, func(t *testing.T) {
			if group.need != nil {
				group.need(t)
			}
			cases := group.cases(t)
			count += len(cases)
			for _, one := range cases {
				if names[one.name] {
					t.Fatalf("two cases are called %q", one.name)
				}
				names[one.name] = true
			}
			t.Parallel()
			d := newDevice(t, group.settings)
			for _, one := range cases {
				t.Run(one.name, func(t *testing.T) { one.run(t, d) })
			}
		})
	}
	t.Logf("%d uploads", count)
}

// run is one case on a device that others use, too.
func (o one) run(t *testing.T, d *harness.Device) {
	if o.until != "" && byVersion(thePython().minor, o.until) >= 0 {
		t.Skipf("it is good for Python %s", o.until)
	}
	defer d.Within(t)()
	if now(t, d).Deposit.State != "empty" { // the case before has failed
		d.Say("discard")
	}
	if o.before != nil {
		before := now(t, d)
		upload(t, d, o.before)
		awaitNext(d, before.Release.Number)
	}
	before, began := now(t, d), starts(d)
	switch o.ends {
	case taken:
		o.isTaken(t, d, before, began)
		return
	case rolledBack:
		o.isRolledBack(t, d, before, began)
	default:
		o.isHeld(t, d, before, began)
	}
	before, began = now(t, d), starts(d)
	if o.mend == startAgain {
		d.Say("discard")
		upload(t, d, o.fixed)
	} else {
		upload(t, d, o.correction())
	}
	awaitNext(d, before.Release.Number)
	checkStarts(t, d, began, 1)
}

// correction is what is laid over the upload.
func (o one) correction() harness.Tree {
	if o.fixed != nil {
		return o.fixed
	}
	fixed := harness.Tree{}
	for path := range o.upload {
		switch {
		case path == "main.py":
			fixed[path] = harness.File("# " + o.name + "\n" + going)
		case strings.HasSuffix(path, ".py"):
			fixed[path] = harness.File("fixed = True\n")
		case strings.HasPrefix(path, "requirements") || strings.HasSuffix(path, ".toml"):
			fixed[path] = harness.File("# nothing for " + o.name + "\n")
		}
	}
	return fixed
}

func (o one) isHeld(t *testing.T, d *harness.Device, before harness.Status, began []string) {
	t.Helper()
	upload(t, d, o.upload)
	status := awaitHeld(d, before.Release.Number)
	checkGolden(t, o.name, plain(d, d.Say("why")))
	if diff := cmp.Diff(d.Why(0).Held, status.Deposit.Reasons); diff != "" {
		t.Errorf("ota why and ota status differ:\n%s", diff)
	}
	checkSame(t, d, before)
	checkStarts(t, d, began, 0)
}

// isRolledBack is for what fails at its start. The start of the good program
// after that is not the upload's fault.
func (o one) isRolledBack(t *testing.T, d *harness.Device, before harness.Status, began []string) {
	t.Helper()
	upload(t, d, o.upload)
	awaitHeld(d, before.Release.Number)
	d.Await("the start of the good program", func(harness.Status) bool { return len(starts(d)) > len(began) })
	checkGolden(t, o.name, plain(d, withoutNumbers(d.Say("why"))))
}

var numbers = regexp.MustCompile(`\b(release|ota why) \d+`)

// withoutNumbers lets cases change places.
func withoutNumbers(text string) string { return numbers.ReplaceAllString(text, "$1 N") }

// isTaken is for what only looks bad. What ota check says of it is what the
// console says.
func (o one) isTaken(t *testing.T, d *harness.Device, before harness.Status, began []string) {
	t.Helper()
	d.HoldBack()
	o.upload.Write(t, d.Deposit())
	checked := d.Ask("check")
	if checked.Code != 0 {
		t.Errorf("ota check: exit code %d\n%s%s", checked.Code, checked.Said, checked.Complained)
	}
	checkGolden(t, o.name, plain(d, checked.Said))
	d.LetGo()
	awaitNext(d, before.Release.Number)
	checkStarts(t, d, began, 1)
}
