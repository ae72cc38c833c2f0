package release

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"ota/internal/kit/copysum"
	"ota/internal/kit/durable"
)

// Store holds contents, each once, in files named by their SHA-256. It syncs
// nothing by itself: one sync of the file system covers all that an update put
// into it. One goroutine may write while others read.
type Store struct {
	dir string
}

// Path is where the content with this sum is or would be.
func (s *Store) Path(sum Sum) string {
	name := sum.Hex()
	return filepath.Join(s.dir, name[:2], name)
}

// Take moves the file at path, whose content has this sum, into the store. A
// content that is there already is replaced: should a power cut have damaged
// it, it is whole again.
func (s *Store) Take(path string, sum Sum) error {
	target := s.Path(sum)
	err := moveFile(path, target)
	if errors.Is(err, fs.ErrNotExist) { // most often the folder is there
		err = errors.Join(os.MkdirAll(filepath.Dir(target), 0o700), moveFile(path, target))
	}
	if err != nil {
		return fmt.Errorf("cannot store %s: %w", path, err)
	}
	return nil
}

// TakeBack is Take for a version that was in use, whose content is most often in
// the store already. If that is whole it stays, and the file at path is removed:
// reading it costs a device nothing, and a name in the store a block or two.
func (s *Store) TakeBack(path string, sum Sum) error {
	if sameContent(path, s.Path(sum)) {
		return os.Remove(path)
	}
	return s.Take(path, sum)
}

// sameContent reports whether two files can be read and hold the same.
func sameContent(a, b string) bool {
	first, err := os.Open(a)
	if err != nil {
		return false
	}
	defer first.Close()
	second, err := os.Open(b)
	if err != nil {
		return false
	}
	defer second.Close()
	have, want := make([]byte, copysum.BufferSize), make([]byte, copysum.BufferSize)
	for {
		n, err := io.ReadFull(first, have)
		m, otherErr := io.ReadFull(second, want)
		if !bytes.Equal(have[:n], want[:m]) || err != otherErr {
			return false
		}
		if err != nil {
			return err == io.EOF || err == io.ErrUnexpectedEOF
		}
	}
}

// Damaged is the error for a content that is not what its name says.
type Damaged struct {
	File string
}

// Error names the file.
func (d *Damaged) Error() string {
	return d.File + " is damaged: its content does not have the SHA-256 of its name"
}

// Check reads a content and compares it with its sum. The error is
// fs.ErrNotExist, *Damaged, ctx's or the system's.
func (s *Store) Check(ctx context.Context, sum Sum) error {
	file, err := os.Open(s.Path(sum))
	if err != nil {
		return err
	}
	defer file.Close()
	found, err := copysum.Of(ctx, file)
	if err == nil && found != sum {
		err = &Damaged{s.Path(sum)}
	}
	return err
}

// Content returns a content of at most limit bytes, checked. The error is
// fs.ErrNotExist, *Damaged, ErrTooLarge or the system's.
func (s *Store) Content(sum Sum, limit int64) ([]byte, error) {
	info, err := os.Stat(s.Path(sum))
	if err == nil && info.Size() > limit {
		err = ErrTooLarge
	}
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(s.Path(sum))
	if err == nil && Sum(sha256.Sum256(data)) != sum {
		err = &Damaged{s.Path(sum)}
	}
	return data, err
}

// ErrTooLarge is the error of Content for one above the limit.
var ErrTooLarge = errors.New("the content is too large to be shown")

// Heal puts a copy of source into the store in place of a damaged or missing
// content, if source has its sum. It reports whether it does. It syncs nothing.
func (s *Store) Heal(ctx context.Context, sum Sum, source *os.File) (bool, error) {
	place := s.Path(sum)
	if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
		return false, err
	}
	info, err := source.Stat()
	if err != nil {
		return false, err
	}
	next, err := os.OpenFile(place+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return false, err
	}
	_, found, err := copysum.Copy(ctx, next, source, make([]byte, copysum.BufferSize))
	err = errors.Join(err, next.Close(), os.Chtimes(place+".new", info.ModTime(), info.ModTime()))
	if err != nil || found != sum {
		return false, errors.Join(err, os.Remove(place+".new"))
	}
	return true, os.Rename(place+".new", place)
}

// put stores a listing.
func (s *Store) put(data []byte) (Sum, error) {
	sum := Sum(sha256.Sum256(data))
	path := s.Path(sum)
	if known, err := os.ReadFile(path); err == nil && bytes.Equal(known, data) {
		return sum, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return sum, fmt.Errorf("cannot store a listing: %w", err)
	}
	return sum, durable.Replace(path, data, 0o600)
}

// get reads a listing and checks it.
func (s *Store) get(sum Sum) ([]byte, error) {
	data, err := os.ReadFile(s.Path(sum))
	if err != nil {
		return nil, fmt.Errorf("cannot read a listing: %w", err)
	}
	if Sum(sha256.Sum256(data)) != sum {
		return nil, fmt.Errorf("cannot read a listing: %w", &Damaged{s.Path(sum)})
	}
	return data, nil
}

// moveFile renames, and copies where the two places are on different mounts.
func moveFile(from, to string) error {
	err := os.Rename(from, to)
	if !errors.Is(err, errCrossDevice) {
		return err
	}
	if err := copyFile(from, to+".new"); err != nil {
		return errors.Join(err, os.Remove(to+".new"))
	}
	if err := os.Rename(to+".new", to); err != nil {
		return err
	}
	return os.Remove(from)
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	info, err := source.Stat()
	if err != nil {
		return err
	}
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close(), os.Chtimes(to, info.ModTime(), info.ModTime()))
}
