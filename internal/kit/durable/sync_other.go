//go:build !linux

package durable

import "os"

// SyncDir does nothing here: there is no portable way, and devices run Linux.
func SyncDir(string) error { return nil }

// FS is a file system that is going to be synced.
type FS struct{}

// OpenFS opens the file system that holds the folder at path.
func OpenFS(string) (*FS, error) { return &FS{}, nil }

// Sync does nothing here: there is no portable way, and devices run Linux.
func (*FS) Sync() error { return nil }

// Close ends the use of f.
func (*FS) Close() error { return nil }

func syncData(file *os.File) error { return file.Sync() }

// Same reports that one sync serves both, as none is made.
func (*FS) Same(*FS) bool { return true }
