package update

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"ota/internal/activate"
	"ota/internal/reason"
	"ota/internal/release"
	"ota/internal/trial"
)

// target is what somebody wants to go back to.
type target struct {
	number int // 0: the last good one before the current
	trial  trialWish
}

type trialWish string

const (
	withTrial    trialWish = ""
	withoutTrial trialWish = "without a trial"
)

// back is a rollback: release To instead of From.
type back struct {
	From    int           `json:"from"`
	To      int           `json:"to"`
	Verdict release.State `json:"verdict,omitempty"` // RolledBack if From has failed
	Reason  string        `json:"reason,omitempty"`
	Trial   trialWish     `json:"trial,omitempty"`
	// Owes is set if what From has and To has not goes back to deposit/.
	Owes owing `json:"owes,omitempty"`
}

type owing string

const (
	owesNothing owing = ""
	owesFiles   owing = "files"
)

func (c *Conductor) beginRevert() {
	from := c.running()
	if c.state.Standing == Condemned {
		failed := c.failure
		c.begun(c.cancellable(func(ctx context.Context) happening { return c.goBack(ctx, from, failed) }))
		return
	}
	wanted := c.attempt.target
	c.begun(c.cancellable(func(ctx context.Context) happening { return c.goTo(ctx, from, wanted) }))
}

// goBack readies the way from a release that failed to the last good one, or to
// one before it where that is not whole any more.
func (c *Conductor) goBack(ctx context.Context, from int, failed failure) happening {
	releases := c.options.Releases
	to, err := failed.to, error(nil)
	if to == 0 {
		to, err = releases.Before(from)
	}
	for ; to != 0; to, err = releases.Before(to) {
		evidence := c.evidence(from, failed, to)
		keepErr := c.spending(func() error { return releases.SetEvidence(evidence) })
		if keepErr != nil {
			c.options.Log.Warn("the evidence can't be kept; it is tried again", "release", from, "error", keepErr)
		}
		way := back{From: from, To: to, Verdict: release.RolledBack, Reason: failed.why, Owes: owesFiles}
		candidate, err := c.readyBack(ctx, way)
		switch {
		case err == nil:
			candidate.Exempt = []string{trial.Every}
			if keepErr != nil {
				candidate.evidence = &evidence
			}
			return happening{event: Prepared, candidate: candidate}
		case isIncomplete(err):
			c.options.Log.Error("a release is not whole any more; one before it is used", "release", to, "error", err)
		default:
			return happening{event: Hindered, reasons: reason.Of(err)}
		}
	}
	if err != nil {
		return happening{event: Hindered, reasons: reason.Of(err)}
	}
	evidence := c.evidence(from, failed, 0)
	if err := c.put(func() error { return releases.SetEvidence(evidence) }); err != nil {
		c.options.Log.Warn("the evidence can't be kept", "release", from, "error", err)
	}
	c.options.Log.Error("there is no release to go back to; this one is started again and again", "release", from)
	return happening{event: NothingPrior}
}

// goTo readies the way to the release that somebody wants.
func (c *Conductor) goTo(ctx context.Context, from int, wanted target) happening {
	releases := c.options.Releases
	to := wanted.number
	if to == 0 {
		var err error
		if to, err = releases.Before(from); err != nil {
			return happening{event: Refused, reasons: reason.Of(err)}
		}
	}
	record, err := releases.Record(to)
	switch {
	case to == 0:
		return refusal("there is no confirmed release before the current one")
	case to == releases.Current():
		return refusal(fmt.Sprintf("release %d is in main/ already", to))
	case errors.Is(err, fs.ErrNotExist):
		return refusal(fmt.Sprintf("there is no release %d", to))
	case err != nil:
		return happening{event: Refused, reasons: reason.Of(err)}
	}
	way := back{From: from, To: record.Number, Trial: wanted.trial, Reason: "rolled back on request during its trial"}
	candidate, err := c.readyBack(ctx, way)
	if err != nil {
		return happening{event: Refused, reasons: reason.Of(err)}
	}
	candidate.Exempt = c.askProbes(ctx)
	return happening{event: Prepared, candidate: candidate}
}

func refusal(message string) happening {
	return happening{event: Refused, reasons: []reason.Reason{{Message: message, Hint: `"ota history" lists the releases`}}}
}

// isIncomplete reports whether contents are damaged or missing.
func isIncomplete(err error) bool {
	var damaged *release.Damaged
	return errors.As(err, &damaged) || errors.Is(err, fs.ErrNotExist)
}

// readyBack prepares the switch. Where there is no room for copies the contents
// are taken out of the store; it is healed from main/ later.
func (c *Conductor) readyBack(ctx context.Context, way back) (*candidate, error) {
	plan, err := c.planBack(way.From, way.To)
	if err != nil {
		return nil, err
	}
	if way.Verdict == release.RolledBack {
		if err := c.addMissing(ctx, &plan, way.To); err != nil {
			return nil, err
		}
	}
	candidate := &candidate{Back: &way}
	plan.Note = candidate.note()
	err = c.spending(func() error { return c.options.Main.Prepare(ctx, plan) })
	if isFull(err) {
		c.options.Log.Warn("there is no room for copies: contents are moved out of the store")
		plan.Sparing = true
		err = c.options.Main.Prepare(ctx, plan)
	}
	return candidate, err
}

// addMissing adds what a release needs, has in common with the one that failed,
// and is gone all the same: what failed may have removed it.
func (c *Conductor) addMissing(ctx context.Context, plan *activate.Plan, to int) error {
	tree, err := c.options.Releases.Tree(to)
	if err != nil {
		return err
	}
	found, err := c.options.Main.Inspect(ctx, tree, c.options.Releases.Store())
	if err != nil {
		return err
	}
	planned := map[release.Name]bool{}
	for _, change := range plan.Changes {
		planned[change.Path] = true
	}
	for _, missing := range found.Missing {
		if !planned[release.Name(missing.Path)] {
			c.options.Log.Warn("a file is gone from main/; it is put back", "file", missing.Path)
			plan.Changes = append(plan.Changes, c.putChange(missing.Path, missing.Entry))
		}
	}
	return nil
}
