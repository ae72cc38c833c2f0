package update

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"ota/internal/deposit"
	"ota/internal/reason"
	"ota/internal/release"
)

// owe adds what release from has and release to has not to the files that go
// back to deposit/. Those of a release that failed later are newer, and stay.
func (c *Conductor) owe(from, to int) error {
	releases := c.options.Releases
	differences, err := releases.Diff(to, from)
	if err != nil {
		return err
	}
	returned, err := releases.Returned()
	if err != nil {
		return err
	}
	for _, one := range withoutFilled(differences) {
		known := slices.ContainsFunc(returned.Files, func(file release.ReturnedFile) bool {
			return string(file.Path) == one.Path
		})
		if !known && one.After.Kind != "" {
			returned.Files = append(returned.Files, release.ReturnedFile{Path: release.Name(one.Path), Entry: one.After})
		}
	}
	returned.Release, returned.Step = from, release.Owed
	return releases.SetReturned(returned)
}

// withoutFilled leaves out the folders that come back with what is in them. One
// that is empty comes back too, beside files: alone it would make an upload that
// can't be known again.
func withoutFilled(differences []release.Difference) []release.Difference {
	isFile := func(one release.Difference) bool { return one.After.Kind != "" && one.After.Kind != release.Folder }
	hasFiles := slices.ContainsFunc(differences, isFile)
	var kept []release.Difference
	for i, one := range differences {
		isFilled := i+1 < len(differences) && strings.HasPrefix(differences[i+1].Path, one.Path+"/")
		if isFile(one) || one.After.Kind == release.Folder && hasFiles && !isFilled {
			kept = append(kept, one)
		}
	}
	return kept
}

// owes reports whether files have to go back, or may have to.
func (c *Conductor) owes() bool {
	returned, err := c.options.Releases.Returned()
	return err != nil || returned.Step == release.Owed
}

// giveBack puts the files that are owed into deposit/.
func (c *Conductor) giveBack() happening {
	returned, err := c.options.Releases.Returned()
	if err != nil {
		c.options.Log.Error("it can't be told whether files of a release that failed are to be put back", "error", err)
		return happening{event: NotGivenBack}
	}
	if returned.Step != release.Owed {
		return happening{event: GivenBack}
	}
	parcels := c.parcels(returned.Files)
	if err := c.options.Deposit.Return(context.Background(), parcels); err != nil {
		c.options.Log.Error("the files of the release that failed can't be put back; they are kept in its history",
			"release", returned.Release, "error", err)
		return happening{event: NotGivenBack}
	}
	put := 0
	for i := range parcels {
		returned.Files[i].Trace = parcels[i].Trace
		if parcels[i].Trace != "" {
			put++
		}
	}
	returned.Files = slices.DeleteFunc(returned.Files, func(file release.ReturnedFile) bool { return file.Trace == "" })
	returned.Step = release.Done
	if len(returned.Files) == 0 {
		returned.Step = release.None
	}
	if err := c.put(func() error { return c.options.Releases.SetReturned(returned) }); err != nil {
		c.options.Log.Error("it can't be written down that files were put back", "error", err)
		return happening{event: NotGivenBack}
	}
	c.options.Log.Info("the files of the release that failed are in deposit/ again", "release", returned.Release, "files", put)
	return happening{event: GivenBack}
}

func (c *Conductor) parcels(files []release.ReturnedFile) []deposit.Parcel {
	kinds := map[release.Kind]deposit.Kind{
		release.File: deposit.KindFile, release.Folder: deposit.KindFolder, release.Link: deposit.KindLink,
	}
	parcels := make([]deposit.Parcel, len(files))
	for i, file := range files {
		parcels[i] = deposit.Parcel{Trace: file.Trace, File: deposit.File{
			Path:   string(file.Path),
			Kind:   kinds[file.Entry.Kind],
			Mode:   modeOf(file.Entry),
			Size:   file.Entry.Size,
			Sum:    file.Entry.Sum,
			Target: string(file.Entry.Target),
			Copy:   c.options.Releases.Store().Path(file.Entry.Sum),
		}}
	}
	return parcels
}

// refuseReturned refuses an upload in which nobody has changed anything since
// its files came back.
func (c *Conductor) refuseReturned(upload *deposit.Snapshot, again again) error {
	returned, err := c.options.Releases.Returned()
	if err != nil || returned.Step != release.Done || again == onRequest {
		return err
	}
	now, then := upload.Traces(), returned.Traces()
	if len(now) != len(then) || hasFresh(now, then) {
		return nil
	}
	return c.failedBefore(returned.Release)
}

// refuseSame refuses a candidate with the very content of a release that failed,
// unless somebody has uploaded some of it afresh.
func (c *Conductor) refuseSame(digest release.Sum, upload *deposit.Snapshot, again again) error {
	returned, err := c.options.Releases.Returned()
	if err != nil || returned.Step != release.Done || again == onRequest || hasFresh(upload.Traces(), returned.Traces()) {
		return err
	}
	records, err := c.options.Releases.History()
	if err != nil && len(records) == 0 {
		return err
	}
	for _, record := range records {
		if record.State == release.RolledBack && record.Digest == digest {
			return c.failedBefore(record.Number)
		}
	}
	return nil
}

// hasFresh reports whether there is a file that did not come back like that.
func hasFresh(now, then map[string]string) bool {
	for path, trace := range now {
		if then[path] != trace {
			return true
		}
	}
	return false
}

func (c *Conductor) failedBefore(number int) error {
	why := ""
	if record, err := c.options.Releases.Record(number); err == nil && record.Reason != "" {
		why = ": " + record.Reason
	}
	return &reason.Refused{Reasons: []reason.Reason{{Message: fmt.Sprintf(
		"this failed its trial as release %d%s (see \"ota why %d\"); put a corrected file over it, or \"ota retry\", or \"ota discard\"",
		number, why, number)}}}
}

// noteRemoved keeps the files of a failed release that somebody has deleted
// from deposit/. A look at it from before they were put back says nothing.
func (c *Conductor) noteRemoved() {
	view := c.attempt.view
	if view.Asked < c.asks || len(view.Waiting) > 0 || !slices.Contains(free, c.state.Attempt) {
		return
	}
	if returned, err := c.options.Releases.Returned(); err == nil && returned.Step == release.Done {
		c.handle(happening{event: AskDiscard})
	}
}

// discard puts away what is in deposit/, and what came back and was deleted
// there.
func (c *Conductor) discard() happening {
	var found deposit.Discarded
	returned, err := c.options.Releases.Returned()
	if err == nil {
		found, err = c.options.Deposit.Discard(context.Background(), c.untraced(returned.Files))
	}
	if err == nil {
		err = c.put(func() error { return c.options.Releases.SetReturned(release.Returned{}) })
	}
	if err != nil {
		c.options.Log.Error("what is in deposit/ can't be discarded", "error", err)
		return happening{event: NotDiscarded, err: err}
	}
	if found.Files > 0 {
		c.options.Log.Info("discarded", "files", found.Files, "folder", filepath.ToSlash(found.Folder))
	}
	return happening{event: Discarded, discarded: found}
}

// useReturned writes down that what came back is part of a new release, but for
// what somebody has deleted.
func (c *Conductor) useReturned(made release.Record) error {
	returned, err := c.options.Releases.Returned()
	if err != nil || returned.Step != release.Done {
		return err
	}
	brought := map[release.Name]bool{}
	for _, file := range made.Files {
		brought[file.Path] = true
	}
	returned.Files = slices.DeleteFunc(returned.Files, func(file release.ReturnedFile) bool { return brought[file.Path] })
	returned.Step = release.Deleted
	if len(returned.Files) == 0 {
		returned.Step = release.None
	}
	return c.options.Releases.SetReturned(returned)
}

// keepDeleted keeps the files that came back and that somebody has deleted, as
// well as that goes.
func (c *Conductor) keepDeleted() {
	returned, err := c.options.Releases.Returned()
	if err == nil && returned.Step != release.Deleted {
		return
	}
	var found deposit.Discarded
	if err == nil {
		found, err = c.options.Deposit.Keep(context.Background(), c.untraced(returned.Files))
	}
	if err == nil {
		err = c.options.Releases.SetReturned(release.Returned{})
	}
	if err != nil {
		c.options.Log.Warn("files that were deleted in deposit/ can't be kept", "error", err)
		return
	}
	c.options.Log.Info("files that were deleted in deposit/ are kept", "files", found.Files, "folder", filepath.ToSlash(found.Folder))
}

// untraced are parcels to be written whatever was written before.
func (c *Conductor) untraced(files []release.ReturnedFile) []deposit.Parcel {
	parcels := c.parcels(files)
	for i := range parcels {
		parcels[i].Trace = ""
	}
	return parcels
}
