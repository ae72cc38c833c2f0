//go:build !linux

package deposit

import (
	"path/filepath"
	"sync"

	"github.com/fsnotify/fsnotify"

	"ota/internal/kit/beneath"
)

// watch has every folder of deposit/ watched by what the system has for it.
// Not every system tells when a file is closed; the quiet period is all there
// is here.
type watch struct {
	options  Options
	news     chan []event
	done     chan struct{}
	readers  sync.WaitGroup
	notifier *fsnotify.Watcher // nil: there is none
	missing  int               // folders that the walk could not have watched
}

func openWatch(options Options) *watch {
	w := &watch{options: options, news: make(chan []event), done: make(chan struct{})}
	notifier, err := fsnotify.NewWatcher()
	if err != nil {
		options.Log.Warn("cannot watch deposit, so it is looked into every 2 s", "error", err)
		return w
	}
	w.notifier = notifier
	w.readers.Go(w.read)
	return w
}

// begin begins a walk.
func (w *watch) begin() {
	w.missing = 0
	w.add(filepath.Dir(w.options.Dir))
}

// enter watches a folder that is about to be listed.
func (w *watch) enter(at string, _ *beneath.Dir, _ identity) {
	w.add(filepath.Join(w.options.Dir, filepath.FromSlash(at)))
}

func (w *watch) add(path string) {
	if w.notifier == nil || w.notifier.Add(path) != nil {
		w.missing++
	}
}

// end ends a walk that went through everything.
func (w *watch) end() cover {
	if w.missing > 0 {
		return unwatched
	}
	return watched
}

func (w *watch) close() {
	close(w.done)
	if w.notifier != nil {
		w.notifier.Close()
	}
	w.readers.Wait()
}

func (w *watch) read() {
	for {
		select {
		case one, open := <-w.notifier.Events:
			if !open {
				return
			}
			w.send(w.translate(one))
		case _, open := <-w.notifier.Errors:
			if !open {
				return
			}
			w.send(settled) // events may be lost
		}
	}
}

func (w *watch) translate(one fsnotify.Event) event {
	isGone := one.Has(fsnotify.Remove) || one.Has(fsnotify.Rename)
	switch {
	case one.Name == w.options.Dir:
		return moved
	case isGone && one.Name == filepath.Join(w.options.Dir, HoldName):
		return released
	case one.Has(fsnotify.Create) || one.Has(fsnotify.Write):
		return written
	case one.Op == fsnotify.Chmod:
		return touched
	default:
		return settled
	}
}

func (w *watch) send(what event) {
	select {
	case w.news <- []event{what}:
	case <-w.done:
	}
}
