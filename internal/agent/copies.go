package agent

import (
	"path"
	"strings"
)

// ownFolder is where a switch keeps files on their way into main/ and out of it
// while that is a mount of its own: under names that say nothing of them.
const ownFolder = ".ota"

func isOwn(at string) bool {
	first, _, _ := strings.Cut(at, "/")
	return strings.EqualFold(first, ownFolder)
}

// Programs keep copies of a file beside it, whole or in part: while it is on its
// way, while somebody edits it, or for good.
var (
	beforeCopies = []string{".~ota~", ".in.", "._", ".#", "#", "~$", "."}
	behindCopies = []string{"~", "#", ".filepart", ".partial", ".part", ".crdownload", ".tmp", ".bak", ".old", ".orig", ".save", "___jb_tmp___", "___jb_old___"}
)

// originalsOf are the files that a path may be a copy of, by its name: the
// backups and the unfinished files that programs make, and Python's bytecode, in
// which every string of its source stands.
func originalsOf(at string) (found []string) {
	dir, name := path.Split(at)
	names := withoutEnd(name)
	for _, one := range append([]string{name}, names...) {
		for _, prefix := range beforeCopies {
			if rest, ok := strings.CutPrefix(one, prefix); ok && rest != "" {
				names = append(names, rest)
			}
		}
	}
	for _, one := range names {
		found = append(found, dir+one)
	}
	stem, isBytecode := strings.CutSuffix(strings.ToLower(name), ".pyc")
	if !isBytecode {
		return found
	}
	module, _, _ := strings.Cut(stem, ".")
	above := strings.TrimSuffix(dir, "/")
	if strings.EqualFold(path.Base(above), "__pycache__") {
		dir, _ = path.Split(above)
	}
	return append(found, dir+module+".py")
}

// withoutEnd takes off what programs put behind a name: one of behindCopies, or
// vim's .swp and its like, or the six characters of mkstemp(3).
func withoutEnd(name string) (found []string) {
	for _, suffix := range behindCopies {
		if rest, ok := strings.CutSuffix(name, suffix); ok && rest != "" {
			found = append(found, rest)
		}
	}
	extension := path.Ext(name)
	isSwap := len(extension) == len(".swp") && strings.HasPrefix(extension, ".sw")
	if isSwap || len(extension) == len(".XXXXXX") {
		found = append(found, strings.TrimSuffix(name, extension))
	}
	return found
}
