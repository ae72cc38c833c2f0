package activate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"ota/internal/kit/beneath"
	"ota/internal/kit/copysum"
	"ota/internal/reason"
	"ota/internal/release"
)

// work is main/ and the stage, opened. In the stage, file "7" is the new
// version of change 7 before the exchange and the old one after it; "7.old" is
// the old one where names could not be exchanged or the change is a removal.
type work struct {
	main      *beneath.Tree
	stage     *beneath.Tree
	stagePath string
	buffer    []byte                // for copies
	replaces  map[release.Name]bool // paths at which main/ had a file when last looked
}

// openWork opens the stage, or makes one at the first place from which names
// can be moved into main/.
func (r *Room) openWork() (*work, error) {
	main, err := r.openMain()
	if err != nil {
		return nil, err
	}
	w := &work{main: main, buffer: make([]byte, copysum.BufferSize), replaces: map[release.Name]bool{}}
	for _, path := range r.stagePaths() {
		if w.stage, err = beneath.Open(path); err == nil {
			w.stagePath = path
			return w, nil
		}
	}
	for _, path := range r.stagePlaces() {
		ok, err := w.makeStage(path)
		if err != nil {
			w.close()
			return nil, err
		}
		if ok {
			return w, nil
		}
	}
	w.close()
	return nil, fmt.Errorf("there is no folder from which files can be moved into %s", main.Path())
}

// makeStage makes the stage at path; ok is false if that is on another mount
// than main/.
func (w *work) makeStage(path string) (ok bool, err error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return false, err
	}
	stage, err := beneath.Open(path)
	if err != nil {
		return false, err
	}
	same, err := beneath.SameMount(stage.Top(), w.main.Top())
	if err == nil && same {
		w.stage, w.stagePath = stage, path
		return true, nil
	}
	stage.Close()
	return false, errors.Join(err, os.Remove(path))
}

func (w *work) close() {
	w.main.Close()
	if w.stage != nil {
		w.stage.Close()
	}
}

// refuseConflicts returns *reason.Refused if main/ has something at a path of
// the plan that a switch must not replace, or can't.
func (w *work) refuseConflicts(plan Plan) error {
	var refused reason.Refused
	named := map[string]bool{} // a folder that can't be made says it for all that is in it
	for _, change := range plan.Changes {
		if above, _ := beneath.Split(string(change.Path)); named[above] {
			named[string(change.Path)] = true
			continue
		}
		message, err := w.conflict(change)
		if err == nil && message == "" {
			message, err = w.otherMount(change)
		}
		if err != nil {
			return err
		}
		if message != "" {
			named[string(change.Path)] = true
			refused.Reasons = append(refused.Reasons, reason.Reason{Path: string(change.Path), Message: message})
		}
	}
	if len(refused.Reasons) > 0 {
		return &refused
	}
	return nil
}

func (w *work) conflict(change Change) (message string, err error) {
	parent, name, err := w.main.Parent(string(change.Path))
	var inTheWay *beneath.InTheWay
	switch {
	case errors.As(err, &inTheWay) && change.Action == Remove:
		return "", nil
	case errors.As(err, &inTheWay):
		return w.describeObstacle(inTheWay.Path), nil
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	}
	info, err := parent.Lstat(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err == nil {
		isFolder := change.Entry.Kind == release.Folder
		switch {
		case change.Action == Remove:
		case info.IsDir() && !isFolder:
			return "main/ has a folder of this name, the upload a file", nil
		case !info.IsDir() && isFolder:
			return w.describeObstacle(string(change.Path)), nil
		case info.Mode()&fs.ModeIrregular != 0:
			return "main/ has a device, pipe or socket of this name", nil
		}
	}
	w.replaces[change.Path] = err == nil
	return "", nil
}

// otherMount looks whether the change's folder can be reached by a rename.
func (w *work) otherMount(change Change) (message string, err error) {
	parent, _, err := w.main.Parent(string(change.Path))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	same, err := beneath.SameMount(w.stage.Top(), parent)
	if err == nil && !same {
		message = "it belongs into a folder of main/ that is a mount of its own, where files can't be exchanged in one step"
	}
	return message, err
}

// stillFits looks again whether main/ is as it was when the plan was prepared:
// the program ran until now. It costs one lstat a change.
func (w *work) stillFits(plan Plan) error {
	for _, change := range plan.Changes {
		message, err := w.conflict(change)
		if err != nil {
			return err
		}
		if message != "" {
			return &reason.Refused{Reasons: []reason.Reason{{Path: string(change.Path), Message: message}}}
		}
	}
	return nil
}

// describeObstacle says what stands where the upload has a folder.
func (w *work) describeObstacle(at string) string {
	what := "a file"
	if info, err := w.main.Lstat(at); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		what = "a symbolic link"
	}
	return fmt.Sprintf("main/ has %s at %q, the upload a folder", what, at)
}

// missingFolders lists the folders that the plan will make, those above first.
func (w *work) missingFolders(plan Plan) ([]release.Name, error) {
	missing := map[string]bool{}
	for _, change := range plan.Changes {
		folder := string(change.Path)
		if change.Action != Put {
			continue
		}
		if change.Entry.Kind != release.Folder {
			folder, _ = beneath.Split(folder)
		}
		for ; folder != "" && !missing[folder]; folder, _ = beneath.Split(folder) {
			_, err := w.main.Dir(folder)
			if err == nil {
				break
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			missing[folder] = true
		}
	}
	names := make([]release.Name, 0, len(missing))
	for folder := range missing {
		names = append(names, release.Name(folder))
	}
	slices.Sort(names)
	return names, nil
}

// bring puts the new version of change i into the stage, checked against its
// sum while it is copied.
func (w *work) bring(ctx context.Context, i int, change Change, sparing bool) error {
	if change.Action != Put {
		return nil
	}
	switch change.Entry.Kind {
	case release.Link:
		return w.stage.Top().Symlink(string(change.Entry.Target), newName(i))
	case release.File:
		bring := w.bringFile
		if sparing {
			bring = w.moveFile
		}
		if err := bring(ctx, i, change); err != nil {
			return fmt.Errorf("cannot stage %q: %w", change.Path, err)
		}
	}
	return nil
}

func (w *work) bringFile(ctx context.Context, i int, change Change) error {
	source, err := os.Open(change.Source)
	if err != nil {
		return err
	}
	defer source.Close()
	const flags = os.O_RDWR | os.O_CREATE | os.O_EXCL
	target, err := w.stage.Top().OpenFile(newName(i), flags, 0o600)
	if err != nil {
		return err
	}
	_, sum, err := copysum.Copy(ctx, target, source, w.buffer)
	if err == nil && sum != change.Entry.Sum {
		err = &release.Damaged{File: change.Source}
	}
	if err == nil {
		err = target.Chmod(fs.FileMode(change.Entry.Mode))
	}
	modified := change.ModTime
	if info, statErr := source.Stat(); statErr == nil && modified.IsZero() {
		modified = info.ModTime()
	}
	return errors.Join(err, target.Close(), w.stage.Top().Chtimes(newName(i), modified))
}

// moveFile is bringFile that writes nothing.
func (w *work) moveFile(ctx context.Context, i int, change Change) error {
	source, err := os.Open(change.Source)
	if err != nil {
		return err
	}
	defer source.Close()
	sum, err := copysum.Of(ctx, source)
	if err == nil && sum != change.Entry.Sum {
		err = &release.Damaged{File: change.Source}
	}
	if err == nil {
		err = source.Chmod(fs.FileMode(change.Entry.Mode))
	}
	if err != nil {
		return err
	}
	return os.Rename(change.Source, filepath.Join(w.stagePath, newName(i)))
}

// forward does change i.
func (w *work) forward(i int, change Change) error {
	if change.Action == Remove {
		return w.takeAway(i, change)
	}
	if change.Entry.Kind == release.Folder {
		_, err := w.main.MakeDir(string(change.Path))
		return err
	}
	parentPath, name := beneath.Split(string(change.Path))
	parent, err := w.main.MakeDir(parentPath)
	if err != nil {
		return err
	}
	stage := w.stage.Top()
	if !w.replaces[change.Path] {
		err := beneath.RenameNew(stage, newName(i), parent, name)
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	err = beneath.Exchange(stage, newName(i), parent, name)
	if errors.Is(err, fs.ErrNotExist) {
		return beneath.RenameNew(stage, newName(i), parent, name)
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if err := beneath.RenameNew(parent, name, stage, oldName(i)); err != nil {
		return err
	}
	return beneath.Rename(stage, newName(i), parent, name)
}

func (w *work) takeAway(i int, change Change) error {
	parent, name, err := w.main.Parent(string(change.Path))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, beneath.ErrInTheWay) {
		return nil
	}
	if err != nil {
		return err
	}
	if change.Entry.Kind == release.Folder {
		w.removeFolder(string(change.Path))
		return nil
	}
	if info, err := parent.Lstat(name); err == nil && info.IsDir() {
		return nil // somebody else's, under the name of the file that was there
	}
	err = beneath.RenameNew(parent, name, w.stage.Top(), oldName(i))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
		return nil // it was gone, or this is the second time
	}
	return err
}

// removeFolder removes a folder if it is empty: what else is in it is not ours.
func (w *work) removeFolder(at string) {
	w.main.Forget(at)
	if parent, name, err := w.main.Parent(at); err == nil {
		parent.Remove(name)
	}
}

// removeOwned removes files from a folder of main/.
func (w *work) removeOwned(folder string, owns func(name string) bool) error {
	dir, err := w.main.Dir(folder)
	if err != nil {
		return ignoreMissing(err)
	}
	names, err := dir.Names()
	failed := []error{err}
	for _, name := range names {
		if owns(name) {
			failed = append(failed, ignoreMissing(dir.Remove(name)))
		}
	}
	return errors.Join(failed...)
}

// ignoreMissing drops the error for what is not there, or not as a folder.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, beneath.ErrInTheWay) {
		return nil
	}
	return err
}

// forwardAgain does change i unless it was done before an interruption. That is
// seen by what is in the stage: the new version, or not.
func (w *work) forwardAgain(i int, change Change) error {
	if change.Action == Put && change.Entry.Kind != release.Folder {
		waits, err := holds(w.stage, newName(i), change.Entry)
		if err != nil || !waits {
			return err
		}
	}
	return w.forward(i, change)
}

// backward undoes change i as far as it was done.
func (w *work) backward(i int, change Change) error {
	if change.Entry.Kind == release.Folder {
		if change.Action == Remove {
			_, err := w.main.MakeDir(string(change.Path))
			return err
		}
		return nil // undo removes the folders that were made
	}
	parent, name, err := w.main.Parent(string(change.Path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	stage := w.stage.Top()
	if change.Action == Put {
		waits, err := holds(w.stage, newName(i), change.Entry)
		if err != nil {
			return err
		}
		if _, err := stage.Lstat(newName(i)); err == nil && !waits {
			return beneath.Exchange(stage, newName(i), parent, name)
		}
		if !waits {
			if err := beneath.RenameNew(parent, name, stage, newName(i)); err != nil {
				return err
			}
		}
	}
	// A file system that became read-only would say that, also of a rename that
	// has nothing to do.
	if _, err := stage.Lstat(oldName(i)); err != nil {
		return ignoreMissing(err)
	}
	return beneath.RenameNew(stage, oldName(i), parent, name)
}

// olds lists the versions that the plan took out of main/.
func (w *work) olds(plan Plan) []Old {
	var olds []Old
	for i, change := range plan.Changes {
		for _, name := range []string{newName(i), oldName(i)} {
			if _, err := w.stage.Top().Lstat(name); err == nil {
				olds = append(olds, Old{string(change.Path), filepath.Join(w.stagePath, name)})
			}
		}
	}
	return olds
}

func newName(i int) string { return strconv.Itoa(i) }

func oldName(i int) string { return strconv.Itoa(i) + ".old" }

// holds reports whether the tree has exactly this entry at path: kind, mode,
// size and content. Nothing there is no error.
func holds(tree *beneath.Tree, at string, entry release.Entry) (bool, error) {
	parent, name, err := tree.Parent(at)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, beneath.ErrInTheWay) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	info, err := parent.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	switch entry.Kind {
	case release.Folder:
		return info.IsDir(), nil
	case release.Link:
		if info.Mode()&fs.ModeSymlink == 0 {
			return false, nil
		}
		target, err := parent.Readlink(name)
		return target == string(entry.Target), err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm() != fs.FileMode(entry.Mode) || info.Size() != entry.Size {
		return false, nil
	}
	sum, err := sumFile(context.Background(), parent, name)
	return sum == entry.Sum, err
}
