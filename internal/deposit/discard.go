package deposit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"ota/internal/kit/beneath"
)

// Discarded says where the files are that were in deposit/.
type Discarded struct {
	Files  int
	Folder string // empty: there was none
}

// Discard takes everything that counts out of deposit/ into a new folder in
// Options.Discarded, and adds the parcels of which nothing was in deposit/. A
// file that is being written is moved too: its writer goes on in the new place.
// Unfinished files stay, as a program will want to rename them. The oldest of
// what was discarded is dropped.
func (r *Room) Discard(ctx context.Context, parcels []Parcel) (Discarded, error) {
	r.taking.Lock()
	defer r.taking.Unlock()
	found, err := r.discard(ctx, parcels)
	if err != nil {
		return found, fmt.Errorf("cannot discard what is in deposit: %w", err)
	}
	return found, r.dropDiscarded()
}

// Keep is Discard for what is in deposit/ no more: the parcels alone.
func (r *Room) Keep(ctx context.Context, parcels []Parcel) (Discarded, error) {
	r.taking.Lock()
	defer r.taking.Unlock()
	folder, err := r.newDiscarded()
	if err == nil {
		err = layDown(ctx, folder, parcels)
	}
	if err != nil {
		return Discarded{}, fmt.Errorf("cannot keep what was deleted in deposit: %w", err)
	}
	return Discarded{len(parcels), folder}, r.dropDiscarded()
}

func (r *Room) discard(ctx context.Context, parcels []Parcel) (Discarded, error) {
	dir, err := beneath.Open(r.options.Dir)
	if err != nil {
		return Discarded{}, err
	}
	defer dir.Close()
	walker := walker{dir: dir, ignore: r.options.Ignore}
	seen, err := walker.walk(ctx)
	if err != nil {
		return Discarded{}, err
	}
	names := seen.names()
	parcels = slices.DeleteFunc(slices.Clone(parcels), func(parcel Parcel) bool {
		_, there := names[parcel.Path]
		return there
	})
	if seen.files == 0 && len(parcels) == 0 {
		return Discarded{}, nil
	}
	folder, err := r.newDiscarded()
	if err != nil {
		return Discarded{}, err
	}
	moved, err := moveAll(seen, dir, folder)
	if err == nil {
		err = layDown(ctx, folder, parcels)
	}
	return Discarded{moved + len(parcels), folder}, err
}

// newDiscarded makes the folder with the next number.
func (r *Room) newDiscarded() (string, error) {
	numbers, err := r.discarded()
	if err != nil {
		return "", err
	}
	next := 1
	if len(numbers) > 0 {
		next = numbers[len(numbers)-1] + 1
	}
	folder := filepath.Join(r.options.Discarded, strconv.Itoa(next))
	return folder, os.MkdirAll(folder, 0o700)
}

// discarded lists the numbers of what was discarded, in order.
func (r *Room) discarded() ([]int, error) {
	entries, err := os.ReadDir(r.options.Discarded)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var numbers []int
	for _, entry := range entries {
		if number, err := strconv.Atoi(entry.Name()); err == nil && number > 0 {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

func (r *Room) dropDiscarded() error {
	numbers, err := r.discarded()
	if err != nil || r.options.Keep == 0 {
		return err
	}
	for _, number := range numbers[:max(0, len(numbers)-r.options.Keep)] {
		if err := os.RemoveAll(filepath.Join(r.options.Discarded, strconv.Itoa(number))); err != nil {
			return fmt.Errorf("cannot drop what was discarded long ago: %w", err)
		}
	}
	return nil
}

// moveAll moves the files and links of a walk, and removes the folders that are
// empty then.
func moveAll(seen *tree, dir *beneath.Tree, folder string) (moved int, err error) {
	to, err := beneath.Open(folder)
	if err != nil {
		return 0, err
	}
	defer to.Close()
	var from, into string
	for i := range seen.items {
		one := &seen.items[i]
		from, into = Leave(dir, from, parentOf(one.path)), Leave(to, into, parentOf(one.path))
		if !one.leaf() {
			continue
		}
		if err := moveOne(one, dir, to); err != nil && !errors.Is(changedIfGone(err), ErrChanged) {
			return moved, fmt.Errorf("%q: %w", one.path, err)
		}
		moved++
	}
	for i := range slices.Backward(seen.items) {
		if one := &seen.items[i]; !one.leaf() {
			if parent, name, err := dir.Parent(one.path); err == nil {
				dir.Forget(one.path)
				_ = removeFolder(parent, name) // it stays if something came into it
			}
		}
	}
	return moved, nil
}

func moveOne(one *item, dir, to *beneath.Tree) error {
	parent, name, err := dir.Parent(one.path)
	if err != nil {
		return err
	}
	target, err := to.MakeDir(parentOf(one.path))
	if err != nil {
		return err
	}
	err = beneath.Rename(parent, name, target, name)
	if !errors.Is(err, errOtherMount) {
		return err
	}
	return copyOver(one, parent, name, target)
}

// copyOver moves a file to another mount: it is gone from deposit/ only when
// the copy is whole and nobody has written meanwhile.
func copyOver(one *item, parent *beneath.Dir, name string, target *beneath.Dir) error {
	switch one.kind {
	case KindLink:
		to, err := parent.Readlink(name)
		if err == nil {
			err = target.Symlink(to, name)
		}
		if err != nil {
			return err
		}
	case KindFile:
		if err := copyFile(parent, name, target); err != nil {
			return err
		}
	default:
		return errors.New("only files and links can be moved to another mount")
	}
	info, err := parent.Lstat(name)
	if err != nil || identify(info) != one.id {
		return errors.Join(err, ErrChanged)
	}
	return parent.Remove(name)
}

func copyFile(parent *beneath.Dir, name string, target *beneath.Dir) error {
	source, err := openToRead(parent, name)
	if err != nil {
		return err
	}
	defer source.Close()
	info, err := source.Stat()
	if err != nil {
		return err
	}
	copied, err := target.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(copied, source)
	return errors.Join(err, copied.Close(), target.Chtimes(name, info.ModTime()))
}
