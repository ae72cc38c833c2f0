package parcel

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a path. A name may have 255 bytes on every file system that devices
// use (NAME_MAX); a path is far below what the kernel takes (PATH_MAX).
const (
	longestPath = 1024
	longestName = 255
)

// CheckPath says why a path can't be one of a release. It is the only place
// that decides this.
func CheckPath(path string) error {
	switch {
	case path == "":
		return errors.New("the path is empty")
	case len(path) > longestPath:
		return fmt.Errorf("the path is longer than %d bytes", longestPath)
	case !utf8.ValidString(path) || strings.ContainsRune(path, utf8.RuneError):
		return errors.New("the path is no UTF-8")
	case path[0] == '/':
		return errors.New("the path is absolute")
	case strings.Contains(path, `\`):
		return errors.New("the path has a backslash, which is a separator on Windows")
	}
	for _, c := range path {
		if unicode.IsControl(c) {
			return errors.New("the path has control characters")
		}
	}
	for name := range strings.SplitSeq(path, "/") {
		switch {
		case name == "" || name == ".":
			return errors.New("the path has empty parts")
		case name == "..":
			return errors.New("the path leads out of the release")
		case len(name) > longestName:
			return fmt.Errorf("a name in the path is longer than %d bytes", longestName)
		case isOwn(name):
			return errors.New("this name is ota's own")
		}
	}
	if !strings.Contains(path, "/") && isReserved(path) {
		return errors.New("the name is kept for packed releases")
	}
	return nil
}

// isReserved knows the names that tell a packed release at the top of deposit/.
func isReserved(name string) bool {
	folded := fold(name)
	return strings.HasPrefix(folded, fold("ota-release.")) || strings.HasSuffix(folded, fold(Suffix)) || name == ".hold"
}

func isOwn(name string) bool {
	folded := fold(name)
	return folded == fold(".ota") || strings.HasPrefix(folded, fold(".ota-"))
}

// fold makes names equal that a file system without capitals (FAT, exFAT, a
// share of Samba, macOS) takes for one.
func fold(name string) string { return strings.ToLower(strings.ToUpper(name)) }

// names are the paths seen so far, folded, with what they are.
type names map[string]named

type named struct {
	path  string
	shape shape
}

// shape is whether something can lie below a path.
type shape string

const (
	leaf  shape = "leaf"
	inner shape = "inner"
	empty shape = "empty" // a folder that is listed for itself
)

// add takes a path in, and refuses one that means the same as another, or lies
// below what is no folder.
func (n names) add(entry Entry) error {
	own := leaf
	if entry.Kind == Folder {
		own = empty
	}
	for at := range len(entry.Path) + 1 {
		if at < len(entry.Path) && entry.Path[at] != '/' {
			continue
		}
		here, is := entry.Path[:at], inner
		if at == len(entry.Path) {
			is = own
		}
		folded := fold(here)
		known, there := n[folded]
		switch {
		case there && known.path != here:
			return fmt.Errorf("%q and %q differ in capitals only: file systems of Windows and macOS can't hold both", known.path, here)
		case there && (known.shape != inner || is != inner):
			return fmt.Errorf("%q is a file or an empty folder, and a folder with something in it", here)
		}
		n[folded] = named{here, is}
	}
	return nil
}

// has reports whether a path, or something below it, was taken in.
func (n names) has(path string) bool {
	_, there := n[fold(path)]
	return there
}
