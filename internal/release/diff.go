package release

import (
	"maps"
	"path"
	"slices"
)

// Difference is a path at which two releases differ. The entry of the one that
// has nothing there is zero.
type Difference struct {
	Path          string
	Before, After Entry
}

// Effect is what one who goes from the one to the other does there.
func (d Difference) Effect() Effect {
	switch {
	case d.Before.Kind == "":
		return Added
	case d.After.Kind == "":
		return Removed
	default:
		return Replaced
	}
}

// Differences lists by what after differs from before, folders before what is
// in them. What they share is not read.
func Differences(before, after *Tree) ([]Difference, error) {
	var found []Difference
	err := compareFolders("", side{before, before.top}, side{after, after.top}, func(d Difference) {
		found = append(found, d)
	})
	return found, err
}

// side is a folder of one of two trees; without one it is empty.
type side struct {
	tree   *Tree
	folder *folder
}

func (s side) read() (map[string]Entry, error) {
	if s.folder == nil {
		return nil, nil
	}
	err := s.tree.read(s.folder)
	return s.folder.entries, err
}

// isSame compares by the sums of the listings, without reading them.
func (s side) isSame(other side) bool {
	return s.folder != nil && other.folder != nil && s.folder.sum == other.folder.sum && s.folder.sum != (Sum{})
}

func (s side) below(name string, entry Entry) side {
	if entry.Kind != Folder {
		return side{tree: s.tree}
	}
	return side{s.tree, s.folder.child(name)}
}

func compareFolders(at string, before, after side, report func(Difference)) error {
	if before.isSame(after) {
		return nil
	}
	old, err := before.read()
	if err != nil {
		return err
	}
	now, err := after.read()
	if err != nil {
		return err
	}
	names := map[string]Entry{}
	maps.Copy(names, old)
	maps.Copy(names, now)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, is, here := old[name], now[name], path.Join(at, name)
		if was != is && (was.Kind != Folder || is.Kind != Folder) {
			report(Difference{here, was, is})
		}
		if was.Kind != Folder && is.Kind != Folder {
			continue
		}
		if err := compareFolders(here, before.below(name, was), after.below(name, is), report); err != nil {
			return err
		}
	}
	return nil
}
