package activate

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"

	"ota/internal/kit/beneath"
	"ota/internal/kit/copysum"
	"ota/internal/release"
)

// Wanted is what an upload wants at a path of main/.
type Wanted struct {
	Path  string
	Entry release.Entry
}

// Found is what main/ has there.
type Found string

// What main/ can have.
const (
	Equal   Found = "equal"   // the same kind, mode and content
	Other   Found = "other"   // something else
	Missing Found = "missing" // nothing
)

// Empty reports whether there is nothing in main/. A folder that can't be read
// is not empty.
func (r *Room) Empty() bool {
	entries, err := os.ReadDir(r.options.Main)
	return err == nil && len(entries) == 0
}

// Compare looks in main/ for what an upload wants, in the order of wanted.
func (r *Room) Compare(wanted []Wanted) ([]Found, error) {
	main, err := r.openMain()
	if err != nil {
		return nil, err
	}
	defer main.Close()
	found := make([]Found, len(wanted))
	for i, one := range wanted {
		if found[i], err = compare(main, one); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func compare(main *beneath.Tree, wanted Wanted) (Found, error) {
	_, err := main.Lstat(wanted.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return Missing, nil
	}
	equal, err := holds(main, wanted.Path, wanted.Entry)
	if err == nil && equal {
		return Equal, nil
	}
	return Other, err
}

// derived are folders of main/ that are no part of the program: Python makes
// the one, ota the other.
var derived = []string{"__pycache__", ".ota"}

// Scan calls visit for all files, folders and links in main/, folders before
// what is in them, with their sums. What can't be read, and what is neither of
// these, is left out: it is not ours to replace, so nothing is lost by that.
func (r *Room) Scan(ctx context.Context, visit func(path string, entry release.Entry) error) error {
	main, err := r.openMain()
	if err != nil {
		return err
	}
	defer main.Close()
	return scan(ctx, main, "", visit)
}

func scan(ctx context.Context, main *beneath.Tree, at string, visit func(string, release.Entry) error) error {
	dir, err := main.Dir(at)
	if err != nil {
		return ofOurs(err)
	}
	names, err := dir.Names()
	if err != nil {
		return ofOurs(err)
	}
	slices.Sort(names)
	for _, name := range names {
		here := path.Join(at, name)
		entry, err := describe(ctx, dir, name)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := ofOurs(err); err != nil {
			return err
		}
		if err != nil || entry.Kind == release.Folder && slices.Contains(derived, name) {
			continue
		}
		if err := visit(here, entry); err != nil {
			return err
		}
		if entry.Kind == release.Folder {
			if err := scan(ctx, main, here, visit); err != nil {
				return err
			}
			main.Forget(here)
		}
	}
	return nil
}

// ofOurs drops the errors that a file or folder has, and keeps those of this
// process, which says nothing about the file.
func ofOurs(err error) error {
	for _, one := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		if errors.Is(err, one) {
			return err
		}
	}
	return nil
}

// Describe returns the entry of the file or link at a path outside main/.
func Describe(file string) (release.Entry, error) {
	folder, name := path.Split(file)
	tree, err := beneath.Open(folder)
	if err != nil {
		return release.Entry{}, err
	}
	defer tree.Close()
	return describe(context.Background(), tree.Top(), name)
}

var errSpecial = errors.New("it is neither a file nor a folder nor a link")

func describe(ctx context.Context, dir *beneath.Dir, name string) (release.Entry, error) {
	info, err := dir.Lstat(name)
	if err != nil {
		return release.Entry{}, err
	}
	switch {
	case info.IsDir():
		return release.Entry{Kind: release.Folder}, nil
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := dir.Readlink(name)
		return release.Entry{Kind: release.Link, Target: release.Name(target)}, err
	case !info.Mode().IsRegular():
		return release.Entry{}, errSpecial
	}
	sum, err := sumFile(ctx, dir, name)
	return release.Entry{
		Kind: release.File,
		Mode: release.Mode(info.Mode().Perm()),
		Size: info.Size(),
		Sum:  sum,
	}, err
}

func sumFile(ctx context.Context, dir *beneath.Dir, name string) (release.Sum, error) {
	file, err := dir.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return release.Sum{}, err
	}
	defer file.Close()
	sum, err := copysum.Of(ctx, file)
	return sum, err
}

// Record runs write, which writes below .ota, and syncs it.
func (r *Room) Record(write func() error) error {
	synced, err := r.openFileSystems()
	if err != nil {
		return err
	}
	defer synced.close()
	if err := write(); err != nil {
		return err
	}
	return synced.sync()
}
