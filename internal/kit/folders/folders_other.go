//go:build !linux

package folders

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

// Watcher watches folders. Watch is called by one goroutine, Run by another.
type Watcher struct {
	top      string
	notifier *fsnotify.Watcher
	watched  map[string]bool
}

const moreFiles = "leave the large ones out, in .otaignore, or: ulimit -n 10240"

// Open makes a Watcher for a tree, which watches nothing yet and has to be closed.
func Open(top string) (*Watcher, error) {
	notifier, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("cannot watch for changes: %w", err)
	}
	return &Watcher{top: top, notifier: notifier, watched: map[string]bool{}}, nil
}

// Watch watches exactly these folders from now on, paths below the top with
// slashes; "" is the top. One that has gone meanwhile is passed over.
func (w *Watcher) Watch(folders []string) error {
	now := map[string]bool{}
	for _, folder := range folders {
		path := full(w.top, folder)
		err := w.notifier.Add(path)
		switch {
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
			return tooMany(err, len(folders), moreFiles)
		case errors.Is(err, fs.ErrNotExist) && folder == "":
			return fmt.Errorf("%s: %w", w.top, ErrGone)
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return fmt.Errorf("cannot watch folder %s: %w", path, err)
		}
		now[path] = true
	}
	for path := range w.watched {
		if !now[path] {
			// What has gone is watched no more anyhow.
			_ = w.notifier.Remove(path)
		}
	}
	w.watched = now
	return nil
}

// Run tells of what happens, in order, until Close.
func (w *Watcher) Run(tell func(Change)) error {
	for {
		select {
		case event, open := <-w.notifier.Events:
			if !open {
				return nil
			}
			below, err := filepath.Rel(w.top, event.Name)
			if err != nil || below == "." {
				tell(Change{})
				continue
			}
			info, err := os.Lstat(event.Name)
			tell(change("", filepath.ToSlash(below), err == nil && info.IsDir()))
		case _, open := <-w.notifier.Errors:
			if !open {
				return nil
			}
			tell(Change{}) // events may be lost
		}
	}
}

// Close ends Run.
func (w *Watcher) Close() error { return w.notifier.Close() }
