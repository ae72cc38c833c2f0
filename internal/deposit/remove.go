package deposit

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ota/internal/kit/beneath"
)

// A client may open a file for writing between any look at it and its removal,
// and then its bytes would be lost. So nothing is removed in deposit/: a file is
// first renamed into a private folder, where nobody can open it any more, under
// the same path. There it is looked at, and removed or put back. After an
// interruption that path says where everything belongs.

// removal is one call of Remove, or the clean-up after an interrupted one.
type removal struct {
	room    *Room
	dir     *beneath.Tree
	private *beneath.Tree // nil: deposit/ is on another mount
}

func (r *Room) remove(sealed *Sealed) error {
	r.taking.Lock()
	defer r.taking.Unlock()
	dir, err := beneath.Open(r.options.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot take the upload out of deposit: %w", err)
	}
	defer dir.Close()
	m := &removal{room: r, dir: dir}
	if err := m.openPrivate(); err != nil {
		return fmt.Errorf("cannot take the upload out of deposit: %w", err)
	}
	err = errors.Join(m.files(sealed), m.closePrivate())
	if err != nil {
		return fmt.Errorf("cannot take the upload out of deposit: %w", err)
	}
	m.folders(sealed)
	r.vouched.forget(sealed.Files)
	return nil
}

func (m *removal) openPrivate() error {
	if err := os.MkdirAll(m.room.options.Incoming, 0o700); err != nil {
		return err
	}
	path, err := os.MkdirTemp(m.room.options.Incoming, takenPrefix)
	if err != nil {
		return err
	}
	m.private, err = beneath.Open(path)
	return err
}

// closePrivate removes the private folder with the empty ones in it. Should a
// file be left in it, it stays, and the next start puts the file back.
func (m *removal) closePrivate() error {
	path := m.private.Path()
	m.private.Close()
	return removeEmpty(path)
}

func removeEmpty(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			return fmt.Errorf("%s is left in %s; it will be put back at the next start", entry.Name(), path)
		}
		if err := removeEmpty(filepath.Join(path, entry.Name())); err != nil {
			return err
		}
	}
	return os.Remove(path)
}

func (m *removal) files(sealed *Sealed) error {
	var failed []error
	var before string
	for file := range sealed.leaving() {
		if file.Kind == KindFolder {
			continue
		}
		folder := parentOf(file.Path)
		Leave(m.private, before, folder)
		before = Leave(m.dir, before, folder)
		if err := m.file(file); err != nil {
			failed = append(failed, fmt.Errorf("%q: %w", file.Path, err))
		}
	}
	return errors.Join(failed...)
}

// file takes one file out if it still is the one that was sealed.
func (m *removal) file(file *File) error {
	from, name, err := m.dir.Parent(file.Path)
	if err != nil {
		return ignoreGone(err)
	}
	info, err := from.Lstat(name)
	if err != nil {
		return ignoreGone(err)
	}
	if !file.isOriginal(identify(info), strictly) {
		return nil
	}
	to, err := m.private.MakeDir(parentOf(file.Path))
	if err != nil {
		return err
	}
	err = beneath.Rename(from, name, to, name)
	if errors.Is(err, errOtherMount) {
		return m.inPlace(file, from, name)
	}
	if err != nil {
		return ignoreGone(err)
	}
	if m.room.taken != nil {
		m.room.taken(file.Path)
	}
	isSealed, err := m.isSealed(file, to, name, withoutTimes)
	if err == nil && isSealed == same {
		return to.Remove(name)
	}
	return errors.Join(err, m.putBack(to, name, file.Path))
}

// inPlace takes a file out where it can't be renamed into the private folder.
// A client that opens it in the microseconds between the look and the removal
// writes into nothing.
func (m *removal) inPlace(file *File, from *beneath.Dir, name string) error {
	isSealed, err := m.isSealed(file, from, name, strictly)
	if err != nil || isSealed != same {
		return err
	}
	return ignoreGone(from.Remove(name))
}

// sameness is whether a file still is the one that was sealed.
type sameness string

const (
	same  sameness = "same"
	other sameness = "other"
)

// strictness is what is compared.
type strictness string

const (
	strictly     strictness = "strictly"
	withoutTimes strictness = "without the change time" // which a rename sets
)

// isSealed finds out whether a file still is the one that was sealed and nobody
// has it open for writing.
func (m *removal) isSealed(file *File, dir *beneath.Dir, name string, how strictness) (sameness, error) {
	info, err := dir.Lstat(name)
	if err != nil {
		return other, err
	}
	if !file.isOriginal(identify(info), how) {
		return other, nil
	}
	if file.Kind != KindFile {
		return same, nil
	}
	open, err := openToRead(dir, name)
	if err != nil {
		return other, ignoreGone(err)
	}
	defer open.Close()
	use := useOfOpen(open)
	if use == inUse {
		return other, nil
	}
	if file.racy || file.hasOtherNames() || use == unknown {
		return hasSum(open, file.Sum)
	}
	return same, nil
}

// isOriginal compares identities. Taking out one of two names of a file changes
// what is known of it by the other; then the content has to tell.
func (f *File) isOriginal(now identity, how strictness) bool {
	if f.hasOtherNames() {
		now.nlink = f.original.nlink
	}
	if how == withoutTimes || f.hasOtherNames() {
		now.ctime = f.original.ctime
	}
	return now == f.original
}

func (f *File) hasOtherNames() bool { return f.Kind == KindFile && f.original.nlink > 1 }

func hasSum(file *os.File, sum [sha256.Size]byte) (sameness, error) {
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return other, err
	}
	if [sha256.Size]byte(hash.Sum(nil)) != sum {
		return other, nil
	}
	return same, nil
}

// putBack gives a file its name in deposit/ again. If a client has put another
// there meanwhile, the name is the newer one's, and ours becomes a backup beside
// it, with a name that is never taken.
func (m *removal) putBack(from *beneath.Dir, name, path string) error {
	to, err := m.dir.MakeDir(parentOf(path))
	if err != nil {
		return err
	}
	err = beneath.RenameNew(from, name, to, name)
	for n := 1; errors.Is(err, fs.ErrExist) && n <= mostBackups; n++ {
		backup := backupName(name, n)
		if err = beneath.RenameNew(from, name, to, backup); err == nil {
			m.room.options.Log.Warn("a file was written while it was taken and another has its name now", "path", path, "backup", backup)
		}
	}
	return err
}

const (
	mostBackups = 999
	longestName = 255
)

// backupName is how Emacs and cp number backups: name.~1~.
func backupName(name string, n int) string {
	suffix := fmt.Sprintf(".~%d~", n)
	return name[:min(len(name), longestName-len(suffix))] + suffix
}

// folders removes the folders of the upload that are empty, the deepest first.
func (m *removal) folders(sealed *Sealed) {
	var before string
	for _, folder := range slices.Backward(slices.Collect(sealed.leaving())) {
		if folder.Kind != KindFolder {
			continue
		}
		before = Leave(m.dir, before, parentOf(folder.Path))
		parent, name, err := m.dir.Parent(folder.Path)
		if err != nil {
			continue
		}
		m.dir.Forget(folder.Path)
		info, err := parent.Lstat(name)
		if err != nil || !identify(info).sameInode(folder.original) {
			continue
		}
		// It fails if something is in the folder, which then is not of the upload.
		_ = removeFolder(parent, name)
	}
}

// putBackTaken cleans up after a process that was killed. Files that it had
// taken out of deposit/ but not looked at are put back; were they what was
// sealed, the same bytes are uploaded twice, and change nothing.
func (r *Room) putBackTaken() error {
	entries, err := os.ReadDir(r.options.Incoming)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var failed []error
	for _, entry := range entries {
		path := filepath.Join(r.options.Incoming, entry.Name())
		switch {
		case strings.HasPrefix(entry.Name(), sealedPrefix):
			failed = append(failed, os.RemoveAll(path))
		case strings.HasPrefix(entry.Name(), takenPrefix):
			failed = append(failed, r.putBackAll(path))
		}
	}
	return errors.Join(failed...)
}

func (r *Room) putBackAll(path string) error {
	m := &removal{room: r}
	var err error
	if m.dir, err = beneath.Open(r.options.Dir); err != nil {
		return err
	}
	defer m.dir.Close()
	if m.private, err = beneath.Open(path); err != nil {
		return err
	}
	err = m.putBackFolder("")
	return errors.Join(err, m.closePrivate())
}

func (m *removal) putBackFolder(at string) error {
	dir, err := m.private.Dir(at)
	if err != nil {
		return err
	}
	names, err := dir.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		info, err := dir.Lstat(name)
		switch {
		case err != nil:
			return err
		case info.IsDir():
			err = m.putBackFolder(join(at, name))
			m.private.Forget(join(at, name))
			m.dir.Forget(join(at, name))
		default:
			err = m.putBack(dir, name, join(at, name))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ignoreGone drops the error for a file that somebody else removed or replaced.
func ignoreGone(err error) error {
	if errors.Is(changedIfGone(err), ErrChanged) {
		return nil
	}
	return err
}
