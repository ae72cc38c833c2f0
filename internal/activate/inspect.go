package activate

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"ota/internal/kit/beneath"
	"ota/internal/kit/copysum"
	"ota/internal/release"
)

// Inspection is what main/ is like after an unclean end, next to a release.
type Inspection struct {
	// Torn are the files that a power cut may have left like that: gone, empty,
	// a beginning of the right content, or with zeros in place of blocks.
	Torn []Wanted
	// Missing are those of the torn that are gone.
	Missing []Wanted
	// Lost are those of them of which the store has no whole copy.
	Lost []Wanted
	// Edited are other differences: somebody made them.
	Edited []string
}

// Inspect compares main/ with a release: kind and size of every file, and its
// content where the time is not that of the content in the store.
func (r *Room) Inspect(ctx context.Context, tree *release.Tree, store *release.Store) (Inspection, error) {
	main, err := r.openMain()
	if err != nil {
		return Inspection{}, err
	}
	defer main.Close()
	i := inspector{main: main, store: store}
	err = tree.Walk(func(at string, entry release.Entry) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return i.look(ctx, Wanted{at, entry})
	})
	return i.found, err
}

type inspector struct {
	main  *beneath.Tree
	store *release.Store
	found Inspection
}

func (i *inspector) look(ctx context.Context, wanted Wanted) error {
	parent, name, err := i.main.Parent(wanted.Path)
	if errors.Is(err, beneath.ErrInTheWay) {
		i.found.Edited = append(i.found.Edited, wanted.Path)
		return nil
	}
	var info fs.FileInfo
	if err == nil {
		info, err = parent.Lstat(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		i.gone(wanted)
		return nil
	}
	if err != nil {
		return err
	}
	switch wanted.Entry.Kind {
	case release.Folder:
		if !info.IsDir() {
			i.found.Edited = append(i.found.Edited, wanted.Path)
		}
		return nil
	case release.Link:
		return i.link(parent, name, info, wanted)
	default:
		return i.file(ctx, parent, name, info, wanted)
	}
}

func (i *inspector) gone(wanted Wanted) {
	if wanted.Entry.Kind == release.File {
		if _, err := os.Stat(i.store.Path(wanted.Entry.Sum)); err != nil {
			i.found.Lost = append(i.found.Lost, wanted)
			return
		}
	}
	i.found.Torn = append(i.found.Torn, wanted)
	i.found.Missing = append(i.found.Missing, wanted)
}

func (i *inspector) link(parent *beneath.Dir, name string, info fs.FileInfo, wanted Wanted) error {
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := parent.Readlink(name)
		if err != nil || target == string(wanted.Entry.Target) {
			return err
		}
	}
	i.found.Edited = append(i.found.Edited, wanted.Path)
	return nil
}

func (i *inspector) file(ctx context.Context, parent *beneath.Dir, name string, info fs.FileInfo, wanted Wanted) error {
	if !info.Mode().IsRegular() {
		i.found.Edited = append(i.found.Edited, wanted.Path)
		return nil
	}
	content, err := os.Open(i.store.Path(wanted.Entry.Sum))
	if errors.Is(err, fs.ErrNotExist) { // it is kept in main/ only: its size is all that can be told
		if info.Size() == 0 && wanted.Entry.Size > 0 {
			i.found.Lost = append(i.found.Lost, wanted)
		} else if info.Size() != wanted.Entry.Size {
			i.found.Edited = append(i.found.Edited, wanted.Path)
		}
		return nil
	}
	if err != nil {
		return err
	}
	defer content.Close()
	known, err := content.Stat()
	if err != nil {
		return err
	}
	if info.Size() == wanted.Entry.Size && info.ModTime().Equal(known.ModTime()) {
		return nil
	}
	return i.compare(ctx, parent, name, content, wanted)
}

func (i *inspector) compare(ctx context.Context, parent *beneath.Dir, name string, content *os.File, wanted Wanted) error {
	file, err := parent.OpenFile(name, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrPermission) {
		i.found.Edited = append(i.found.Edited, wanted.Path)
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	likeness, err := compareContents(ctx, file, content)
	if err != nil {
		return err
	}
	switch {
	case likeness == equal:
	case likeness == edited:
		i.found.Edited = append(i.found.Edited, wanted.Path)
	case i.store.Check(ctx, wanted.Entry.Sum) == nil:
		i.found.Torn = append(i.found.Torn, wanted)
	default:
		i.found.Lost = append(i.found.Lost, wanted)
	}
	return nil
}

// likeness is how a file compares with the content that it should have.
type likeness string

const (
	equal  likeness = "equal"
	torn   likeness = "torn"
	edited likeness = "edited"
)

// blockSize is the smallest unit in which a disk loses what was written.
const blockSize = 512

// compareContents looks whether a file is its right content but for a missing
// end and blocks of zeros.
func compareContents(ctx context.Context, file, right io.Reader) (likeness, error) {
	found := equal
	have, want := make([]byte, copysum.BufferSize), make([]byte, copysum.BufferSize)
	for {
		if err := ctx.Err(); err != nil {
			return found, err
		}
		n, err := io.ReadFull(file, have)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return found, err
		}
		m, err := io.ReadFull(right, want)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return found, err
		}
		switch {
		case n > m || !equalOrZero(have[:n], want[:n]):
			return edited, nil
		case n < m || !bytes.Equal(have[:n], want[:n]):
			found = torn
		}
		if n < len(have) {
			return found, nil
		}
	}
}

var zeros [blockSize]byte

func equalOrZero(have, want []byte) bool {
	for len(have) > 0 {
		n := min(blockSize, len(have))
		if !bytes.Equal(have[:n], want[:n]) && !bytes.Equal(have[:n], zeros[:n]) {
			return false
		}
		have, want = have[n:], want[n:]
	}
	return true
}
