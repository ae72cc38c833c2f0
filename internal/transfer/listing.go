package transfer

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Kind is what an entry of a listing is.
type Kind string

// The kinds of entries.
const (
	KindFile   Kind = "file"
	KindFolder Kind = "folder"
	KindLink   Kind = "link"
)

// kinds are numbered on the wire by their place here.
var kinds = []Kind{KindFile, KindFolder, KindLink}

// Entry is one path of a tree. A folder is listed if it is empty or if its mode
// matters; others follow from the paths below them.
type Entry struct {
	Path   string
	Kind   Kind
	Mode   fs.FileMode // permissions only; none for a link
	Size   int64       // of a file
	Sum    Digest      // of a file's content
	Target string      // of a link
}

// Listing is all entries of a tree, by path.
type Listing []Entry

// Digest names the listing, and so the whole tree.
func (l Listing) Digest() Digest {
	sum := sha256.New()
	var line []byte
	for _, entry := range l {
		line = append(line[:0], byte(slices.Index(kinds, entry.Kind)))
		line = appendString(line, entry.Path)
		line = binary.AppendUvarint(line, uint64(entry.Mode))
		line = binary.AppendUvarint(line, uint64(entry.Size))
		line = appendString(line, entry.Target)
		line = append(line, entry.Sum[:]...)
		sum.Write(line)
	}
	return Digest(sum.Sum(nil))
}

// Check says what is wrong with a listing: an entry out of order, a path that
// leads out of the tree or below a file.
func (l Listing) Check() error {
	files := map[string]bool{}
	last := ""
	for i, entry := range l {
		if i > 0 && entry.Path <= last {
			return fmt.Errorf("%q is not in its place in the listing", entry.Path)
		}
		last = entry.Path
		if err := entry.check(); err != nil {
			return err
		}
		if entry.Kind != KindFolder {
			files[entry.Path] = true
		}
	}
	for _, entry := range l {
		for folder := parent(entry.Path); folder != "."; folder = parent(folder) {
			if files[folder] {
				return fmt.Errorf("%q lies below %q, which is no folder", entry.Path, folder)
			}
		}
	}
	return nil
}

func (e Entry) check() error {
	switch {
	case !fs.ValidPath(e.Path) || e.Path == "." || strings.ContainsRune(e.Path, 0):
		return fmt.Errorf("%q is no path within a tree", e.Path)
	case e.Mode&^fs.ModePerm != 0:
		return fmt.Errorf("%q: mode %o is more than permissions", e.Path, uint32(e.Mode))
	case e.Kind != KindFile && e.Kind != KindFolder && e.Kind != KindLink:
		return fmt.Errorf("%q: there is no kind %q", e.Path, e.Kind)
	case (e.Kind == KindLink) != (e.Target != ""):
		return fmt.Errorf("%q: a link has a target, nothing else has", e.Path)
	case e.Size < 0 || e.Kind != KindFile && (e.Size > 0 || e.Sum != Digest{}):
		return fmt.Errorf("%q: only a file has a size and a sum", e.Path)
	}
	return nil
}

// parent is the folder in which path lies, "." at the top.
func parent(path string) string {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i]
	}
	return "."
}

// name is the last part of path.
func name(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
