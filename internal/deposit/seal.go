package deposit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ota/internal/kit/beneath"
	"ota/internal/kit/copysum"
	"ota/internal/kit/links"
	"ota/internal/parcel"
	"ota/internal/reason"
)

// Private folders in Options.Incoming begin with these.
const (
	sealedPrefix = "sealed-"
	takenPrefix  = "taken-"
)

// ownFolder is ota's, in the tree that uploads are laid over.
const ownFolder = ".ota"

const unreadable = "ota may not read this file; give it the right to, with chmod or chown"

// copyBuffer is read and written at once: large beside what a call costs, small
// beside the memory of a Pi Zero.
const copyBuffer = 128 << 10

// racyTime is how long after its change a file may change again without another
// change time: the kernel's clock for that goes in steps of up to 10 ms (CONFIG_HZ
// 100), finer since Linux 6.13 only.
const racyTime = 20 * time.Millisecond

// Close throws away the private copies that are left.
func (s *Sealed) Close() error {
	if err := os.RemoveAll(s.Dir); err != nil {
		return fmt.Errorf("cannot remove the private copy: %w", err)
	}
	return nil
}

// leaving yields what goes out of deposit/ with the upload, a folder before what
// is in it.
func (s *Sealed) leaving() iter.Seq[*File] {
	return func(yield func(*File) bool) {
		for i := range s.Files {
			if !s.archived && !yield(&s.Files[i]) {
				return
			}
		}
		for i := range s.beside {
			if !yield(&s.beside[i]) {
				return
			}
		}
	}
}

// sealing is one call of Seal.
type sealing struct {
	room    *Room
	upload  *Snapshot
	dir     *beneath.Tree
	links   map[string]string // targets by path
	refused []reason.Reason
	listed  map[string]*parcel.Entry // by path; nil: there is no manifest
	ways    map[string]bool          // folders that lead to what is listed
	buffer  []byte
	result  *Sealed
}

func (r *Room) seal(ctx context.Context, upload *Snapshot) (*Sealed, error) {
	dir, err := beneath.Open(r.options.Dir)
	if err != nil {
		return nil, fmt.Errorf("cannot seal the upload: %w", err)
	}
	defer dir.Close()
	s := &sealing{
		room: r, upload: upload, dir: dir,
		links:  map[string]string{},
		buffer: make([]byte, copyBuffer),
		result: &Sealed{Forced: upload.Forced()},
	}
	if err := s.openPrivate(); err != nil {
		return nil, fmt.Errorf("cannot seal the upload: %w", err)
	}
	err = s.run(ctx)
	var refused *reason.Refused
	switch {
	case err == nil:
		return s.result, nil
	case errors.As(err, &refused) || errors.Is(err, ErrChanged):
	default:
		err = fmt.Errorf("cannot seal the upload: %w", err)
	}
	return nil, errors.Join(err, s.result.Close())
}

func (s *sealing) openPrivate() error {
	if err := os.MkdirAll(s.room.options.Incoming, 0o700); err != nil {
		return err
	}
	private, err := os.MkdirTemp(s.room.options.Incoming, sealedPrefix)
	s.result.Dir = private
	return err
}

func (s *sealing) run(ctx context.Context) error {
	left := s.room.left(s.upload.tree)
	how, one := formOf(s.upload.tree, left)
	var err error
	switch how {
	case archived:
		return s.unpack(ctx, one, left)
	case unfolded:
		err = s.unfold(left)
	default:
		err = s.room.options.Packing.Bare()
	}
	if err != nil {
		return err
	}
	s.refuseNames()
	var before string
	for i := range s.upload.tree.items {
		one := &s.upload.tree.items[i]
		if !s.ofList(one, left) {
			continue
		}
		before = Leave(s.dir, before, parentOf(one.path))
		if err := s.take(ctx, one); err != nil {
			return err
		}
	}
	s.refuseLinks()
	s.agree()
	if len(s.refused) > 0 {
		return &reason.Refused{Reasons: s.refused}
	}
	return s.lookAgain(ctx)
}

// refuseNames refuses what no look at contents could make acceptable.
func (s *sealing) refuseNames() {
	for i := range s.upload.tree.items {
		one := &s.upload.tree.items[i]
		switch {
		case strings.EqualFold(path.Base(one.path), ownFolder):
			s.refuse(one, "this name is ota's own; it can't be part of an upload")
		case one.kind == kindOther:
			s.refuse(one, one.id.describe()+" can't be taken: only files, folders and symbolic links can")
		case one.fault != nil:
			s.refuse(one, "ota may not look into this folder; give it the right to, with chmod or chown")
		}
	}
}

func (s *sealing) refuse(one *item, message string) {
	s.refused = append(s.refused, reason.Reason{Path: one.path, Message: message})
}

// take adds one path to the result. Once something is refused files are only
// opened, to find out which others can't be.
func (s *sealing) take(ctx context.Context, one *item) error {
	entry := File{
		Path:     one.path,
		Kind:     one.kind,
		Mode:     fs.FileMode(one.id.mode)&0o775 | 0o400,
		ModTime:  one.id.modified(),
		Whole:    s.room.vouched.has(one.path, one.id),
		original: one.id,
	}
	var err error
	switch one.kind {
	case KindFile:
		err = s.takeFile(ctx, one, &entry)
	case KindLink:
		err = s.takeLink(one, &entry)
	case KindFolder:
		entry.Mode |= 0o700
	case kindOther:
		return nil
	}
	s.result.Files = append(s.result.Files, entry)
	return err
}

func (s *sealing) takeLink(one *item, entry *File) error {
	parent, name, err := s.dir.Parent(one.path)
	if err != nil {
		return changedIfGone(err)
	}
	if entry.Target, err = parent.Readlink(name); err != nil {
		return changedIfGone(err)
	}
	s.links[one.path] = entry.Target
	return nil
}

func (s *sealing) takeFile(ctx context.Context, one *item, entry *File) error {
	source, err := s.open(one)
	if refused, ok := errors.AsType[*reason.Refused](err); ok {
		s.refused = append(s.refused, refused.Reasons...)
		return nil
	}
	if err != nil {
		return err
	}
	defer source.Close()
	if len(s.refused) > 0 {
		return nil
	}
	entry.Copy = filepath.Join(s.result.Dir, strconv.Itoa(len(s.result.Files)))
	if err := s.copy(ctx, source, entry); err != nil {
		return fmt.Errorf("cannot copy %q: %w", one.path, err)
	}
	if entry.Size != one.id.size {
		return ErrChanged
	}
	s.warnOfBits(one)
	if s.room.copied != nil {
		s.room.copied(one.path)
	}
	return nil
}

func (s *sealing) copy(ctx context.Context, source *os.File, entry *File) error {
	target, err := os.OpenFile(entry.Copy, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	entry.Size, entry.Sum, err = copysum.Copy(ctx, target, source, s.buffer)
	return errors.Join(err, target.Close(), os.Chtimes(entry.Copy, entry.ModTime, entry.ModTime))
}

func (s *sealing) warnOfBits(one *item) {
	if bits := one.id.special(); len(bits) > 0 {
		message := "taken without being " + strings.Join(bits, " and ")
		s.result.Warnings = append(s.result.Warnings, reason.Reason{Path: one.path, Message: message})
	}
}

// refuseLinks refuses the links that lead out of the tree.
func (s *sealing) refuseLinks() {
	target := func(at string) (string, bool) {
		to, isLink := s.links[at]
		return to, isLink
	}
	for i := range s.upload.tree.items {
		one := &s.upload.tree.items[i]
		if one.kind == KindLink && links.Follow(one.path, target) == links.Leaves {
			s.refuse(one, fmt.Sprintf("a symbolic link to %q leads out of main/, which is not allowed", s.links[one.path]))
		}
	}
}

// lookAgain makes sure that nothing happened while the files were copied. A
// person's order means what was there then: more may have arrived since.
func (s *sealing) lookAgain(ctx context.Context) error {
	dir, err := beneath.Open(s.room.options.Dir)
	if err != nil {
		return changedIfGone(err)
	}
	defer dir.Close()
	walker := walker{dir: dir, ignore: s.room.options.Ignore}
	seen, err := walker.walk(ctx)
	if err != nil {
		return err
	}
	// What is not listed is not waited for.
	sameOthers := s.result.Packed != nil || slices.EqualFunc(seen.others, s.upload.tree.others, sameItem)
	same := seen.sameUpload(s.upload.tree) && sameOthers && !seen.held()
	if s.upload.Forced() {
		same = seen.holds(s.upload.tree)
	}
	if !same {
		return ErrChanged
	}
	s.markRacy()
	if found := findWriters(ctx, s.room.options.Dir, s.upload.tree); len(found.paths) > 0 {
		return ErrChanged
	}
	return ctx.Err()
}

// markRacy marks the files that could be written once more with nothing to show
// for it in their identity.
func (s *sealing) markRacy() {
	now := time.Now()
	for file := range s.result.leaving() {
		file.racy = file.Kind == KindFile && now.Sub(time.Unix(0, file.original.ctime)).Abs() < racyTime
	}
}

// changedIfGone turns the error for something that is not there any more, or
// is another thing now, or is being written, into ErrChanged.
func changedIfGone(err error) error {
	for _, one := range gone {
		if errors.Is(err, one) {
			return ErrChanged
		}
	}
	return err
}
