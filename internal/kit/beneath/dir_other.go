//go:build !linux

package beneath

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Dir is one folder, known by its path: devices run Linux, where it is held
// open. Names given to its methods are single names.
type Dir struct {
	path string
}

func openTop(path string) (*Dir, error) {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		err = ErrInTheWay
	}
	return &Dir{path}, err
}

func (d *Dir) close() {}

func (d *Dir) at(name string) string { return filepath.Join(d.path, name) }

func (d *Dir) sub(name string) (*Dir, error) {
	info, err := os.Lstat(d.at(name))
	if err == nil && !info.IsDir() {
		err = ErrInTheWay
	}
	return &Dir{d.at(name)}, err
}

// Lstat returns what stands at name, without following a link.
func (d *Dir) Lstat(name string) (fs.FileInfo, error) { return os.Lstat(d.at(name)) }

// OpenFile opens name, never through a link.
func (d *Dir) OpenFile(name string, flags int, mode fs.FileMode) (*os.File, error) {
	if info, err := os.Lstat(d.at(name)); err == nil && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: d.at(name), Err: errors.New("not a plain file")}
	}
	return os.OpenFile(d.at(name), flags, mode)
}

// Mkdir makes a folder.
func (d *Dir) Mkdir(name string) error { return os.Mkdir(d.at(name), 0o755) }

// Symlink makes a symbolic link.
func (d *Dir) Symlink(target, name string) error { return os.Symlink(target, d.at(name)) }

// Readlink returns a link's target.
func (d *Dir) Readlink(name string) (string, error) { return os.Readlink(d.at(name)) }

// Remove removes a file or link, or an empty folder.
func (d *Dir) Remove(name string) error { return os.Remove(d.at(name)) }

// Names lists the folder.
func (d *Dir) Names() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names, err
}

// Chtimes sets the modification time of a file; that of a link stays.
func (d *Dir) Chtimes(name string, t time.Time) error {
	if info, err := d.Lstat(name); err != nil || info.Mode()&fs.ModeSymlink != 0 {
		return err
	}
	return os.Chtimes(d.at(name), t, t)
}

// Rename moves from's name to to's, replacing a file there.
func Rename(from *Dir, name string, to *Dir, newName string) error {
	return os.Rename(from.at(name), to.at(newName))
}

// RenameNew is Rename that fails with fs.ErrExist rather than replace.
func RenameNew(from *Dir, name string, to *Dir, newName string) error {
	if _, err := to.Lstat(newName); err == nil {
		return &os.LinkError{Op: "rename", Old: from.at(name), New: to.at(newName), Err: fs.ErrExist}
	}
	return Rename(from, name, to, newName)
}

// Exchange is errors.ErrUnsupported here.
func Exchange(*Dir, string, *Dir, string) error { return errors.ErrUnsupported }

// SameMount is taken for granted here.
func SameMount(*Dir, *Dir) (bool, error) { return true, nil }
