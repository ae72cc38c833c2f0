package release

import (
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"ota/internal/kit/durable"
)

// Brought are the paths that uploads have ever brought. What is in main/ and not
// among them was there before ota, or is the program's own: no packed release
// takes it away by not having it.
type Brought map[Name]bool

// Brought reads them. Where that was not written down yet, or is damaged, the
// records that are kept tell. The error says that it can't be read now.
func (r *Room) Brought() (Brought, error) {
	var paths []Name
	err := durable.ReadJSON(r.broughtPath(), &paths)
	if IsPassing(err) {
		return nil, err
	}
	found := Brought{}
	for _, path := range paths {
		found[path] = true
	}
	if err == nil {
		return found, nil
	}
	records, err := r.History()
	if IsPassing(err) {
		return nil, err
	}
	for _, record := range records { // of a damaged one nothing is known: what it brought stays
		if record.Origin == FromDeposit {
			found.Add(record.Files)
		}
	}
	return found, nil
}

// Add takes in what an upload has brought, and reports whether that was more
// than there was.
func (b Brought) Add(files []Touched) (grew bool) {
	for _, file := range files {
		if file.Effect != Removed && !b[file.Path] {
			b[file.Path], grew = true, true
		}
	}
	return grew
}

// NoteBrought writes down what a new release brings, if that is not known yet.
// It does not sync, and may be done twice.
func (r *Room) NoteBrought(files []Touched) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	brought, err := r.Brought()
	if err != nil {
		return err
	}
	var written []Name
	isWritten := durable.ReadJSON(r.broughtPath(), &written)
	if !brought.Add(files) && !errors.Is(isWritten, fs.ErrNotExist) {
		return nil
	}
	return replaceJSON(r.broughtPath(), slices.Sorted(maps.Keys(brought)))
}

func (r *Room) broughtPath() string { return filepath.Join(r.dir, "brought.json") }
