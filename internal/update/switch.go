package update

import (
	"errors"
	"fmt"

	"ota/internal/activate"
	"ota/internal/reason"
	"ota/internal/release"
)

// switchOver makes main/ the candidate. The program is down.
func (c *Conductor) switchOver() happening {
	return c.switchEnded(c.options.Main.Switch())
}

// mend tries again to bring a torn switch to one of its ends.
func (c *Conductor) mend() happening {
	found, note, err := c.options.Main.Recover()
	if err == nil && found == activate.Nothing {
		return happening{event: SwitchUndone}
	}
	happened := c.switchEnded(err)
	happened.candidate = recovered(note)
	return happened
}

func (c *Conductor) switchEnded(err error) happening {
	var torn *activate.Torn
	switch {
	case err == nil:
		return happening{event: Switched}
	case errors.As(err, &torn):
		c.options.Log.Error("the switch failed and can't be undone yet; the program is started when it is", "error", err)
		return happening{event: SwitchTorn}
	default:
		return happening{event: SwitchUndone, reasons: reason.Of(err)}
	}
}

// clear puts away what a switch leaves: the old versions go into the store, the
// release is recorded, the upload is taken out of deposit/.
func (c *Conductor) clear(candidate *candidate) happening {
	if candidate == nil {
		return happening{event: PutAway}
	}
	record := candidate.record
	err := c.options.Main.Finish(func(olds []activate.Old) error { return c.record(record, olds) })
	if err != nil {
		c.options.Log.Error("the switch can't be finished; it is tried again", "error", err)
		return happening{event: NotPutAway}
	}
	if candidate.sealed != nil {
		// What can't be removed is found again, and held with the reason.
		if err := c.options.Deposit.Remove(candidate.sealed); err != nil {
			c.options.Log.Warn("the upload can't be taken out of deposit/", "error", err)
		}
	}
	c.options.Log.Info("the release is confirmed", "release", record.Number)
	return happening{event: PutAway}
}

// record puts the old versions into the store and enters the release. It may be
// done twice.
func (c *Conductor) record(record release.Record, olds []activate.Old) error {
	releases := c.options.Releases
	if releases.Recorded(record) {
		known, err := releases.Record(record.Number)
		if err != nil {
			return err
		}
		record.Kept = known.Kept
	}
	before, err := releases.Tree(record.From)
	if err != nil {
		return err
	}
	for _, old := range olds {
		entry, err := activate.Describe(old.File)
		if err != nil {
			return fmt.Errorf("cannot keep the old %q: %w", old.Path, err)
		}
		was, inRelease, err := before.Lookup(old.Path)
		if err != nil {
			return err
		}
		if !inRelease || was != entry {
			record.Kept = append(record.Kept, release.Kept{Path: release.Name(old.Path), Entry: entry})
		}
		if entry.Kind == release.File {
			if err := releases.Store().Take(old.File, entry.Sum); err != nil {
				return err
			}
		}
	}
	return releases.Enter(record, release.Tries{})
}
