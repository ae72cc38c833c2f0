// Package beneath works on names below a folder and never follows a symbolic
// link to get there.
//
// In: a folder, which may itself be reached through links, and slash-separated
// paths below it. Out: what stands at these paths. Never: anything outside the
// folder, even if somebody exchanges a folder for a link while we work. On
// Linux every step is an openat(2) with O_NOFOLLOW from the folder before.
package beneath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

// ErrInTheWay says that a path leads through something that is no folder.
var ErrInTheWay = errors.New("something that is no folder is in the way")

// InTheWay is an ErrInTheWay that knows where.
type InTheWay struct {
	Path string // of what is no folder
}

// Error names the path.
func (e *InTheWay) Error() string { return fmt.Sprintf("%q is not a folder", e.Path) }

// Is makes an InTheWay an ErrInTheWay.
func (e *InTheWay) Is(target error) bool { return target == ErrInTheWay }

// Tree is a folder and the folders below it that were opened so far. One
// goroutine at a time may use it. It must be closed.
type Tree struct {
	path string
	top  *Dir
	dirs map[string]*Dir
}

// Open opens the folder at dir, which may be a symbolic link to a folder.
func Open(dir string) (*Tree, error) {
	top, err := openTop(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot open folder %s: %w", dir, err)
	}
	return &Tree{dir, top, map[string]*Dir{}}, nil
}

// Path is what Open was given.
func (t *Tree) Path() string { return t.path }

// Close closes every folder that was opened.
func (t *Tree) Close() {
	for _, dir := range t.dirs {
		dir.close()
	}
	t.top.close()
}

// Top is the folder itself.
func (t *Tree) Top() *Dir { return t.top }

// Dir returns the folder at path, "" being the top. The error is
// fs.ErrNotExist, an InTheWay, or the system's. The folder belongs to t.
func (t *Tree) Dir(at string) (*Dir, error) { return t.dir(at, false) }

// MakeDir is like Dir and makes the folders that are missing (mode 0755 less
// the umask).
func (t *Tree) MakeDir(at string) (*Dir, error) { return t.dir(at, true) }

// Parent returns the folder of path and the last name in it, as Dir does.
func (t *Tree) Parent(at string) (*Dir, string, error) {
	parent, name := Split(at)
	dir, err := t.Dir(parent)
	return dir, name, err
}

// Lstat returns what stands at path, without following a link there.
func (t *Tree) Lstat(at string) (fs.FileInfo, error) {
	dir, name, err := t.Parent(at)
	if err != nil {
		return nil, err
	}
	return dir.Lstat(name)
}

// Split divides a path into its folder ("" for the top) and its last name.
func Split(at string) (parent, name string) {
	parent, name = path.Split(at)
	return strings.TrimSuffix(parent, "/"), name
}

// Forget closes the folder at path and those below it, because they are about
// to be removed.
func (t *Tree) Forget(at string) {
	for known, dir := range t.dirs {
		if known == at || strings.HasPrefix(known, at+"/") {
			dir.close()
			delete(t.dirs, known)
		}
	}
}

func (t *Tree) dir(at string, create bool) (*Dir, error) {
	if at == "" {
		return t.top, nil
	}
	if at[0] == '/' {
		return nil, fmt.Errorf("%q does not begin below the folder: %w", at, os.ErrInvalid)
	}
	if known, ok := t.dirs[at]; ok {
		return known, nil
	}
	parentPath, name := Split(at)
	if err := checkName(name); err != nil {
		return nil, err
	}
	parent, err := t.dir(parentPath, create)
	if err != nil {
		return nil, err
	}
	dir, err := parent.sub(name)
	if create && errors.Is(err, fs.ErrNotExist) {
		if err := parent.Mkdir(name); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		dir, err = parent.sub(name)
	}
	if errors.Is(err, ErrInTheWay) {
		return nil, &InTheWay{at}
	}
	if err != nil {
		return nil, err
	}
	t.dirs[at] = dir
	return dir, nil
}

// checkName refuses what could lead elsewhere than one step down.
func checkName(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("%q is not a file name: %w", name, os.ErrInvalid)
	}
	return nil
}
