package pack

import (
	"path"
	"path/filepath"

	"ota/internal/deposit"
	"ota/internal/parcel"
)

// Scope is which changes of a folder may change what is packed of it. Several
// goroutines may use it.
type Scope struct {
	// Folders are those that are packed, the folder itself ("") among them, with
	// slashes. None of them is left out, nor git's own.
	Folders []string
	rules   rules
}

// ScopeOf goes through a folder.
func ScopeOf(source string) (*Scope, error) {
	absolute, err := filepath.Abs(source)
	if err != nil {
		return nil, err
	}
	l, err := list(absolute, "")
	if err != nil {
		return nil, err
	}
	return &Scope{l.folders, l.all}, nil
}

// Concerns reports whether something that happens to a path in one of the folders
// may change what is packed.
func (s *Scope) Concerns(at string, isFolder bool) bool {
	name := path.Base(at)
	for _, one := range ignoreFiles {
		if name == one {
			return true
		}
	}
	kind := deposit.KindFile
	if isFolder {
		kind = deposit.KindFolder
	}
	return !isNotOfTheProgram(name, isFolder) && parcel.CheckPath(at) == nil && !s.rules.ignored(at, isFolder) &&
		deposit.Takes(at, kind, func(string) bool { return false })
}
