package update

import (
	"path"

	"ota/internal/activate"
	"ota/internal/check"
	"ota/internal/deposit"
	"ota/internal/release"
)

// layer lays an upload over a release: the tree, the plan for main/, and what
// the record says of it.
type layer struct {
	tree     *release.Tree
	store    *release.Store
	bytecode func(path string) (folder string, owns func(name string) bool)
	plan     activate.Plan
	touched  []release.Touched
	bytes    int64 // of the files that are put
	kept     []release.Kept
	emptied  map[string]bool // folders of what is removed
}

// lay is all that an upload does to the release.
func (l *layer) lay(sealed *deposit.Sealed, folders []string, differing []arrived, going []gone) error {
	if err := l.remove(going); err != nil {
		return err
	}
	if err := l.keepFolders(folders); err != nil {
		return err
	}
	for _, file := range differing {
		if err := l.put(file); err != nil {
			return err
		}
	}
	if err := l.dropBytecode(sealed); err != nil {
		return err
	}
	return l.removeEmptied()
}

// keepFolders notes the folders that main/ has already and no release has, so
// that a rollback leaves them alone.
func (l *layer) keepFolders(folders []string) error {
	for _, folder := range folders {
		_, known, err := l.tree.Lookup(folder)
		if err != nil {
			return err
		}
		if !known {
			l.kept = append(l.kept, release.Kept{Path: release.Name(folder), Entry: release.Entry{Kind: release.Folder}})
		}
	}
	return nil
}

func (l *layer) put(file arrived) error {
	change := activate.Change{Path: release.Name(file.Path), Action: activate.Put, Entry: file.entry}
	if file.Kind == deposit.KindFile {
		if err := l.store.Take(file.Copy, file.entry.Sum); err != nil {
			return err
		}
		change.Source, change.ModTime = l.store.Path(file.entry.Sum), file.ModTime
	}
	if err := l.makeWay(file.Path, file.entry.Kind); err != nil {
		return err
	}
	if err := l.tree.Set(file.Path, file.entry); err != nil {
		return err
	}
	l.plan.Changes = append(l.plan.Changes, change)
	l.touched = append(l.touched, release.Touched{Path: release.Name(file.Path), Effect: file.effect})
	l.bytes += file.entry.Size
	if isSource(file.Path) {
		l.plan.Stale = append(l.plan.Stale, release.Name(file.Path))
	}
	return nil
}

// makeWay takes out of the tree what the release had there in another shape.
// main/ has it no more, or the switch would be refused: somebody changed it.
func (l *layer) makeWay(at string, kind release.Kind) error {
	for above := path.Dir(at); above != "."; above = path.Dir(above) {
		entry, there, err := l.tree.Lookup(above)
		if err != nil {
			return err
		}
		if there && entry.Kind != release.Folder {
			return l.tree.Delete(above)
		}
	}
	entry, there, err := l.tree.Lookup(at)
	if err != nil || !there || (entry.Kind == release.Folder) == (kind == release.Folder) {
		return err
	}
	return l.tree.Delete(at)
}

// ownBytecode leaves out what was compiled of a source for which the release
// brings bytecode itself.
func (l *layer) ownBytecode(compiled []check.Compiled) []activate.Compiled {
	var own []activate.Compiled
	for _, one := range compiled {
		folder, _ := l.bytecode(one.Source)
		at := path.Join(folder, one.Name)
		if path.IsAbs(folder) { // PYTHONPYCACHEPREFIX: not in main/
			continue
		}
		if _, brought, err := l.tree.Lookup(at); err == nil && !brought {
			own = append(own, activate.Compiled{Path: at, File: one.File})
		}
	}
	return own
}

// dropBytecode takes bytecode out that an earlier upload brought for a source
// that this one changes, unless this one brings its own. (Bytecode that Python
// made is in no release; the switch removes it.)
func (l *layer) dropBytecode(sealed *deposit.Sealed) error {
	brought := map[string]bool{}
	for _, file := range sealed.Files {
		brought[file.Path] = true
	}
	for _, source := range l.plan.Stale {
		folder, owns := l.bytecode(string(source))
		names, err := l.tree.Names(folder)
		if err != nil {
			return err
		}
		for _, name := range names {
			at := path.Join(folder, name)
			if brought[at] || !owns(name) {
				continue
			}
			if err := l.tree.Delete(at); err != nil {
				return err
			}
			l.plan.Changes = append(l.plan.Changes, activate.Change{Path: release.Name(at), Action: activate.Remove})
			l.touched = append(l.touched, release.Touched{Path: release.Name(at), Effect: release.Removed})
		}
	}
	return nil
}
