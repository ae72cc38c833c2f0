package transfer

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Folder is a tree that lies in a folder of the disk.
type Folder struct {
	root    *os.Root
	listing Listing
}

// OpenFolder reads all that is in the folder at path. Nothing outside of it is
// looked at, wherever links in it lead. Who opens it closes it.
func OpenFolder(path string) (*Folder, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	f := &Folder{root: root}
	if err := f.read(); err != nil {
		root.Close()
		return nil, err
	}
	return f, nil
}

// Listing is all that was in the folder when it was opened.
func (f *Folder) Listing() Listing { return f.listing }

// Open opens the content of a file.
func (f *Folder) Open(path string) (File, error) { return f.root.Open(filepath.FromSlash(path)) }

// Close ends the use of the folder.
func (f *Folder) Close() error { return f.root.Close() }

func (f *Folder) read() error {
	empty := map[string]bool{}
	err := fs.WalkDir(f.root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		empty[parent(path)] = false
		info, err := f.root.Lstat(filepath.FromSlash(path))
		if err != nil {
			return err
		}
		entry := Entry{Path: path, Kind: KindFile, Mode: info.Mode().Perm()}
		switch {
		case info.IsDir():
			entry.Kind = KindFolder
			empty[path] = true
		case info.Mode()&fs.ModeSymlink != 0:
			entry.Kind, entry.Mode = KindLink, 0
			entry.Target, err = f.root.Readlink(filepath.FromSlash(path))
		case info.Mode().IsRegular():
			entry.Size, entry.Sum, err = digestOf(f, path)
		default:
			return nil // a socket, a pipe: nothing that a tree has
		}
		f.listing = append(f.listing, entry)
		return err
	})
	f.listing = slices.DeleteFunc(f.listing, func(entry Entry) bool {
		return entry.Kind == KindFolder && !empty[entry.Path] && entry.Mode == usualMode(KindFolder)
	})
	sortByPath(f.listing)
	return err
}
