//go:build linux

package harness

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Tree is what stands in a folder: by path, slash-separated and relative.
type Tree map[string]Entry

// Entry is a file, folder, symbolic link or socket.
type Entry struct {
	Mode    fs.FileMode // with the type
	Content string      // of a file; the target of a link
	ModTime time.Time   // of a file; zero: now where it is written, any where it is compared
}

// File is a file that may be read by all.
func File(content string) Entry { return Entry{Mode: 0o644, Content: content} }

// Folder is a folder.
func Folder() Entry { return Entry{Mode: fs.ModeDir | 0o755} }

// Link is a symbolic link.
func Link(target string) Entry { return Entry{Mode: fs.ModeSymlink | 0o777, Content: target} }

// Over is t laid over another tree; folders that lead to something are added.
func (t Tree) Over(below Tree) Tree {
	laid := Tree{}
	maps.Copy(laid, below)
	maps.Copy(laid, t)
	for _, path := range slices.Collect(maps.Keys(laid)) {
		for dir := filepath.Dir(path); dir != "."; dir = filepath.Dir(dir) {
			laid[dir] = Folder()
		}
	}
	return laid
}

// Below is the part of t under a folder, with the folder.
func (t Tree) Below(folder string) Tree {
	part := Tree{}
	for path, entry := range t {
		if path == folder || strings.HasPrefix(path, folder+"/") {
			part[path] = entry
		}
	}
	return part
}

// Write makes the tree in dir, folders included.
func (t Tree) Write(tb testing.TB, dir string) {
	tb.Helper()
	for _, path := range slices.Sorted(maps.Keys(t)) {
		if err := t[path].write(filepath.Join(dir, path)); err != nil {
			tb.Fatal(err)
		}
	}
}

func (e Entry) write(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	switch e.Mode.Type() {
	case fs.ModeDir:
		return os.MkdirAll(path, e.Mode.Perm())
	case fs.ModeSymlink:
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return os.Symlink(e.Content, path)
	case fs.ModeSocket:
		return syscall.Mknod(path, syscall.S_IFSOCK|uint32(e.Mode.Perm()), 0)
	}
	err := errors.Join(
		os.WriteFile(path, []byte(e.Content), e.Mode.Perm()),
		os.Chmod(path, e.Mode.Perm()), // whatever the umask
	)
	if !e.ModTime.IsZero() {
		err = errors.Join(err, os.Chtimes(path, e.ModTime, e.ModTime))
	}
	return err
}

// Read returns what stands in dir. What vanishes while it reads is left out.
func Read(dir string) (Tree, error) {
	tree := Tree{}
	err := filepath.WalkDir(dir, func(path string, found fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != dir {
			return nil
		}
		if err != nil || path == dir {
			return err
		}
		entry, err := readEntry(path, found)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		tree[path[len(dir)+1:]] = entry
		return err
	})
	return tree, err
}

// WithoutBytecode is the tree without what Python makes of its sources.
func (t Tree) WithoutBytecode() Tree {
	sources := Tree{}
	for path, entry := range t {
		if !strings.Contains("/"+path+"/", "/__pycache__/") {
			sources[path] = entry
		}
	}
	return sources
}

func readEntry(path string, found fs.DirEntry) (Entry, error) {
	info, err := found.Info()
	if err != nil {
		return Entry{}, err
	}
	entry := Entry{Mode: info.Mode()}
	switch {
	case info.Mode().IsRegular():
		content, err := os.ReadFile(path)
		entry.Content, entry.ModTime = string(content), info.ModTime()
		return entry, err
	case info.Mode().Type() == fs.ModeSymlink:
		entry.Content, err = os.Readlink(path)
	}
	return entry, err
}

// Diff says where got differs from want, a line for each path; "" if nowhere.
func Diff(want, got Tree) string {
	paths := maps.Clone(want)
	maps.Copy(paths, got)
	var lines []string
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		wanted, isWanted := want[path]
		there, isThere := got[path]
		switch {
		case !isThere:
			lines = append(lines, fmt.Sprintf("%q is missing", path))
		case !isWanted:
			lines = append(lines, fmt.Sprintf("%q should not be there", path))
		case !wanted.equals(there):
			lines = append(lines, fmt.Sprintf("%q is %v, want %v", path, there, wanted))
		}
	}
	return strings.Join(lines, "\n")
}

func (e Entry) equals(other Entry) bool {
	sameTime := e.ModTime.IsZero() || other.ModTime.IsZero() || e.ModTime.Equal(other.ModTime)
	return e.Mode == other.Mode && e.Content == other.Content && sameTime
}

// String describes the entry in one line, however large it is.
func (e Entry) String() string {
	const shown = 40
	content := fmt.Sprintf("%q", e.Content[:min(shown, len(e.Content))])
	if len(e.Content) > shown {
		content = fmt.Sprintf("%s… (%d bytes)", content, len(e.Content))
	}
	if e.ModTime.IsZero() {
		return fmt.Sprintf("%v %s", e.Mode, content)
	}
	return fmt.Sprintf("%v %s of %s", e.Mode, content, e.ModTime.Format(time.StampNano))
}
