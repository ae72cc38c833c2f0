// Package durable writes the files that must be there after a power cut.
//
// In: a path and its new content. Out: the old content or the new one, never a
// part and never nothing, whatever happens in between. Never: contents of
// uploads (those are synced together, by [FS.Sync]).
//
// A rename alone is not enough: without a sync of the file the new name may
// hold an empty file, and without one of the folder the old name may be back
// (fsync(2), "does not necessarily ensure that the entry in the directory
// containing the file has also reached disk").
package durable

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// temporary ends the names under which files are written before they are
// renamed; a power cut may leave one behind, and the next write reuses it.
const temporary = ".new"

// WriteFile replaces the file at path. Two goroutines may not write the same
// path at once.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	if err := ReplaceWhole(path, data, perm); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// Replace replaces the file at path and leaves the sync to the caller, who has
// more to write and syncs it together by [FS.Sync]. Until then a power cut may
// bring back the old content, or none.
func Replace(path string, data []byte, perm fs.FileMode) error {
	next := path + temporary
	if err := os.WriteFile(next, data, perm); err != nil {
		return errors.Join(fmt.Errorf("cannot write %s: %w", path, err), removeIfThere(next))
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}

// ReplaceWhole is Replace for a file that must never be found empty or in part:
// its content is on the disk before it has the name. Which of the two contents
// a power cut leaves is decided by the caller's [FS.Sync].
func ReplaceWhole(path string, data []byte, perm fs.FileMode) error {
	next := path + temporary
	if err := writeSynced(next, data, perm); err != nil {
		return errors.Join(fmt.Errorf("cannot write %s: %w", path, err), removeIfThere(next))
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}

// ReadJSON reads the JSON file at path into v. The error says which file is
// damaged.
func ReadJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("cannot read %s: %w", path, err)
	}
	return nil
}

// Remove removes the file at path and syncs its folder. A file that is not
// there is no error.
func Remove(path string) error {
	if err := removeIfThere(path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// Overwrite writes data at the beginning of an existing file, in place, and
// syncs nothing but that. It is for a mark of less than a sector, which a disk
// writes whole or not at all, and costs one flush where a rename costs three.
func Overwrite(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(data, 0)
	if err == nil {
		err = syncData(file)
	}
	return errors.Join(err, file.Close())
}

// SyncData writes the content of an open file to the disk, so that it survives a
// power cut. After an error what was written since the last sync must be taken
// for lost: the kernel reports it once and drops the pages.
func SyncData(file *os.File) error { return syncData(file) }

func writeSynced(path string, data []byte, perm fs.FileMode) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = syncData(file)
	}
	return errors.Join(err, file.Close())
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
