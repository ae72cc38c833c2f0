package deposit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"

	"ota/internal/kit/beneath"
	"ota/internal/parcel"
)

// walker goes through deposit/ once.
type walker struct {
	dir    *beneath.Tree
	ignore func(path string) bool
	// enter is called for every folder before it is listed, so that whatever
	// happens after the listing is told by an event; may be nil.
	enter func(at string, dir *beneath.Dir, id identity)
	found *tree
}

// walk lists everything below dir. What goes away in the meantime is left out.
func (w *walker) walk(ctx context.Context) (*tree, error) {
	w.found = &tree{content: nothing, cover: watched}
	if err := w.folder(ctx, "", identity{}); err != nil {
		return nil, fmt.Errorf("cannot look into %s: %w", w.dir.Path(), err)
	}
	return w.found, nil
}

func (w *walker) folder(ctx context.Context, at string, id identity) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	dir, err := w.dir.Dir(at)
	if err != nil {
		return err
	}
	if at != "" {
		defer w.dir.Forget(at)
	}
	if w.enter != nil {
		w.enter(at, dir, id)
	}
	names, err := dir.Names()
	if err != nil {
		return err
	}
	if len(names) == 0 && at != "" {
		w.found.content = some
	}
	slices.Sort(names)
	beside := func(name string) bool {
		_, there := slices.BinarySearch(names, name)
		return there
	}
	for _, name := range names {
		if err := w.name(ctx, dir, join(at, name), name, beside); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) name(ctx context.Context, dir *beneath.Dir, at, name string, beside func(string) bool) error {
	info, err := dir.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	found := item{path: at, kind: kindOf(info.Mode()), id: identify(info)}
	found.class = classify(at, found.kind, beside)
	switch {
	case found.class == holder:
		w.found.hold = found.id
	case found.class == ignored || w.ignore(at):
	case at == parcel.SignatureName && !beside(parcel.ManifestName): // of what it is has been taken, or is to come
	case found.class.unfinished():
		w.found.others = append(w.found.others, found)
	case found.kind == KindFolder:
		return w.subfolder(ctx, found)
	default:
		w.found.add(found)
	}
	return nil
}

// subfolder takes a folder in and goes through it. One that can't be opened is
// an item too: the upload is refused because of it, and it is named.
func (w *walker) subfolder(ctx context.Context, found item) error {
	place := len(w.found.items)
	w.found.add(found)
	err := w.folder(ctx, found.path, found.id)
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, beneath.ErrInTheWay):
		// It went away. What was found in it so far is of no use; the next walk
		// differs from this one, so nothing comes of it.
		w.found.items[place].id = identity{}
	case errors.Is(err, fs.ErrPermission):
		w.found.items[place].fault = err
		w.found.content = some
	default:
		return err
	}
	return nil
}

func join(folder, name string) string {
	if folder == "" {
		return name
	}
	return folder + "/" + name
}

// Leave closes the folders that lead to one folder and not to the next, so that
// going through a tree in order keeps no more open than it is deep.
func Leave(top *beneath.Tree, from, to string) string {
	if from == to {
		return to
	}
	for at := range ways(from) {
		if at != to && !strings.HasPrefix(to, at+"/") {
			top.Forget(at)
			break
		}
	}
	return to
}

// ways yields the folders that lead to a path, the topmost first, and the path.
func ways(at string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range len(at) {
			if at[i] == '/' && !yield(at[:i]) {
				return
			}
		}
		if at != "" {
			yield(at)
		}
	}
}
