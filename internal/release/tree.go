package release

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// ErrInTheWay says that a path leads through something that is no folder.
var ErrInTheWay = errors.New("something that is no folder is in the way")

// Tree is what a release consists of: paths and their entries. Listings are
// read from the store when they are needed. A Tree may be changed; [Tree.Save]
// writes the listings of the folders that differ. One goroutine may use it.
type Tree struct {
	store *Store
	top   *folder
}

// folder is a listing, read or still in the store.
type folder struct {
	sum     Sum              // of the listing as stored; zero if changed since
	entries map[string]Entry // nil: not read yet
	below   map[string]*folder
}

// Empty is the tree of no files.
func (s *Store) Empty() *Tree {
	return &Tree{s, &folder{entries: map[string]Entry{}}}
}

// Tree is the tree whose topmost listing has this sum.
func (s *Store) Tree(digest Sum) *Tree { return &Tree{s, &folder{sum: digest}} }

// Lookup returns the entry at a path; ok is false if there is none. The error
// says that a listing is damaged.
func (t *Tree) Lookup(at string) (entry Entry, ok bool, err error) {
	dir, name := path.Split(at)
	parent, err := t.folderAt(strings.TrimSuffix(dir, "/"))
	if err != nil || parent == nil {
		return Entry{}, false, err
	}
	entry, ok = parent.entries[name]
	return entry, ok, nil
}

// Names lists the names in a folder, none if there is no such folder.
func (t *Tree) Names(at string) ([]string, error) {
	here, err := t.folderAt(at)
	if err != nil || here == nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(here.entries)), nil
}

// Set puts an entry at a path and makes the folders that lead there. A folder
// that is there stays as it is. The error is ErrInTheWay, or says that a
// listing is damaged.
func (t *Tree) Set(at string, entry Entry) error {
	dir, name := path.Split(at)
	parent, err := t.makeFolder(strings.TrimSuffix(dir, "/"))
	if err != nil {
		return err
	}
	old, there := parent.entries[name]
	switch {
	case entry.Kind == Folder && there && old.Kind == Folder:
		return nil
	case there && (entry.Kind == Folder) != (old.Kind == Folder):
		return fmt.Errorf("%q: %w", at, ErrInTheWay)
	case entry.Kind == Folder:
		parent.setBelow(name, &folder{entries: map[string]Entry{}})
	}
	parent.entries[name] = entry
	return nil
}

// Delete takes a path out, and folders that become empty by that.
func (t *Tree) Delete(at string) error {
	dir, name := path.Split(at)
	dir = strings.TrimSuffix(dir, "/")
	parent, err := t.folderAt(dir)
	if err != nil || parent == nil {
		return err
	}
	if _, there := parent.entries[name]; !there {
		return nil
	}
	if _, err := t.makeFolder(dir); err != nil { // marks the way as changed
		return err
	}
	delete(parent.entries, name)
	delete(parent.below, name)
	if len(parent.entries) == 0 && dir != "" {
		return t.Delete(dir)
	}
	return nil
}

// Save writes the listings that changed into the store, without a sync, and
// returns the digest of the whole.
func (t *Tree) Save() (Sum, error) { return t.save(t.top) }

// Walk calls visit for every path, folders before what is in them, in the
// order of their names.
func (t *Tree) Walk(visit func(at string, entry Entry) error) error {
	return t.walk("", t.top, visit)
}

// folderAt returns the folder at a path, read, or nil if there is none.
func (t *Tree) folderAt(at string) (*folder, error) {
	here := t.top
	if err := t.read(here); err != nil || at == "" {
		return here, err
	}
	for name := range strings.SplitSeq(at, "/") {
		if here.entries[name].Kind != Folder {
			return nil, nil
		}
		here = here.child(name)
		if err := t.read(here); err != nil {
			return nil, err
		}
	}
	return here, nil
}

// makeFolder is folderAt that makes what is missing and marks all on the way
// as changed.
func (t *Tree) makeFolder(at string) (*folder, error) {
	here := t.top
	if err := t.read(here); err != nil {
		return nil, err
	}
	here.sum = Sum{}
	if at == "" {
		return here, nil
	}
	for name := range strings.SplitSeq(at, "/") {
		entry, there := here.entries[name]
		if there && entry.Kind != Folder {
			return nil, fmt.Errorf("%q: %w", at, ErrInTheWay)
		}
		if !there {
			here.entries[name] = Entry{Kind: Folder}
			here.setBelow(name, &folder{entries: map[string]Entry{}})
		}
		here = here.child(name)
		if err := t.read(here); err != nil {
			return nil, err
		}
		here.sum = Sum{}
	}
	return here, nil
}

func (t *Tree) read(f *folder) error {
	if f.entries != nil {
		return nil
	}
	data, err := t.store.get(f.sum)
	if err != nil {
		return err
	}
	f.entries, err = decodeListing(data)
	if err != nil {
		return fmt.Errorf("cannot read the listing %s: %w", f.sum, err)
	}
	return nil
}

func (t *Tree) save(f *folder) (Sum, error) {
	if f.sum != (Sum{}) {
		return f.sum, nil
	}
	for name, below := range f.below {
		sum, err := t.save(below)
		if err != nil {
			return Sum{}, err
		}
		f.entries[name] = Entry{Kind: Folder, Sum: sum}
	}
	lines := make([]named, 0, len(f.entries))
	for _, name := range slices.Sorted(maps.Keys(f.entries)) {
		lines = append(lines, named{Name(name), f.entries[name]})
	}
	listing, err := encodeListing(lines)
	if err != nil {
		return Sum{}, err
	}
	f.sum, err = t.store.put(listing)
	return f.sum, err
}

func (t *Tree) walk(at string, f *folder, visit func(string, Entry) error) error {
	if err := t.read(f); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(f.entries)) {
		entry, here := f.entries[name], path.Join(at, name)
		if err := visit(here, entry); err != nil {
			return err
		}
		if entry.Kind == Folder {
			if err := t.walk(here, f.child(name), visit); err != nil {
				return err
			}
		}
	}
	return nil
}

// child returns the folder with this name, which must be one.
func (f *folder) child(name string) *folder {
	if below, known := f.below[name]; known {
		return below
	}
	below := &folder{sum: f.entries[name].Sum}
	f.setBelow(name, below)
	return below
}

func (f *folder) setBelow(name string, below *folder) {
	if f.below == nil {
		f.below = map[string]*folder{}
	}
	f.below[name] = below
}
