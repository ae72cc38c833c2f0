package pack

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"ota/internal/deposit"
	"ota/internal/kit/hint"
	"ota/internal/parcel"
)

// found is a path of the folder that is packed.
type found struct {
	path   string
	kind   parcel.EntryKind
	target string
}

// listing is what there is to pack.
type listing struct {
	source, out string
	files       []found
	leftOut     []string // nobody asked for that: a device would not take it
	rules       rules    // of the folder that is gone through, and of those above it
	folders     []string // that were gone through
	all         rules    // of all of them
}

// list goes through the folder. What is packed lies elsewhere, or is left out.
func list(source, out string) (*listing, error) {
	l := &listing{source: source, out: out}
	info, err := os.Stat(source)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a folder", source)
	}
	if err == nil && isLookedAfter(source) {
		err = hint.With(fmt.Errorf("%s is a folder that ota run looks after", source), "pack the folder with the program, main/ in it")
	}
	if err == nil {
		err = l.folder("")
	}
	return l, err
}

// isLookedAfter knows the folders of devices: to pack one would pack its data
// and what ota keeps.
func isLookedAfter(dir string) bool {
	for _, name := range []string{"deposit", "main", ".ota"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || !info.IsDir() {
			return false
		}
	}
	return true
}

// folder takes in what is in a folder.
func (l *listing) folder(at string) error {
	entries, err := os.ReadDir(filepath.Join(l.source, filepath.FromSlash(at)))
	if err != nil {
		return err
	}
	kept := len(l.rules)
	defer func() { l.rules = l.rules[:kept] }()
	for _, name := range ignoreFiles {
		if err := l.rules.read(l.source, path.Join(at, name)); err != nil {
			return err
		}
	}
	l.folders, l.all = append(l.folders, at), append(l.all, l.rules[kept:]...)
	beside := func(name string) bool {
		return slices.ContainsFunc(entries, func(entry fs.DirEntry) bool { return entry.Name() == name })
	}
	for _, entry := range entries {
		if err := l.entry(path.Join(at, entry.Name()), entry, beside); err != nil {
			return err
		}
	}
	isEmpty := !slices.ContainsFunc(entries, func(entry fs.DirEntry) bool { return !deposit.IsPlaceholder(entry.Name()) })
	if isEmpty && at != "" {
		l.files = append(l.files, found{path: at, kind: parcel.Folder})
	}
	return nil
}

func (l *listing) entry(at string, entry fs.DirEntry, beside func(string) bool) error {
	full := filepath.Join(l.source, filepath.FromSlash(at))
	if full == l.out || isNotOfTheProgram(entry.Name(), entry.IsDir()) || l.rules.ignored(at, entry.IsDir()) {
		return nil
	}
	kind := deposit.KindFile
	if entry.IsDir() {
		kind = deposit.KindFolder
	}
	if parcel.CheckPath(at) != nil || !deposit.Takes(at, kind, beside) {
		l.leftOut = append(l.leftOut, at)
		return nil
	}
	switch entry.Type() {
	case 0:
		l.files = append(l.files, found{path: at})
	case fs.ModeDir:
		return l.folder(at)
	case fs.ModeSymlink:
		target, err := os.Readlink(full)
		if err != nil {
			return err
		}
		l.files = append(l.files, found{at, parcel.Link, filepath.ToSlash(target)})
	default:
		l.leftOut = append(l.leftOut, at)
	}
	return nil
}

// isNotOfTheProgram knows what is in the folders of those who develop, and no
// device needs: git's own, what keeps a folder in it, and what Python makes by
// itself.
func isNotOfTheProgram(name string, isFolder bool) bool {
	switch name {
	case ".git", ".gitignore", ".otaignore":
		return true
	case "__pycache__":
		return isFolder
	}
	return deposit.IsPlaceholder(name)
}
