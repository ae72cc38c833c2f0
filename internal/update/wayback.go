package update

import (
	"errors"
	"io/fs"
	"maps"
	"slices"

	"ota/internal/activate"
	"ota/internal/release"
)

// wayback is what main/ is to have after a rollback at each path that changes.
type wayback map[string]wanted

type wanted struct {
	entry release.Entry // zero: nothing
	was   release.Kind  // what the release gone from has there
}

// planBack is what has to change in main/: the files by which two releases
// differ become those of the one gone to, and what a release in between
// replaced that was in none is brought back.
func (c *Conductor) planBack(from, to int) (activate.Plan, error) {
	differences, err := c.options.Releases.Diff(from, to)
	if err != nil {
		return activate.Plan{}, err
	}
	way := wayback{}
	for _, one := range differences {
		way[one.Path] = wanted{one.After, one.Before.Kind}
	}
	ancestry, err := c.ancestry(from)
	if err != nil {
		return activate.Plan{}, err
	}
	way.bringBack(ancestry, to)
	if target, err := c.options.Releases.Record(to); err == nil {
		for _, left := range target.Left {
			if _, changes := way[string(left.Path)]; changes {
				way[string(left.Path)] = wanted{entry: left.Entry}
			}
		}
	}
	return c.planOf(way), nil
}

// ancestry returns a release and those that it was laid over, newest first, as
// far as they are kept.
func (c *Conductor) ancestry(number int) ([]release.Record, error) {
	var records []release.Record
	for number != 0 {
		record, err := c.options.Releases.Record(number)
		if errors.Is(err, fs.ErrNotExist) && len(records) > 0 {
			break
		}
		if err != nil {
			return nil, err
		}
		records = append(records, record)
		number = record.From
	}
	return records, nil
}

// bringBack wants what the first release after to found at a path, if that was
// in no release. To a release that is no ancestor only what goes away otherwise
// makes room for it.
func (w wayback) bringBack(ancestry []release.Record, to int) {
	end := slices.IndexFunc(ancestry, func(record release.Record) bool { return record.Number == to })
	isAncestor := end >= 0
	if !isAncestor {
		end = len(ancestry)
	}
	plain := maps.Clone(w)
	for _, record := range ancestry[:end] {
		found := map[string]release.Entry{}
		for _, kept := range record.Kept {
			found[string(kept.Path)] = kept.Entry
		}
		for _, file := range record.Files {
			w.choose(string(file.Path), found, plain, isAncestor)
		}
		for path, entry := range found {
			if entry.Kind == release.Folder {
				w.choose(path, found, plain, isAncestor)
			}
		}
	}
}

func (w wayback) choose(path string, found map[string]release.Entry, plain wayback, isAncestor bool) {
	usual, changes := plain[path]
	entry, wasOwn := found[path]
	switch {
	case !isAncestor && (!changes || usual.entry.Kind != ""):
	case wasOwn:
		w[path] = wanted{entry: entry}
	case changes:
		w[path] = usual
	default:
		delete(w, path)
	}
}

// planOf makes the changes of a switch: first what goes, the deepest first.
func (c *Conductor) planOf(way wayback) activate.Plan {
	var plan activate.Plan
	paths := slices.Sorted(maps.Keys(way))
	for _, path := range slices.Backward(paths) {
		if one := way[path]; one.entry.Kind == "" {
			change := activate.Change{Path: release.Name(path), Action: activate.Remove}
			if one.was == release.Folder {
				change.Entry.Kind = release.Folder
			}
			plan.Changes = append(plan.Changes, change)
		}
	}
	for _, path := range paths {
		if one := way[path]; one.entry.Kind != "" {
			plan.Changes = append(plan.Changes, c.putChange(path, one.entry))
		}
		if isSource(path) {
			plan.Stale = append(plan.Stale, release.Name(path))
		}
	}
	return plan
}

func (c *Conductor) putChange(path string, entry release.Entry) activate.Change {
	change := activate.Change{Path: release.Name(path), Action: activate.Put, Entry: entry}
	switch entry.Kind {
	case release.File:
		change.Source = c.options.Releases.Store().Path(entry.Sum)
	case release.Folder:
		change.Entry = release.Entry{Kind: release.Folder}
	}
	return change
}
