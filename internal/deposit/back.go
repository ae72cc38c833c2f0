package deposit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"ota/internal/kit/beneath"
	"ota/internal/kit/copysum"
	"ota/internal/kit/durable"
)

// Parcel is a file, link or empty folder that ota itself puts somewhere: back
// into deposit/, or among what was discarded. Copy is the path of a file's
// content, which is copied and checked.
type Parcel struct {
	File
	// Trace is set by Return: by it, what stands in deposit/ is known again. It
	// is empty where something else stands there: that is newer, and stays.
	Trace string
	// Damage is set if Copy does not have the right content: then nothing is put
	// there. The others are, all the same.
	Damage error
}

// Trace is what a file or link in deposit/ is known by: who writes the same
// bytes once more leaves another (its inode, or the time of its change).
func (f *File) Trace() string { return f.original.trace() }

// Traces returns what each file and link of the upload is known by.
func (s *Snapshot) Traces() map[string]string {
	traces := map[string]string{}
	if s.tree == nil { // the zero Snapshot is that of nothing
		return traces
	}
	for i := range s.tree.items {
		if one := &s.tree.items[i]; one.kind == KindFile || one.kind == KindLink {
			traces[one.path] = one.id.trace()
		}
	}
	return traces
}

// trace leaves the device out: the number of a disk changes from boot to boot.
func (i identity) trace() string {
	return fmt.Sprintf("%d.%d.%d.%d", i.ino, i.ctime, i.size, i.mtime)
}

// Return puts files back into deposit/, each whole or not at all, and replaces
// nothing. It may be repeated after an error or an interruption: what is there
// already, with the same content, counts as put back.
func (r *Room) Return(ctx context.Context, parcels []Parcel) error {
	r.taking.Lock()
	defer r.taking.Unlock()
	if err := os.Mkdir(r.options.Dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cannot put files back into deposit: %w", err)
	}
	if err := layDown(ctx, r.options.Dir, parcels); err != nil {
		return fmt.Errorf("cannot put files back into deposit: %w", err)
	}
	return nil
}

var errDamaged = errors.New("it is damaged: its content does not have the SHA-256 of its name")

// layDown writes parcels into a folder, under temporary names first: a power cut
// must not leave a name without its content.
func layDown(ctx context.Context, folder string, parcels []Parcel) error {
	if len(parcels) == 0 {
		return nil
	}
	disk, err := durable.OpenFS(folder)
	if err != nil {
		return err
	}
	defer disk.Close()
	dir, err := beneath.Open(folder)
	if err != nil {
		return err
	}
	defer dir.Close()
	l := &laying{ctx, dir, OwnerOf(folder), make([]byte, copyBuffer), map[*Parcel]bool{}}
	err = l.each(parcels, l.write)
	if err == nil {
		err = disk.Sync()
	}
	if err == nil {
		err = l.each(parcels, l.name)
	}
	if err != nil {
		return errors.Join(err, l.each(parcels, l.clean))
	}
	return disk.Sync()
}

// laying is one call of layDown.
type laying struct {
	ctx     context.Context
	dir     *beneath.Tree
	owner   Owner
	buffer  []byte
	written map[*Parcel]bool // under their temporary names
}

// each does a step for every parcel that has no trace yet.
func (l *laying) each(parcels []Parcel, step func(parent *beneath.Dir, name string, parcel *Parcel) error) error {
	var before string
	for i := range parcels {
		parcel := &parcels[i]
		before = Leave(l.dir, before, parentOf(parcel.Path))
		if parcel.Trace != "" {
			continue
		}
		parentPath, name := beneath.Split(parcel.Path)
		if parcel.Kind == KindFolder {
			parentPath = parcel.Path // it leaves no trace: what is known again are files
		}
		parent, err := l.dir.MakeDir(parentPath)
		if err == nil {
			err = l.owner.GiveFolder(parent)
		}
		if err == nil && parcel.Kind != KindFolder {
			err = step(parent, name, parcel)
		}
		switch {
		case err == nil, errors.Is(err, fs.ErrExist), errors.Is(err, beneath.ErrInTheWay):
		case errors.Is(err, errDamaged):
			parcel.Damage = err
		default:
			return fmt.Errorf("%q: %w", parcel.Path, err)
		}
	}
	return nil
}

// write makes a parcel under its temporary name, if nothing has its own.
func (l *laying) write(parent *beneath.Dir, name string, parcel *Parcel) error {
	temporary := TemporaryName(name)
	if err := parent.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	info, err := parent.Lstat(name)
	if err == nil {
		return knowAgain(l.ctx, parent, name, info, parcel)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeParcel(l.ctx, parent, temporary, parcel, l.owner, l.buffer); err != nil {
		return errors.Join(err, ignoreGone(parent.Remove(temporary)))
	}
	l.written[parcel] = true
	return nil
}

// name gives a parcel its name, if nothing has it by now.
func (l *laying) name(parent *beneath.Dir, name string, parcel *Parcel) error {
	if !l.written[parcel] {
		return nil
	}
	if err := beneath.RenameNew(parent, TemporaryName(name), parent, name); err != nil {
		return errors.Join(err, l.clean(parent, name, parcel))
	}
	delete(l.written, parcel)
	info, err := parent.Lstat(name)
	if err != nil {
		return err
	}
	parcel.Trace = identify(info).trace()
	return nil
}

// clean removes a parcel that got no name.
func (l *laying) clean(parent *beneath.Dir, name string, parcel *Parcel) error {
	if !l.written[parcel] {
		return nil
	}
	delete(l.written, parcel)
	return ignoreGone(parent.Remove(TemporaryName(name)))
}

// knowAgain leaves a trace if what stands there is what the parcel would be.
func knowAgain(ctx context.Context, parent *beneath.Dir, name string, info fs.FileInfo, parcel *Parcel) error {
	if kindOf(info.Mode()) != parcel.Kind {
		return nil
	}
	switch parcel.Kind {
	case KindLink:
		if target, err := parent.Readlink(name); err != nil || target != parcel.Target {
			return ignoreGone(err)
		}
	case KindFile:
		if info.Size() != parcel.Size {
			return nil
		}
		file, err := openToRead(parent, name)
		if err != nil {
			return ignoreGone(err)
		}
		defer file.Close()
		if sum, err := copysum.Of(ctx, file); err != nil || sum != parcel.Sum {
			return err
		}
	}
	parcel.Trace = identify(info).trace()
	return nil
}

func writeParcel(ctx context.Context, parent *beneath.Dir, name string, parcel *Parcel, owner Owner, buffer []byte) error {
	if parcel.Kind == KindLink {
		return parent.Symlink(parcel.Target, name)
	}
	source, err := os.Open(parcel.Copy)
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.Join(errDamaged, err)
	}
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := parent.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, sum, err := copysum.Copy(ctx, target, source, buffer)
	if err == nil && sum != parcel.Sum {
		err = fmt.Errorf("%s: %w", parcel.Copy, errDamaged)
	}
	if err == nil {
		err = owner.Give(target, parcel.Mode)
	}
	modified := parcel.ModTime
	if info, statErr := source.Stat(); statErr == nil && modified.IsZero() {
		modified = info.ModTime()
	}
	return errors.Join(err, target.Close(), parent.Chtimes(name, modified))
}

// TemporaryName is one of an unfinished file, so that no look takes it, and
// always the same, so that a repetition finds what an interruption left.
func TemporaryName(name string) string {
	const prefix = ".~ota~"
	return prefix + strings.ToValidUTF8(name[:min(len(name), longestName-len(prefix))], "_")
}
