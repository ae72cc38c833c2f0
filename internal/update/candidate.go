package update

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"ota/internal/activate"
	"ota/internal/check"
	"ota/internal/deposit"
	"ota/internal/reason"
	"ota/internal/release"
)

// candidate is main/ as it would be: a release that is not switched in yet.
type candidate struct {
	record release.Record
	sealed *deposit.Sealed // nil after an interruption: deposit/ is looked at again
}

// recovered is the candidate of an interrupted switch.
func recovered(note json.RawMessage) *candidate {
	var found candidate
	if err := json.Unmarshal(note, &found.record); err != nil {
		return nil
	}
	return &found
}

// prepare brings an upload as far as it can come while the program runs.
func (c *Conductor) prepare(ctx context.Context, upload *deposit.Snapshot) happening {
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
	candidate, err := c.compose(ctx, sealed)
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
	case errors.As(err, &refused):
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
func (c *Conductor) compose(ctx context.Context, sealed *deposit.Sealed) (*candidate, error) {
	differing, err := c.differing(sealed)
	if err != nil || len(differing) == 0 {
		return nil, err
	}
	if err := c.judge(sealed, differing); err != nil {
		return nil, err
	}
	releases := c.options.Releases
	tree, err := releases.Tree(releases.Current())
	if err != nil {
		return nil, err
	}
	layer := layer{tree: tree, store: releases.Store(), bytecode: c.options.Bytecode}
	for _, file := range differing {
		if err := layer.put(file); err != nil {
			return nil, err
		}
	}
	if err := layer.dropBytecode(sealed); err != nil {
		return nil, err
	}
	digest, err := tree.Save()
	if err != nil {
		return nil, err
	}
	record := release.Record{
		Number:  releases.Next(),
		Digest:  digest,
		State:   release.Confirmed,
		From:    releases.Current(),
		Created: time.Now(),
		Files:   layer.touched,
	}
	note, err := json.Marshal(record)
	if err != nil {
		return nil, err
	}
	layer.plan.Note = note
	if err := c.options.Main.Prepare(ctx, layer.plan); err != nil {
		return nil, err
	}
	return &candidate{record, sealed}, nil
}

// arrived is a sealed file that main/ does not have like that.
type arrived struct {
	deposit.File
	entry  release.Entry
	effect release.Effect
}

func (c *Conductor) differing(sealed *deposit.Sealed) ([]arrived, error) {
	wanted := make([]activate.Wanted, len(sealed.Files))
	for i, file := range sealed.Files {
		wanted[i] = activate.Wanted{Path: file.Path, Entry: entryOf(file)}
	}
	found, err := c.options.Main.Compare(wanted)
	if err != nil {
		return nil, err
	}
	filled := foldersWithFiles(sealed)
	var differing []arrived
	for i, file := range sealed.Files {
		switch {
		case found[i] == activate.Equal:
		case found[i] == activate.Missing && filled[file.Path]: // made with what is in it
		case found[i] == activate.Missing:
			differing = append(differing, arrived{file, wanted[i].Entry, release.Added})
		default:
			differing = append(differing, arrived{file, wanted[i].Entry, release.Replaced})
		}
	}
	return differing, nil
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
		if file.Kind == deposit.KindFile {
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

// layer lays an upload over a release: the tree, the plan for main/, and what
// the record says of it.
type layer struct {
	tree     *release.Tree
	store    *release.Store
	bytecode func(path string) (folder string, owns func(name string) bool)
	plan     activate.Plan
	touched  []release.Touched
}

func (l *layer) put(file arrived) error {
	change := activate.Change{Path: release.Name(file.Path), Action: activate.Put, Entry: file.entry}
	if file.Kind == deposit.KindFile {
		if err := l.store.Take(file.Copy, file.entry.Sum); err != nil {
			return err
		}
		change.Source, change.ModTime = l.store.Path(file.entry.Sum), file.ModTime
	}
	if err := l.makeWay(file.Path, file.entry.Kind); err != nil {
		return err
	}
	if err := l.tree.Set(file.Path, file.entry); err != nil {
		return err
	}
	l.plan.Changes = append(l.plan.Changes, change)
	l.touched = append(l.touched, release.Touched{Path: release.Name(file.Path), Effect: file.effect})
	if isSource(file.Path) {
		l.plan.Stale = append(l.plan.Stale, release.Name(file.Path))
	}
	return nil
}

// makeWay takes out of the tree what the release had there in another shape.
// main/ has it no more, or the switch would be refused: somebody changed it.
func (l *layer) makeWay(at string, kind release.Kind) error {
	for above := path.Dir(at); above != "."; above = path.Dir(above) {
		entry, there, err := l.tree.Lookup(above)
		if err != nil {
			return err
		}
		if there && entry.Kind != release.Folder {
			return l.tree.Delete(above)
		}
	}
	entry, there, err := l.tree.Lookup(at)
	if err != nil || !there || (entry.Kind == release.Folder) == (kind == release.Folder) {
		return err
	}
	return l.tree.Delete(at)
}

// dropBytecode takes bytecode out that an earlier upload brought for a source
// that this one changes, unless this one brings its own. (Bytecode that Python
// made is in no release; the switch removes it.)
func (l *layer) dropBytecode(sealed *deposit.Sealed) error {
	brought := map[string]bool{}
	for _, file := range sealed.Files {
		brought[file.Path] = true
	}
	for _, source := range l.plan.Stale {
		folder, owns := l.bytecode(string(source))
		names, err := l.tree.Names(folder)
		if err != nil {
			return err
		}
		for _, name := range names {
			at := path.Join(folder, name)
			if brought[at] || !owns(name) {
				continue
			}
			if err := l.tree.Delete(at); err != nil {
				return err
			}
			l.plan.Changes = append(l.plan.Changes, activate.Change{Path: release.Name(at), Action: activate.Remove})
			l.touched = append(l.touched, release.Touched{Path: release.Name(at), Effect: release.Removed})
		}
	}
	return nil
}

func isSource(path string) bool { return strings.HasSuffix(path, ".py") }

// drop throws away what was prepared.
func (c *Conductor) drop() {
	if err := c.options.Main.Discard(); err != nil {
		c.options.Log.Warn("what was prepared can't be thrown away", "error", err)
	}
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

// adopt makes what is in main/ at the first start release 1.
func (c *Conductor) adopt(ctx context.Context) happening {
	err := c.adoptMain(ctx)
	if err != nil && ctx.Err() == nil {
		c.options.Log.Warn("what is in main/ can't be adopted as a release", "error", err)
	}
	return happening{event: Adopted}
}

func (c *Conductor) adoptMain(ctx context.Context) error {
	releases := c.options.Releases
	tree := releases.Store().Empty()
	var files []release.Touched
	err := c.options.Main.Scan(ctx, func(at string, entry release.Entry) error {
		if entry.Kind != release.Folder {
			files = append(files, release.Touched{Path: release.Name(at), Effect: release.Added})
		}
		return tree.Set(at, entry)
	})
	if err != nil || len(files) == 0 {
		return err
	}
	// The listings come first and are synced, or a power cut may leave a record
	// of what can't be read, and no upload could be laid over that.
	var digest release.Sum
	err = c.options.Main.Record(func() (err error) {
		digest, err = tree.Save()
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot list what is in main/: %w", err)
	}
	record := release.Record{
		Number:  releases.Next(),
		Digest:  digest,
		State:   release.Adopted,
		Created: time.Now(),
		Files:   files,
	}
	if err := c.options.Main.Record(func() error { return releases.Enter(record) }); err != nil {
		return fmt.Errorf("cannot record what is in main/: %w", err)
	}
	c.options.Log.Info("what is in main/ is adopted", "release", record.Number, "files", len(files))
	return nil
}
