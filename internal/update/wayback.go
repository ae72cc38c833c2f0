package update

import (
	"context"
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
// differ become those of the one gone to, and what stood there when that was
// current and was in no release is brought back.
func (c *Conductor) planBack(from, to int) (activate.Plan, error) {
	releases := c.options.Releases
	differences, err := releases.Diff(from, to)
	if err != nil {
		return activate.Plan{}, err
	}
	way := wayback{}
	for _, one := range differences {
		way[one.Path] = wanted{one.After, one.Before.Kind}
	}
	err = c.forAside(from, to, func(path release.Name, stood release.Stood) {
		if stood.Was.Kind == release.File && releases.Store().Check(context.Background(), stood.Was.Sum) != nil {
			c.options.Log.Warn("what stood here before can't be brought back: it is damaged", "file", string(path))
			return
		}
		way[string(path)] = wanted{entry: stood.Was}
	})
	return c.planOf(way), err
}

// forAside calls visit for all that was set aside and stands in main/ again when
// release to does in place of release from: what stood for a file of to, and
// what stood where to has nothing and from has something.
func (c *Conductor) forAside(from, to int, visit func(path release.Name, stood release.Stood)) error {
	before, err := c.lineage(from)
	if err != nil {
		return err
	}
	after, err := c.lineage(to)
	if err != nil {
		return err
	}
	aside, err := c.options.Releases.Aside()
	if err != nil {
		return err
	}
	for path := range aside {
		now, err := before.at(path)
		if err != nil {
			return err
		}
		next, err := after.at(path)
		if err != nil {
			return err
		}
		if found, there := aside.Find(path, next); there && (next.By != 0 || now.By != 0) {
			visit(path, found)
		}
	}
	return nil
}

// lineage is a release and those that it was laid over.
type lineage struct {
	releases *release.Room
	tree     *release.Tree
	records  []forebear // newest first; more are read when they are needed
	next     int        // the one to be read; 0: there is none
}

// forebear is a release and the paths that it brought.
type forebear struct {
	number int
	brings map[release.Name]bool
}

func (c *Conductor) lineage(number int) (*lineage, error) {
	tree, err := c.options.Releases.Tree(number)
	return &lineage{releases: c.options.Releases, tree: tree, next: number}, err
}

// at is what an edit of the file at a path would stand for.
func (l *lineage) at(path release.Name) (release.Stood, error) {
	entry, there, err := l.tree.Lookup(string(path))
	if err != nil || !there {
		return release.Stood{}, err
	}
	for i := 0; ; i++ {
		if i == len(l.records) && !l.read() {
			return release.Stood{By: release.Forgotten, Of: entry}, nil
		}
		if l.records[i].brings[path] {
			return release.Stood{By: l.records[i].number, Of: entry}, nil
		}
	}
}

// read reads one more record, and returns false if there is none.
func (l *lineage) read() bool {
	record, err := l.releases.Record(l.next)
	if l.next == 0 || err != nil { // dropped, or damaged
		l.next = 0
		return false
	}
	brings := make(map[release.Name]bool, len(record.Files))
	for _, file := range record.Files {
		brings[file.Path] = true
	}
	l.records = append(l.records, forebear{record.Number, brings})
	l.next = record.From
	return true
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
