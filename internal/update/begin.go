package update

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ota/internal/activate"
	"ota/internal/release"
)

// begin brings what was interrupted to its end and finds the first state. It
// runs before anything else does, so that it may take its time.
func (c *Conductor) begin() {
	c.fillReserve()
	found, note, err := c.options.Main.Recover()
	var torn *activate.Torn
	switch {
	case errors.As(err, &torn):
		c.options.Log.Error("an interrupted switch can't be ended yet; it is tried again", "error", err)
		c.enter(State{Torn, Halted, c.standing()}, MendSoon)
		return
	case err != nil:
		c.options.Log.Warn("an interrupted switch was taken back", "error", err)
	case found == activate.Switched:
		c.options.Log.Info("an interrupted switch was carried to its end")
		if !c.finishInterrupted(recovered(note)) {
			return
		}
	}
	if c.needsAdoption() {
		c.enter(State{Adopting, Halted, Settled}, Look, Wait, Adopt)
		return
	}
	if c.options.Unclean {
		c.mendFiles()
	}
	c.beginTrial()
}

// finishInterrupted records the release of a switch that was interrupted, before
// it is started: should it take the device down, the next start has to know.
// It returns false if that can't be done now; then it is started all the same.
func (c *Conductor) finishInterrupted(candidate *candidate) bool {
	if candidate == nil {
		c.options.Log.Error("the note in the journal can't be read; what is in main/ is taken for somebody's")
		return c.options.Main.Finish(func([]activate.Old) error { return nil }) == nil
	}
	if c.clear(candidate, release.Tries{}).event == PutAway {
		return true
	}
	c.attempt.candidate = candidate
	standing := OnTrial
	if candidate.sure() {
		standing = Settled
	}
	c.enter(State{Unfinished, Running, standing}, Start, RetrySoon)
	return false
}

// standing is what is thought of the current release, as far as it is recorded.
func (c *Conductor) standing() Standing {
	record, err := c.options.Releases.Record(c.options.Releases.Current())
	if err != nil || record.State != release.Trial {
		return Settled
	}
	return OnTrial
}

// beginTrial decides how the current release is started: one on trial whose
// time was cut short too often has failed.
func (c *Conductor) beginTrial() {
	if c.state.Attempt == Reverting {
		return // mendFiles has begun to go back
	}
	if c.owes() {
		c.giveBack()
	}
	c.keepDeleted()
	standing := c.standing()
	if standing != OnTrial {
		c.enter(State{Opening, Halted, standing}, Look, Wait)
		return
	}
	c.tries = c.options.Releases.Tries()
	if c.options.Unclean {
		c.tries.Downs++
		// Where that can't be written nobody would ever give up: the program is
		// started all the same, as the device is hardly the release's fault.
		if err := c.put(func() error { return c.options.Releases.NoteTries(c.running(), c.tries) }); err != nil {
			c.options.Log.Warn("it can't be written down that the trial was interrupted", "error", err)
		}
	}
	switch {
	case c.tries.Downs >= c.options.Settings().Attempts:
		c.failure = failure{why: fmt.Sprintf("the device went down %s during its trial", times(c.tries.Downs))}
	case c.tries.Crashes >= c.options.Settings().Attempts:
		c.failure = failure{why: fmt.Sprintf("it failed %s during its trial", times(c.tries.Crashes))}
	default:
		c.options.Log.Info("the trial of the release is begun again", "release", c.running())
		c.enter(State{Opening, Halted, OnTrial}, Look, Wait)
		return
	}
	c.options.Log.Error("the release failed its trial", "release", c.running(), "reason", c.failure.why)
	c.enter(State{Reverting, Halted, Condemned}, Revert)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	if n == 2 {
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// mendFiles looks after a crash or a power cut whether the files of the current
// release are whole, and repairs them from the store. Where the store can't, it
// goes back to the last good release that is whole.
func (c *Conductor) mendFiles() {
	releases := c.options.Releases
	tree, err := releases.Tree(releases.Current())
	if err != nil {
		c.options.Log.Error("it can't be told whether main/ is whole", "error", err)
		return
	}
	found, err := c.options.Main.Inspect(context.Background(), tree, releases.Store())
	if err != nil {
		c.options.Log.Error("it can't be told whether main/ is whole", "error", err)
	}
	lost, theirs := c.sortLost(found.Lost)
	c.tellEdited(append(found.Edited, theirs...))
	if len(found.Torn) > 0 {
		c.repair(found.Torn)
	}
	if len(lost) > 0 {
		c.replaceLost(lost)
	}
}

// sortLost tells files that were only ever in main/ from those that the store
// should have: what was adopted is somebody's own, to be emptied or removed.
func (c *Conductor) sortLost(found []activate.Wanted) (lost []activate.Wanted, theirs []string) {
	var adopted []*release.Tree
	records, _ := c.options.Releases.History() // those that can be read
	for _, record := range records {
		if record.Origin == release.FromMain {
			adopted = append(adopted, c.options.Releases.Store().Tree(record.Digest))
		}
	}
	for _, file := range found {
		isTheirs := slices.ContainsFunc(adopted, func(tree *release.Tree) bool {
			entry, there, err := tree.Lookup(file.Path)
			return err == nil && there && entry == file.Entry
		})
		if isTheirs {
			theirs = append(theirs, file.Path)
		} else {
			lost = append(lost, file)
		}
	}
	return lost, theirs
}

// mostNamed is how many edited files are named in the log.
const mostNamed = 10

func (c *Conductor) tellEdited(paths []string) {
	for _, path := range paths[:min(len(paths), mostNamed)] {
		c.options.Log.Warn("a file in main/ is not that of the release; it is left as it is", "file", path)
	}
	if more := len(paths) - mostNamed; more > 0 {
		c.options.Log.Warn("more files in main/ are not those of the release", "files", more)
	}
}

// repair puts whole files in place of torn ones, by a switch like any other.
func (c *Conductor) repair(torn []activate.Wanted) {
	var plan activate.Plan
	var repaired []release.Name
	for _, file := range torn {
		c.options.Log.Warn("a file in main/ was torn; it is repaired", "file", file.Path)
		plan.Changes = append(plan.Changes, c.putChange(file.Path, file.Entry))
		if isSource(file.Path) {
			plan.Stale = append(plan.Stale, release.Name(file.Path))
		}
		repaired = append(repaired, release.Name(file.Path))
	}
	candidate := &candidate{Repair: repaired}
	plan.Note = candidate.note()
	err := c.options.Main.Prepare(context.Background(), plan)
	if err == nil {
		err = c.options.Main.Switch()
	}
	if err == nil {
		err = c.options.Main.Finish(func([]activate.Old) error { return nil })
	}
	if err != nil {
		c.options.Log.Error("main/ can't be repaired", "error", err)
	}
}

// replaceLost begins to go back to a release that does not need what is lost.
func (c *Conductor) replaceLost(lost []activate.Wanted) {
	var names []string
	for _, file := range lost {
		names = append(names, file.Path)
	}
	why := "damaged, and in the store too: " + strings.Join(names, ", ")
	releases := c.options.Releases
	to, err := releases.Before(releases.Current())
	for ; to != 0; to, err = releases.Before(to) {
		if c.needsNone(to, lost) {
			c.failure = failure{why: why, to: to}
			c.options.Log.Error("main/ can't be repaired", "release", releases.Current(), "reason", why)
			c.enter(State{Reverting, Halted, Condemned}, Revert)
			return
		}
	}
	if err != nil {
		c.options.Log.Error("main/ can't be repaired now; it is started as it is", "reason", why, "error", err)
		return
	}
	c.options.Log.Error("main/ can't be repaired, and no earlier release is whole; it is started as it is", "reason", why)
}

// needsNone reports whether a release has something else in place of each.
func (c *Conductor) needsNone(number int, lost []activate.Wanted) bool {
	tree, err := c.options.Releases.Tree(number)
	if err != nil {
		return false
	}
	for _, file := range lost {
		entry, there, err := tree.Lookup(file.Path)
		if err != nil || there && entry == file.Entry {
			return false
		}
	}
	return true
}
