package update

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"strings"
	"time"

	"ota/internal/activate"
	"ota/internal/check"
	"ota/internal/deposit"
	"ota/internal/reason"
	"ota/internal/release"
	"ota/internal/trial"
)

// candidate is main/ as it would be after a switch that is under way. It is the
// note in the journal, too.
type candidate struct {
	Record release.Record `json:"record,omitzero"`  // of an upload: the new release
	Back   *back          `json:"back,omitempty"`   // of a rollback
	Repair []release.Name `json:"repair,omitempty"` // of a repair: what was torn
	// Exempt are the probes that can't fail it.
	Exempt []string `json:"exempt,omitempty"`

	restart  check.Restart
	evidence *release.Evidence // of a rollback: what could not be kept yet
	upload   *deposit.Snapshot
	sealed   *deposit.Sealed // nil after an interruption: deposit/ is looked at again
}

// recovered is the candidate of an interrupted switch; nil if the note can't be
// read. What the probes had said of the release before is not in it.
func recovered(note json.RawMessage) *candidate {
	found := candidate{}
	err := json.Unmarshal(note, &found)
	if err != nil || found.number() == 0 && found.Repair == nil {
		return nil
	}
	found.Exempt = []string{trial.Every}
	return &found
}

func (c *candidate) note() json.RawMessage {
	note, err := json.Marshal(c)
	if err != nil {
		panic("update: a candidate is always JSON: " + err.Error())
	}
	return note
}

// number is that of the release that main/ becomes; 0: it stays what it is.
func (c *candidate) number() int {
	if c.Back != nil {
		return c.Back.To
	}
	return c.Record.Number
}

// sure reports whether it needs no trial.
func (c *candidate) sure() bool {
	return c.Repair != nil || c.Back != nil && c.Back.Trial == withoutTrial
}

// shown is the record as it will be.
func (c *candidate) shown(releases *release.Room) release.Record {
	record := c.Record
	if c.Back != nil {
		record, _ = releases.Record(c.Back.To) // one that can't be read shows its number
		record.Number = c.Back.To
	}
	record.State = release.Trial
	if c.sure() {
		record.State = release.Confirmed
	}
	return record
}

// beginPrepare takes the upload in that deposit/ shows.
func (c *Conductor) beginPrepare() {
	upload, again := c.attempt.view.Upload, c.attempt.again
	c.attempt.judged = upload
	c.options.Log.Info("an upload is complete", "files", c.attempt.view.Files, "bytes", c.attempt.view.Bytes)
	c.begun(c.cancellable(func(ctx context.Context) happening { return c.prepare(ctx, upload, again) }))
}

// prepare brings an upload as far as it can come while the program runs.
func (c *Conductor) prepare(ctx context.Context, upload *deposit.Snapshot, again again) happening {
	if c.owes() {
		// What failed belongs below this upload. Where it can't be put there the
		// upload is taken without it: it may be what helps.
		if c.giveBack().event == GivenBack {
			return happening{event: Disturbed}
		}
	}
	if err := c.refuseReturned(upload, again); err != nil {
		return c.notPrepared(ctx, err)
	}
	if c.needsAdoption() { // it failed when ota began; without it there would be no way back
		if err := c.adoptMain(ctx); err != nil {
			return c.notPrepared(ctx, err)
		}
	}
	if err := c.options.Space(upload); err != nil {
		return happening{event: Hindered, reasons: reason.Of(err)}
	}
	sealed, err := c.options.Deposit.Seal(ctx, upload)
	if err != nil {
		return c.notPrepared(ctx, err)
	}
	for _, warning := range sealed.Warnings {
		c.options.Log.Warn(warning.Message, "file", warning.Path)
	}
	candidate, err := c.compose(ctx, upload, sealed, again)
	if err != nil {
		c.dropSealed(sealed)
		return c.notPrepared(ctx, err)
	}
	if candidate == nil {
		return c.nothingChanged(sealed)
	}
	return happening{event: Prepared, candidate: candidate}
}

// notPrepared sorts out why: what somebody has to change, what time may mend,
// or an upload that was not complete after all.
func (c *Conductor) notPrepared(ctx context.Context, err error) happening {
	var refused *reason.Refused
	switch {
	case errors.Is(err, deposit.ErrChanged):
		c.options.Log.Debug("the upload changed while it was sealed")
		return happening{event: Disturbed}
	case ctx.Err() != nil:
		return happening{event: Disturbed}
	case errors.As(err, &refused) && refused.Passing == reason.Stays:
		return happening{event: Refused, reasons: refused.Reasons}
	default:
		return happening{event: Hindered, reasons: reason.Of(err)}
	}
}

func (c *Conductor) nothingChanged(sealed *deposit.Sealed) happening {
	defer c.dropSealed(sealed)
	c.options.Log.Info("nothing changed", "files", len(sealed.Files))
	if err := c.options.Deposit.Remove(sealed); err != nil {
		return happening{event: Refused, reasons: reason.Of(err)}
	}
	return happening{event: Unchanged}
}

// compose makes the release of what differs from main/ and prepares the switch
// to it. It returns nil if nothing differs.
func (c *Conductor) compose(ctx context.Context, upload *deposit.Snapshot, sealed *deposit.Sealed, again again) (*candidate, error) {
	differing, folders, err := c.differing(sealed)
	if err != nil {
		return nil, err
	}
	going, err := c.gone(sealed)
	if err != nil {
		return nil, err
	}
	if len(differing) == 0 && len(going) == 0 {
		if isNews, err := c.isNews(sealed); err != nil || !isNews {
			return nil, err
		}
	}
	if err := c.judge(sealed, differing); err != nil {
		return nil, err
	}
	verdict, err := c.check(ctx, sealed, differing, going)
	if err != nil {
		return nil, err
	}
	releases := c.options.Releases
	tree, err := c.base(ctx, differing)
	if err != nil {
		return nil, err
	}
	layer := layer{tree: tree, store: releases.Store(), bytecode: c.options.Bytecode}
	if err := layer.lay(sealed, folders, differing, going); err != nil {
		return nil, err
	}
	digest, err := tree.Save()
	if err != nil {
		return nil, err
	}
	if err := c.refuseSame(digest, upload, again); err != nil {
		return nil, err
	}
	candidate := &candidate{upload: upload, sealed: sealed, restart: verdict.Restart, Record: release.Record{
		Number:  releases.Next(),
		Digest:  digest,
		State:   release.Trial,
		From:    releases.Current(),
		Created: time.Now(),
		Files:   layer.touched,
		Bytes:   &layer.bytes,
		Kept:    layer.kept,

		Environment: verdict.Environment,
		Packed:      packedOf(sealed.Packed),
	}}
	if sealed.Packed != nil {
		// All that is listed is the program's, also what main/ has like that.
		if err := releases.NoteBrought(listedIn(sealed.Packed.Manifest)); err != nil {
			return nil, err
		}
	}
	layer.plan.Note, layer.plan.Compiled = candidate.note(), layer.ownBytecode(verdict.Compiled)
	if err := c.options.Main.Prepare(ctx, layer.plan); err != nil {
		return nil, err
	}
	return candidate, nil
}

// base is the tree that an upload is laid over: that of the current release. A
// card may have lost what that consists of. Then no upload could ever be taken,
// so what is in main/ is adopted anew.
func (c *Conductor) base(ctx context.Context, differing []arrived) (*release.Tree, error) {
	releases := c.options.Releases
	tree, err := releases.Tree(releases.Current())
	for i := 0; err == nil && i < len(differing); i++ {
		_, _, err = tree.Lookup(differing[i].Path)
		if folder, _ := c.options.Bytecode(differing[i].Path); err == nil && isSource(differing[i].Path) {
			_, err = tree.Names(folder)
		}
	}
	if err == nil || release.IsPassing(err) {
		return tree, err
	}
	damaged := releases.Current()
	c.options.Log.Error("the current release can't be read; what is in main/ is adopted in its place", "release", damaged, "error", err)
	if err := c.adoptMain(ctx); err != nil {
		return nil, err
	}
	if releases.Current() == damaged { // there is nothing in main/
		return releases.Store().Empty(), nil
	}
	return releases.Tree(releases.Current())
}

// arrived is a sealed file that main/ does not have like that.
type arrived struct {
	deposit.File
	entry  release.Entry
	effect release.Effect
}

// differing also returns the folders of the upload that main/ has already.
func (c *Conductor) differing(sealed *deposit.Sealed) (differing []arrived, folders []string, err error) {
	wanted := make([]activate.Wanted, len(sealed.Files))
	for i, file := range sealed.Files {
		wanted[i] = activate.Wanted{Path: file.Path, Entry: entryOf(file)}
	}
	found, err := c.options.Main.Compare(wanted)
	if err != nil {
		return nil, nil, err
	}
	filled := foldersWithFiles(sealed)
	for i, file := range sealed.Files {
		switch {
		case found[i] == activate.Equal && file.Kind == deposit.KindFolder:
			folders = append(folders, file.Path)
		case found[i] == activate.Equal:
		case found[i] == activate.Missing && filled[file.Path]: // made with what is in it
		case found[i] == activate.Missing:
			differing = append(differing, arrived{file, wanted[i].Entry, release.Added})
		default:
			differing = append(differing, arrived{file, wanted[i].Entry, release.Replaced})
		}
	}
	return differing, folders, nil
}

func foldersWithFiles(sealed *deposit.Sealed) map[string]bool {
	filled := map[string]bool{}
	for _, file := range sealed.Files {
		filled[path.Dir(file.Path)] = true
	}
	return filled
}

func entryOf(file deposit.File) release.Entry {
	switch file.Kind {
	case deposit.KindFolder:
		return release.Entry{Kind: release.Folder}
	case deposit.KindLink:
		return release.Entry{Kind: release.Link, Target: release.Name(file.Target)}
	default:
		return release.Entry{
			Kind: release.File,
			Mode: release.Mode(file.Mode.Perm()),
			Size: file.Size,
			Sum:  release.Sum(file.Sum),
		}
	}
}

// judge refuses links that leave the tree, and what seems cut off, unless
// somebody said to go ahead.
func (c *Conductor) judge(sealed *deposit.Sealed, differing []arrived) error {
	var arrivals []check.Arrival
	links := map[string]string{}
	for _, file := range differing {
		links[file.Path] = file.Target
		if file.Kind == deposit.KindFile && !file.Whole {
			arrivals = append(arrivals, check.Arrival{Path: file.Path, File: file.Copy})
		}
	}
	doubts, err := c.options.Links(links)
	if err == nil && len(doubts) == 0 && !sealed.Forced {
		doubts, err = c.options.Plausible(arrivals)
	}
	if err == nil && len(doubts) > 0 {
		err = &reason.Refused{Reasons: doubts}
	}
	return err
}

// check has the candidate judged as a program.
func (c *Conductor) check(ctx context.Context, sealed *deposit.Sealed, differing []arrived, going []gone) (check.Verdict, error) {
	number := c.options.Releases.Current()
	candidate := check.Candidate{
		Insisted: sealed.Forced,
		Current:  WalkOf(func() (*release.Tree, error) { return c.options.Releases.Tree(number) }),
	}
	for _, one := range going {
		candidate.Touched = append(candidate.Touched, one.path)
		candidate.Gone = append(candidate.Gone, one.path)
	}
	for _, file := range differing {
		candidate.Touched = append(candidate.Touched, file.Path)
		if file.Kind == deposit.KindLink {
			candidate.Links = append(candidate.Links, file.Path)
		}
		if file.Kind == deposit.KindFile {
			candidate.Arrivals = append(candidate.Arrivals, check.Arrival{
				Path: file.Path, File: file.Copy, Mode: modeOf(file.entry), ModTime: file.ModTime, Sum: file.entry.Sum.Hex(),
			})
		}
	}
	verdict, err := c.options.Check(ctx, candidate)
	if err != nil {
		return verdict, err
	}
	for _, one := range verdict.Warnings {
		c.tellReason("the upload is taken, but see", one)
	}
	if len(verdict.Held) > 0 {
		return verdict, &reason.Refused{Reasons: verdict.Held}
	}
	return verdict, nil
}

func modeOf(entry release.Entry) fs.FileMode { return fs.FileMode(entry.Mode) }

func isSource(path string) bool { return strings.HasSuffix(path, ".py") }

// drop throws away what was prepared.
func (c *Conductor) drop() {
	c.options.Program.Cool()
	if err := c.options.Main.Discard(); err != nil {
		c.options.Log.Warn("what was prepared can't be thrown away", "error", err)
	}
	c.allowBusy()
	c.forget()
}

// forget ends the attempt of the candidate, and its private copy with it.
func (c *Conductor) forget() {
	if c.attempt.candidate != nil {
		c.dropSealed(c.attempt.candidate.sealed)
		c.attempt.candidate = nil
	}
}

func (c *Conductor) dropSealed(sealed *deposit.Sealed) {
	if sealed == nil {
		return
	}
	if err := sealed.Close(); err != nil {
		c.options.Log.Warn("the private copy of an upload can't be removed", "error", err)
	}
}
