package release

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"ota/internal/kit/durable"
)

// Aside is what switches have taken out of main/ that was in no release: files,
// links and folders that the program or a person made or changed. Who goes back
// to a release finds here, by path, what stood in main/ when that was left.
// Contents are in the store.
type Aside map[Name][]Stood

// Stood is what was taken away, and what of a release it stood for.
type Stood struct {
	// By is the release that had brought the file that was changed: 0 if no
	// release had anything there, Forgotten if its record was dropped.
	By  int   `json:"by"`
	Of  Entry `json:"of,omitzero"` // that file; zero: nothing
	Was Entry `json:"was"`
}

// Forgotten stands for a release of which no record is kept.
const Forgotten = -1

// isFor reports whether two stand for the same: the same file of a release, by
// its content where it is not known any more who brought it.
func (s Stood) isFor(other Stood) bool {
	if s.By == Forgotten || other.By == Forgotten {
		return s.Of == other.Of
	}
	return s.By == other.By
}

// Put keeps what was taken away, in place of what stood for the same before.
func (a Aside) Put(path Name, stood Stood) {
	a.Drop(path, stood)
	a[path] = append(a[path], stood)
}

// Drop forgets what stood for the same, since it is in main/ again.
func (a Aside) Drop(path Name, stood Stood) {
	left := slices.DeleteFunc(slices.Clone(a[path]), stood.isFor)
	if len(left) == 0 {
		delete(a, path)
		return
	}
	a[path] = left
}

// Find returns what stood for the same.
func (a Aside) Find(path Name, stood Stood) (Stood, bool) {
	i := slices.IndexFunc(a[path], stood.isFor)
	if i < 0 {
		return Stood{}, false
	}
	return a[path][i], true
}

// Aside reads what is kept aside. A damaged file counts as none. The error says
// that it can't be read now, as the system has no room for it.
func (r *Room) Aside() (Aside, error) {
	found := Aside{}
	err := durable.ReadJSON(r.asidePath(), &found)
	if IsPassing(err) {
		return nil, err
	}
	if err != nil {
		return Aside{}, nil
	}
	return found, nil
}

// SetAside writes it down, without a sync.
func (r *Room) SetAside(aside Aside) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	return r.setAside(aside)
}

func (r *Room) setAside(aside Aside) error {
	known, err := r.Aside()
	if err != nil || maps.EqualFunc(aside, known, slices.Equal) {
		return err
	}
	if len(aside) > 0 {
		return replaceJSON(r.asidePath(), aside)
	}
	if err := os.Remove(r.asidePath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// pruneAside forgets what stands for files that no kept release has.
func (r *Room) pruneAside() error {
	aside, err := r.Aside()
	if err != nil || len(aside) == 0 {
		return err
	}
	records, err := r.History()
	if err != nil {
		return err
	}
	var trees []*Tree
	for _, record := range records {
		trees = append(trees, r.store.Tree(record.Digest))
	}
	for path, all := range maps.Clone(aside) {
		for _, stood := range all {
			if stood.By != 0 && !anyHas(trees, path, stood.Of) {
				aside.Drop(path, stood)
			}
		}
	}
	return r.setAside(aside)
}

// anyHas is true also where that can't be told.
func anyHas(trees []*Tree, path Name, entry Entry) bool {
	return slices.ContainsFunc(trees, func(tree *Tree) bool {
		found, there, err := tree.Lookup(string(path))
		return err != nil || there && found == entry
	})
}

func (r *Room) asidePath() string { return filepath.Join(r.dir, "aside.json") }
