package deposit

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"

	"ota/internal/parcel"
	"ota/internal/reason"
)

// unpack seals what is in an archive. Nothing behind the signature is read
// before that is admitted, and nothing is written that the manifest does not
// list.
func (s *sealing) unpack(ctx context.Context, one *item, left map[string]Left) error {
	source, err := s.open(one)
	if err != nil {
		return err
	}
	defer source.Close()
	refused := func(err error) error {
		return &reason.Refused{Reasons: []reason.Reason{{Path: one.path, Message: err.Error()}}}
	}
	hash := sha256.New()
	content := io.TeeReader(untilEnd{ctx, source}, hash)
	archive, err := parcel.OpenArchive(content)
	if err != nil {
		return orOfDisk(ctx, err, refused)
	}
	defer archive.Close()
	packed, err := s.room.options.Packing.Admit(archive.Manifest, archive.Signature)
	if err != nil {
		return err
	}
	if err := s.room.options.Packing.Space(packed.Manifest.Bytes(), len(packed.Manifest.Files)); err != nil {
		return err
	}
	s.result.Packed, s.result.archived = &packed, true
	s.addEntries(packed.Manifest, one)
	next := 0
	err = archive.Unpack(packed.Manifest, func(entry parcel.Entry, content io.Reader) error {
		for s.result.Files[next].Path != entry.Path {
			next++
		}
		return s.unpackFile(&s.result.Files[next], next, entry, content)
	})
	if err != nil {
		return orOfDisk(ctx, err, refused)
	}
	if _, err := io.Copy(io.Discard, content); err != nil {
		return err
	}
	for i := range s.upload.tree.items {
		if other := &s.upload.tree.items[i]; other.path == one.path {
			s.leave(one, [32]byte(hash.Sum(nil)))
		} else {
			s.leave(other, left[other.path].Sum)
		}
	}
	return s.lookAgain(ctx)
}

// orOfDisk tells what is wrong with an archive from a fault of the device.
func orOfDisk(ctx context.Context, err error, refused func(error) error) error {
	var onDisk *fs.PathError
	if ctx.Err() != nil || errors.As(err, &onDisk) {
		return err
	}
	return refused(err)
}

// untilEnd reads until ctx ends.
type untilEnd struct {
	ctx  context.Context
	from io.Reader
}

func (u untilEnd) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.from.Read(p)
}

// addEntries makes the result what an upload of the same files would be: a
// folder before what is in it.
func (s *sealing) addEntries(m *parcel.Manifest, archive *item) {
	made := map[string]bool{}
	modified := archive.id.modified()
	for _, entry := range m.Files {
		for at := range ways(entry.Path) {
			if at != entry.Path && !made[at] {
				made[at] = true
				s.result.Files = append(s.result.Files, File{Path: at, Kind: KindFolder, Mode: 0o755, ModTime: modified})
			}
		}
		s.result.Files = append(s.result.Files, File{
			Path: entry.Path, Kind: kindsOf[entry.Kind], Mode: entry.Permissions(), ModTime: modified, Target: entry.Target, Whole: true,
		})
	}
	sort.SliceStable(s.result.Files, func(i, j int) bool { return s.result.Files[i].Path < s.result.Files[j].Path })
}

func (s *sealing) unpackFile(file *File, number int, entry parcel.Entry, content io.Reader) error {
	file.Copy = filepath.Join(s.result.Dir, strconv.Itoa(number))
	target, err := os.OpenFile(file.Copy, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	file.Size, err = io.CopyBuffer(struct{ io.Writer }{target}, content, s.buffer)
	file.Sum = entry.Sum() // the archive compares it
	return errors.Join(err, target.Close(), os.Chtimes(file.Copy, file.ModTime, file.ModTime))
}
