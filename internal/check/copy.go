package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"

	"ota/internal/kit/beneath"
	"ota/internal/kit/copysum"
)

// Walk calls visit for every path of a release, folders before what is in them,
// in the order of their names.
type Walk func(visit func(at string, of Entry) error) error

// Entry is what a release has at a path.
type Entry struct {
	Mode fs.FileMode // tells files, folders and links apart
	Size int64
	Sum  string // of a file: SHA-256, hexadecimal
}

// Copier makes private copies of a candidate: what is written in them reaches
// neither main/ nor deposit/.
type Copier struct {
	Main     string // main/
	Current  Walk   // the paths of the current release
	Arrivals []Arrival
	Gone     []string // what of the current release is left out
}

// Into fills the folder dir, which is empty, with the candidate: the files of
// the current release with the arrivals laid over them. What is in main/ and in
// no release, the program's own data, is not copied. Links are copied as links.
// What is in main/ no more, or in another shape, is left out.
func (c Copier) Into(ctx context.Context, dir string) error {
	tree, err := beneath.Open(c.Main)
	if err != nil {
		return err
	}
	defer tree.Close()
	target := copying{ctx: ctx, main: tree, dir: dir, buffer: make([]byte, copysum.BufferSize), arrives: map[string]bool{}}
	for _, arrival := range c.Arrivals {
		target.arrives[arrival.Path] = true
		if err := target.arrive(arrival); err != nil {
			return fmt.Errorf("cannot copy %q: %w", arrival.Path, err)
		}
	}
	return c.Current(func(at string, of Entry) error {
		if slices.Contains(c.Gone, at) {
			return nil
		}
		if err := target.take(at, of.Mode); err != nil {
			return fmt.Errorf("cannot copy %q: %w", at, err)
		}
		return nil
	})
}

// copying is one copy on its way.
type copying struct {
	ctx     context.Context
	main    *beneath.Tree
	dir     string
	buffer  []byte
	arrives map[string]bool
}

func (c *copying) at(below string) string { return filepath.Join(c.dir, filepath.FromSlash(below)) }

// makeWay makes the folders that lead to a path.
func (c *copying) makeWay(below string) error {
	return os.MkdirAll(c.at(path.Dir(below)), 0o755)
}

func (c *copying) arrive(arrival Arrival) error {
	source, err := os.Open(arrival.File)
	if err != nil {
		return err
	}
	defer source.Close()
	if err := c.makeWay(arrival.Path); err != nil {
		return err
	}
	return c.file(arrival.Path, source, arrival.Mode)
}

// take copies what main/ has at a path.
func (c *copying) take(below string, mode fs.FileMode) error {
	if c.arrives[below] {
		return nil
	}
	if mode.IsDir() {
		return ignoreExisting(os.MkdirAll(c.at(below), 0o755))
	}
	parent, name, err := c.main.Parent(below)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, beneath.ErrInTheWay) {
		return nil
	}
	if err != nil {
		return err
	}
	info, err := parent.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().Type() != mode.Type() {
		return nil
	}
	if err != nil {
		return err
	}
	if err := c.makeWay(below); err != nil {
		return ignoreExisting(err)
	}
	if mode&fs.ModeSymlink != 0 {
		to, err := parent.Readlink(name)
		if err != nil {
			return err
		}
		return ignoreExisting(os.Symlink(to, c.at(below)))
	}
	source, err := parent.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer source.Close()
	return c.file(below, source, info.Mode().Perm())
}

func (c *copying) file(below string, source *os.File, mode fs.FileMode) error {
	target, err := os.OpenFile(c.at(below), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return ignoreExisting(err)
	}
	_, _, err = copysum.Copy(c.ctx, target, source, c.buffer)
	return errors.Join(err, target.Chmod(mode), target.Close())
}

// ignoreExisting drops the error for a path that the upload has in another
// shape: the switch says that.
func ignoreExisting(err error) error {
	if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	return err
}

// enough is more than any file that ota reads of a candidate.
const enough = 1 << 20

// Reader reads single files of a candidate, those of main/ through no link.
type Reader struct {
	Main     string
	Arrivals []Arrival
	Gone     []string
}

// Read returns a file's content, of at most 1 MiB. The error is fs.ErrNotExist
// if there is no such file.
func (r Reader) Read(at string) ([]byte, error) {
	for _, arrival := range r.Arrivals {
		if arrival.Path == at {
			file, err := os.Open(arrival.File)
			if err != nil {
				return nil, err
			}
			return readShort(file)
		}
	}
	if slices.Contains(r.Gone, at) {
		return nil, fs.ErrNotExist
	}
	tree, err := beneath.Open(r.Main)
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	parent, name, err := tree.Parent(at)
	if errors.Is(err, beneath.ErrInTheWay) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	info, err := parent.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	file, err := parent.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	return readShort(file)
}

func readShort(file *os.File) ([]byte, error) {
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, enough+1))
	if err == nil && len(data) > enough {
		err = fmt.Errorf("%s is larger than 1 MiB", filepath.Base(file.Name()))
	}
	return data, err
}
