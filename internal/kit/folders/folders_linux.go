package folders

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"ota/internal/kit/inotify"
)

// Watcher watches folders. Watch is called by one goroutine, Run by another.
type Watcher struct {
	top     string
	inotify *inotify.Watcher

	mutex   sync.Mutex // over watched
	watched map[inotify.Watch]string
}

// whatMatters are the events of a save: contents, names, and modes.
const whatMatters = inotify.Create | inotify.Modify | inotify.Written | inotify.MovedFrom | inotify.MovedTo |
	inotify.Attrib | inotify.Delete

const (
	moreWatches  = "leave the large ones out, in .otaignore, or: sudo sysctl fs.inotify.max_user_watches=524288"
	moreWatchers = "sudo sysctl fs.inotify.max_user_instances=512"
)

// Open makes a Watcher for a tree, which watches nothing yet and has to be closed.
func Open(top string) (*Watcher, error) {
	watcher, err := inotify.Open()
	if errors.Is(err, inotify.ErrTooManyWatchers) {
		err = tooMany(err, 1, moreWatchers)
	}
	if err != nil {
		return nil, err
	}
	return &Watcher{top: top, inotify: watcher, watched: map[inotify.Watch]string{}}, nil
}

// Watch watches exactly these folders from now on, paths below the top with
// slashes; "" is the top. One that has gone meanwhile is passed over.
func (w *Watcher) Watch(folders []string) error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	now := map[inotify.Watch]string{}
	for _, folder := range folders {
		mask := whatMatters
		if folder == "" { // of others the folder that they are in tells
			mask |= inotify.MoveSelf
		}
		watch, err := w.inotify.AddPath(full(w.top, folder), mask)
		switch {
		case errors.Is(err, inotify.ErrTooManyWatches):
			return tooMany(err, len(folders), moreWatches)
		case errors.Is(err, fs.ErrNotExist) && folder == "":
			return fmt.Errorf("%s: %w", w.top, ErrGone)
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return err
		}
		now[watch] = folder
	}
	for watch := range w.watched {
		if _, still := now[watch]; still {
			continue
		}
		if err := w.inotify.Remove(watch); err != nil {
			return err
		}
	}
	w.watched = now
	return nil
}

// Run tells of what happens, in order, until Close.
func (w *Watcher) Run(tell func(Change)) error {
	for {
		events, err := w.inotify.Read()
		if errors.Is(err, fs.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot watch for changes: %w", err)
		}
		for _, event := range events {
			if change, ok := w.changeOf(event); ok {
				tell(change)
			}
		}
	}
}

// changeOf is what an event means; ok is false for one of a folder that is not
// watched any more.
func (w *Watcher) changeOf(event inotify.Event) (what Change, ok bool) {
	if event.Mask&inotify.Lost != 0 {
		return Change{}, true
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	folder, ok := w.watched[event.Watch]
	if event.Name == "" {
		return Change{}, ok && event.Mask&(inotify.Ended|inotify.MoveSelf) != 0
	}
	return change(folder, event.Name, event.Mask&inotify.IsFolder != 0), ok
}

// Close ends Run.
func (w *Watcher) Close() error { return w.inotify.Close() }
