package durable

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// SyncDir makes the names in a folder survive a power cut.
func SyncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("cannot sync folder %s: %w", path, err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("cannot sync folder %s: %w", path, err)
	}
	return nil
}

// FS is a file system that is going to be synced. It is opened before anything
// is written, because syncfs(2) reports the write errors since the descriptor
// was opened (Linux 5.8; before that, none).
type FS struct {
	dir *os.File
}

// OpenFS opens the file system that holds the folder at path.
func OpenFS(path string) (*FS, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open folder %s to sync its file system: %w", path, err)
	}
	return &FS{dir}, nil
}

// Sync writes everything on the file system to the disk. After an error what
// was written since OpenFS must be taken for lost: the kernel reports it once
// and drops the pages.
func (f *FS) Sync() error {
	if err := syncFS(f.dir); err != nil {
		return fmt.Errorf("cannot sync the file system of %s: %w", f.dir.Name(), err)
	}
	return nil
}

// Close ends the use of f.
func (f *FS) Close() error { return f.dir.Close() }

// Same reports whether f and other are one file system.
func (f *FS) Same(other *FS) bool {
	var a, b unix.Stat_t
	if unix.Fstat(int(f.dir.Fd()), &a) != nil || unix.Fstat(int(other.dir.Fd()), &b) != nil {
		return false
	}
	return a.Dev == b.Dev
}
