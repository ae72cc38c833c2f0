package release

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

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

// Open opens a content; whoever reads it checks that it has the sum.
func (s *Store) Open(sum Sum) (*os.File, error) { return os.Open(s.Path(sum)) }

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
		return nil, fmt.Errorf("cannot read a listing: %s is damaged", s.Path(sum))
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
