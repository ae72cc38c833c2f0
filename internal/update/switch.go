package update

import (
	"errors"
	"fmt"
	"slices"

	"ota/internal/activate"
	"ota/internal/reason"
	"ota/internal/release"
)

// beginSwitch changes main/. The program is down, so that it can't be busy.
func (c *Conductor) beginSwitch() {
	c.allowBusy()
	candidate := c.attempt.candidate
	c.begun(func() happening { return c.switchEnded(candidate, c.options.Main.Switch()) })
}

func (c *Conductor) beginMend() {
	candidate := c.attempt.candidate
	c.begun(func() happening { return c.mend(candidate) })
}

// mend tries again to bring a torn switch to one of its ends.
func (c *Conductor) mend(candidate *candidate) happening {
	found, note, err := c.options.Main.Recover()
	if err == nil && found == activate.Nothing {
		if c.needsAdoption() {
			return happening{event: Unadopted}
		}
		return happening{event: Whole}
	}
	if candidate == nil {
		candidate = recovered(note)
	}
	if candidate == nil {
		candidate = foreign
	}
	happened := c.switchEnded(candidate, err)
	happened.candidate = candidate
	return happened
}

func (c *Conductor) switchEnded(candidate *candidate, err error) happening {
	var torn *activate.Torn
	switch {
	case err == nil && candidate.sure():
		return happening{event: SwitchedSure}
	case err == nil:
		return happening{event: Switched}
	case errors.As(err, &torn):
		c.options.Log.Error("the switch failed and can't be undone yet; the program is started when it is", "error", err)
		return happening{event: SwitchTorn}
	case candidate.Back != nil:
		return happening{event: BackUndone, reasons: reason.Of(err)}
	default:
		return happening{event: SwitchUndone, reasons: reason.Of(err)}
	}
}

// foreign is what a note that can't be read stands for: main/ is whole, and
// nobody knows what it is.
var foreign = &candidate{Repair: []release.Name{}}

func (c *Conductor) beginClear() {
	candidate, tries := c.attempt.candidate, c.tries
	c.begun(func() happening { return c.clear(candidate, tries) })
}

// clear puts away what a switch leaves: the old versions go into the store, the
// history is written, the upload is taken out of deposit/.
func (c *Conductor) clear(candidate *candidate, tries release.Tries) happening {
	if candidate == nil {
		return happening{event: PutAway}
	}
	err := c.spending(func() error {
		return c.options.Main.Finish(func(olds []activate.Old) error { return c.record(candidate, tries, olds) })
	})
	if err != nil {
		c.options.Log.Error("the switch can't be finished; it is tried again", "error", err)
		return happening{event: NotPutAway}
	}
	if candidate.sealed != nil {
		// What can't be removed is found again, and held with the reason.
		if err := c.options.Deposit.Remove(candidate.sealed); err != nil {
			c.options.Log.Warn("the upload can't be taken out of deposit/", "error", err, "hint", `"ota doctor" says whose rights are missing`)
		}
	}
	c.keepDeleted()
	c.tellRecorded(candidate)
	c.fillReserve()
	c.prune()
	return happening{event: PutAway}
}

func (c *Conductor) tellRecorded(candidate *candidate) {
	state := candidate.shown(c.options.Releases).State
	if candidate.Repair == nil {
		c.options.Log.Info("the release is recorded", "release", candidate.number(), "state", string(state))
	}
}

// prune drops what is no longer kept. No upload is on its way now, so nothing
// in the store is without a release.
func (c *Conductor) prune() {
	dropped, err := c.options.Releases.Prune(c.options.Limits)
	if len(dropped) > 0 {
		c.options.Log.Debug("old releases are dropped", "releases", dropped)
	}
	if err != nil {
		c.options.Log.Warn("old releases can't be dropped", "error", err)
	}
	if len(dropped) > 0 {
		c.tidy()
	}
}

// tidy removes the environments that no kept release needs. If a record can't be
// read nobody knows what it needs.
func (c *Conductor) tidy() {
	records, err := c.options.Releases.History()
	if err != nil {
		return
	}
	var keep []string
	for _, record := range records {
		if record.Environment != "" && !slices.Contains(keep, record.Environment) {
			keep = append(keep, record.Environment)
		}
	}
	c.options.Tidy(keep)
}

// record writes down what became of main/, and puts the old versions into the
// store. It may be done twice: what was in no release is written down before it
// is put away.
func (c *Conductor) record(candidate *candidate, tries release.Tries, olds []activate.Old) error {
	from := candidate.Record.From
	if candidate.Back != nil {
		from = candidate.Back.From
	}
	if candidate.Repair != nil {
		return nil
	}
	own, sums, err := c.sort(from, olds)
	if err != nil {
		return err
	}
	if err := c.setAside(candidate, own); err != nil {
		return err
	}
	if candidate.Back != nil {
		err = c.recordBack(candidate, tries)
	} else {
		err = c.recordUpload(candidate, tries, own)
	}
	if err != nil {
		return err
	}
	for i, old := range olds {
		if sums[i] != (release.Sum{}) {
			if err := c.options.Releases.Store().TakeBack(old.File, sums[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// owned is an old version that was not that of the release.
type owned struct {
	path  release.Name
	stood release.Stood
}

// sort finds out which old versions are not those of a release, and the sums of
// those that have contents.
func (c *Conductor) sort(from int, olds []activate.Old) (own []owned, sums []release.Sum, err error) {
	before, err := c.lineage(from)
	if err != nil {
		return nil, nil, err
	}
	sums = make([]release.Sum, len(olds))
	for i, old := range olds {
		entry, err := activate.Describe(old.File)
		if err != nil {
			return nil, nil, fmt.Errorf("cannot keep the old %q: %w", old.Path, err)
		}
		sums[i] = entry.Sum
		was, inRelease, err := before.tree.Lookup(old.Path)
		if err != nil {
			return nil, nil, err
		}
		if inRelease && was == entry {
			continue
		}
		stood, err := before.at(release.Name(old.Path))
		if err != nil {
			return nil, nil, err
		}
		stood.Was = entry
		own = append(own, owned{release.Name(old.Path), stood})
	}
	return own, sums, nil
}

// setAside writes down what was taken out of main/ and is in no release, and
// forgets what stands there again. It may be done twice: what is added and what
// is forgotten never stand for the same.
func (c *Conductor) setAside(candidate *candidate, own []owned) error {
	aside, err := c.options.Releases.Aside()
	if err != nil {
		return err
	}
	if way := candidate.Back; way != nil {
		err := c.forAside(way.From, way.To, func(path release.Name, stood release.Stood) { aside.Drop(path, stood) })
		if err != nil {
			return err
		}
	}
	for _, one := range own {
		aside.Put(one.path, one.stood)
	}
	for _, folder := range candidate.Record.Kept { // of an upload: folders that were there
		aside.Put(folder.Path, release.Stood{Was: folder.Entry})
	}
	return c.options.Releases.SetAside(aside)
}

func (c *Conductor) recordUpload(candidate *candidate, tries release.Tries, own []owned) error {
	record := candidate.Record
	record.Exempt = candidate.Exempt
	if c.options.Releases.Recorded(record) {
		known, err := c.options.Releases.Record(record.Number)
		if err != nil {
			return err
		}
		record.Kept = known.Kept
	}
	var kept []release.Kept
	for _, one := range own {
		kept = append(kept, release.Kept{Path: one.path, Entry: one.stood.Was})
	}
	record.Kept = record.Merge(kept)
	if err := c.options.Releases.NoteBrought(record.Files); err != nil {
		return err
	}
	if err := c.options.Releases.Enter(record, tries); err != nil {
		return err
	}
	return c.useReturned(record)
}

func (c *Conductor) recordBack(candidate *candidate, tries release.Tries) error {
	way := candidate.Back
	if candidate.evidence != nil {
		if err := c.options.Releases.SetEvidence(*candidate.evidence); err != nil {
			c.options.Log.Warn("the evidence can't be kept", "release", way.From, "error", err)
		}
	}
	err := c.options.Releases.Reverse(release.Reversal{
		From: way.From, To: way.To, Verdict: way.Verdict, Reason: way.Reason,
		Trial: way.Trial == withTrial, Tries: tries, Exempt: candidate.Exempt,
	})
	if err == nil && way.Owes == owesFiles {
		err = c.owe(way.From, way.To)
	}
	return err
}
