package update

import (
	"log/slog"
	"path"
	"slices"
	"strings"

	"ota/internal/activate"
	"ota/internal/deposit"
	"ota/internal/parcel"
	"ota/internal/release"
)

// gone is a path that a packed release takes away.
type gone struct {
	path string
	kind release.Kind
}

// gone lists what a packed release takes away: of a whole one, what earlier
// uploads brought and it does not list; of any, what it says. What somebody has
// changed since is the program's own by now, and stays.
func (c *Conductor) gone(sealed *deposit.Sealed) ([]gone, error) {
	return goneOf(c.options.Releases, c.options.Main, c.options.Log, sealed.Packed)
}

// Removals lists what a packed release takes away, for who only asks; nil: none.
func Removals(releases *release.Room, main Main, packed *deposit.Packed) ([]string, error) {
	going, err := goneOf(releases, main, slog.New(slog.DiscardHandler), packed)
	var paths []string
	for _, one := range going {
		paths = append(paths, one.path)
	}
	return paths, err
}

func goneOf(releases *release.Room, main Main, log *slog.Logger, packed *deposit.Packed) ([]gone, error) {
	if packed == nil {
		return nil, nil
	}
	tree, err := releases.Tree(releases.Current())
	if err != nil {
		return nil, err
	}
	brought, err := releases.Brought()
	if err != nil {
		return nil, err
	}
	unlisted := unlistedOf(packed.Manifest)
	var wanted []activate.Wanted
	err = tree.Walk(func(at string, entry release.Entry) error {
		isMeant := unlisted.removes(at) || unlisted.isWhole && !unlisted.listed[at] && brought[release.Name(at)]
		if entry.Kind == release.Folder {
			names, err := tree.Names(at)
			if err != nil || len(names) > 0 { // it goes with what is in it
				return err
			}
		}
		if isMeant {
			wanted = append(wanted, activate.Wanted{Path: at, Entry: entry})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return unchanged(main, log, wanted)
}

// unlisted tells what a manifest takes away.
type unlisted struct {
	isWhole bool
	listed  map[string]bool // files, and the folders that lead to them
	removed []string
}

func unlistedOf(m *parcel.Manifest) unlisted {
	u := unlisted{isWhole: m.Kind == parcel.Whole, listed: map[string]bool{}, removed: m.Removed}
	for _, file := range m.Files {
		for at := file.Path; at != "." && !u.listed[at]; at = path.Dir(at) {
			u.listed[at] = true
		}
	}
	return u
}

func (u *unlisted) removes(at string) bool {
	return slices.ContainsFunc(u.removed, func(one string) bool { return at == one || strings.HasPrefix(at, one+"/") })
}

// unchanged leaves out what is not in main/ as the release has it.
func unchanged(main Main, log *slog.Logger, wanted []activate.Wanted) ([]gone, error) {
	found, err := main.Compare(wanted)
	if err != nil {
		return nil, err
	}
	var going []gone
	for i, one := range wanted {
		switch found[i] {
		case activate.Equal:
			going = append(going, gone{one.Path, one.Entry.Kind})
		case activate.Missing:
		default:
			log.Warn("a file that the release does not have was changed in main/, and stays", "file", one.Path)
		}
	}
	return going, nil
}

// isNews reports whether a packed release is another than the current one, even
// if it has the same files. It is if it has another name, takes in what uploads
// have not brought, or is signed and not that very one: its serial counts then.
func (c *Conductor) isNews(sealed *deposit.Sealed) (bool, error) {
	if sealed.Packed == nil {
		return false, nil
	}
	record, err := c.options.Releases.Record(c.options.Releases.Current())
	if err != nil || record.Packed == nil {
		return true, nil
	}
	before, next := record.Packed, packedOf(sealed.Packed)
	if before.Manifest == next.Manifest {
		return false, nil
	}
	if len(next.SignedBy) > 0 || before.App != next.App || before.Version != next.Version || before.Message != next.Message {
		return true, nil
	}
	brought, err := c.options.Releases.Brought()
	isNew := func(file parcel.Entry) bool { return !brought[release.Name(file.Path)] }
	return slices.ContainsFunc(sealed.Packed.Manifest.Files, isNew), err
}

// remove takes paths out of the release, and the folders that nothing is left
// in.
func (l *layer) remove(going []gone) error {
	folders := map[string]bool{}
	for _, one := range slices.Backward(going) {
		if one.kind == release.Folder {
			folders[one.path] = true
		} else {
			l.plan.Changes = append(l.plan.Changes, activate.Change{Path: release.Name(one.path), Action: activate.Remove})
		}
		if isSource(one.path) {
			l.plan.Stale = append(l.plan.Stale, release.Name(one.path))
		}
		if err := l.tree.Delete(one.path); err != nil {
			return err
		}
		for above := path.Dir(one.path); above != "."; above = path.Dir(above) {
			folders[above] = true
		}
		l.touched = append(l.touched, release.Touched{Path: release.Name(one.path), Effect: release.Removed})
	}
	l.emptied = folders
	return nil
}

// removeEmptied takes away the folders of what was removed, the deepest first,
// if the release has them no more.
func (l *layer) removeEmptied() error {
	var folders []string
	for folder := range l.emptied {
		_, there, err := l.tree.Lookup(folder)
		if err != nil {
			return err
		}
		if !there {
			folders = append(folders, folder)
		}
	}
	slices.Sort(folders)
	for _, folder := range slices.Backward(folders) {
		change := activate.Change{Path: release.Name(folder), Action: activate.Remove}
		change.Entry.Kind = release.Folder
		l.plan.Changes = append(l.plan.Changes, change)
	}
	return nil
}

// listedIn are the files of a manifest, as if each had been added.
func listedIn(m *parcel.Manifest) []release.Touched {
	files := make([]release.Touched, len(m.Files))
	for i, file := range m.Files {
		files[i] = release.Touched{Path: release.Name(file.Path), Effect: release.Added}
	}
	return files
}

// packedOf is what the record keeps of a manifest.
func packedOf(packed *deposit.Packed) *release.Packed {
	if packed == nil {
		return nil
	}
	m := packed.Manifest
	return &release.Packed{
		Manifest: release.Sum(packed.Sum), App: m.App, Version: m.Version, Serial: m.Serial, Message: m.Message,
		SignedBy: packed.Signers, RollbackTo: m.RollbackTo, Signers: m.Signers, Threshold: m.Threshold, Replaces: packed.Replaces,
	}
}
