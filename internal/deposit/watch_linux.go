package deposit

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"ota/internal/kit/beneath"
	"ota/internal/kit/inotify"
	"ota/internal/kit/mounts"

	"golang.org/x/sys/unix"
)

// watch has every folder of deposit/ watched, the folders in which the name
// deposit stands (and those of the links it leads through), and the table of
// mounts. Each walk adds what it meets; what the last walk did not meet is
// forgotten at its end.
type watch struct {
	options Options
	news    chan []event
	done    chan struct{}
	readers sync.WaitGroup
	inotify *inotify.Watcher // nil: there is none
	mounts  *mounts.Watcher  // nil: there is none
	warned  map[string]warned

	// Of the walk that goes on; used by its goroutine only.
	device  uint64
	types   map[int]string // of file systems, by mount
	missing int            // folders that can't be watched

	mutex  sync.Mutex // guards what follows: the reader asks, the walk changes
	walk   uint64     // number of the walk
	places map[inotify.Watch]place
}

// place is a watched folder.
type place struct {
	walk  uint64 // that last met it
	role  role
	path  string   // of a folder of the upload: below deposit/
	names []string // of a folder that leads here: the names to look for
}

// role is what a folder is watched for.
type role string

const (
	inside role = "inside" // deposit/ or a folder in it
	above  role = "above"  // has the name deposit, or one that it links through
)

type warned struct{}

const (
	insideMask = inotify.Create | inotify.Modify | inotify.Written | inotify.MovedFrom | inotify.MovedTo |
		inotify.Attrib | inotify.Delete | inotify.DeleteSelf | inotify.MoveSelf
	aboveMask = inotify.Create | inotify.MovedFrom | inotify.MovedTo | inotify.Delete
	selfMask  = inotify.DeleteSelf | inotify.MoveSelf | inotify.Unmount
	doneMask  = inotify.Written | inotify.MovedFrom | inotify.MovedTo | inotify.Delete | inotify.Lost
	goneMask  = inotify.MovedFrom | inotify.Delete
)

// mostLinks is how many symbolic links the kernel follows (path_resolution(7)).
const mostLinks = 40

func openWatch(options Options) *watch {
	w := &watch{
		options: options,
		news:    make(chan []event),
		done:    make(chan struct{}),
		warned:  map[string]warned{},
		places:  map[inotify.Watch]place{},
	}
	var err error
	if w.mounts, err = mounts.Watch(); err != nil {
		w.warn("cannot watch what is mounted", err)
	} else {
		w.readers.Go(w.readMounts)
	}
	return w
}

// begin begins a walk.
func (w *watch) begin() {
	w.openInotify()
	w.mutex.Lock()
	w.walk++
	w.mutex.Unlock()
	w.device, w.types, w.missing = 0, nil, 0
	w.watchAbove()
}

func (w *watch) openInotify() {
	if w.inotify != nil {
		return
	}
	watcher, err := inotify.Open()
	if err != nil {
		w.warn("cannot watch deposit, so it is looked into every 2 s", err, "hint", "sudo sysctl fs.inotify.max_user_instances=512")
		return
	}
	w.inotify = watcher
	w.readers.Go(func() { w.readInotify(watcher) })
}

// watchAbove watches the folders in which a rename makes deposit/ another.
func (w *watch) watchAbove() {
	at := w.options.Dir
	for range mostLinks {
		parent, name := filepath.Split(filepath.Clean(at))
		if parent == "" {
			parent = "."
		}
		if w.inotify != nil {
			w.addAbove(parent, name)
		}
		target, err := os.Readlink(at)
		if err != nil {
			return
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(parent, target)
		}
		at = target
	}
}

func (w *watch) addAbove(parent, name string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	id, err := w.inotify.AddPath(parent, aboveMask)
	if err != nil {
		w.cannotWatch(err)
		return
	}
	known := w.places[id]
	if known.walk != w.walk {
		known.names = nil
	}
	w.places[id] = place{walk: w.walk, role: above, names: append(known.names, name)}
}

// enter watches a folder that is about to be listed.
func (w *watch) enter(at string, dir *beneath.Dir, id identity) {
	folder, err := dir.OpenFile(".", unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		w.missing++
		return
	}
	defer folder.Close()
	if at == "" || id.dev != w.device {
		if at == "" {
			w.device = deviceOf(folder)
		}
		w.checkMount(folder)
	}
	if w.inotify == nil {
		w.missing++
		return
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	watch, err := w.inotify.Add(folder, insideMask)
	if err != nil {
		w.cannotWatch(err)
		return
	}
	w.places[watch] = place{walk: w.walk, role: inside, path: at}
}

// checkMount finds out whether the kernel tells of all changes on the file
// system of a folder. What can't be found out is taken for a disk.
func (w *watch) checkMount(folder *os.File) {
	if w.types == nil {
		table, err := mounts.Read()
		if err != nil {
			w.warn("cannot find out what is mounted", err)
		}
		w.types = make(map[int]string, len(table))
		for _, mount := range table {
			w.types[mount.ID] = mount.Type
		}
	}
	mount, err := mounts.Of(folder)
	if err == nil && mounts.Distant(w.types[mount]) {
		w.missing++
	}
}

func deviceOf(folder *os.File) uint64 {
	var stat unix.Stat_t
	if unix.Fstat(int(folder.Fd()), &stat) != nil {
		return 0
	}
	return stat.Dev
}

// end ends a walk that went through everything.
func (w *watch) end() cover {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for id, known := range w.places {
		if known.walk == w.walk {
			continue
		}
		delete(w.places, id)
		if err := w.inotify.Remove(id); err != nil {
			w.warn("cannot stop watching a folder", err)
		}
	}
	if w.missing > 0 {
		return unwatched
	}
	return watched
}

func (w *watch) close() {
	close(w.done)
	if w.inotify != nil {
		w.inotify.Close()
	}
	if w.mounts != nil {
		w.mounts.Close()
	}
	w.readers.Wait()
}

func (w *watch) readInotify(watcher *inotify.Watcher) {
	for {
		events, err := watcher.Read()
		if err != nil {
			return // closed: a read of events has no other way to fail
		}
		if found := w.translate(events); len(found) > 0 && !w.send(found) {
			return
		}
	}
}

func (w *watch) readMounts() {
	for w.mounts.Wait() == nil {
		// After close nobody receives, but Wait has to be called until it fails.
		w.send([]event{moved})
	}
}

func (w *watch) send(batch []event) (taken bool) {
	select {
	case w.news <- batch:
		return true
	case <-w.done:
		return false
	}
}

func (w *watch) translate(events []inotify.Event) []event {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	var found []event
	for _, one := range events {
		if what, counts := w.translateOne(one); counts {
			found = append(found, what)
		}
	}
	return found
}

func (w *watch) translateOne(one inotify.Event) (what event, counts bool) {
	known, there := w.places[one.Watch]
	switch {
	case one.Mask&inotify.Ended != 0:
		return "", false
	case there && known.role == above:
		return moved, slices.Contains(known.names, one.Name)
	case there && known.path == "" && one.Mask&selfMask != 0:
		return moved, true
	case there && known.path == "" && one.Name == HoldName && one.Mask&goneMask != 0:
		return released, true
	case there && one.Name != "" && (isIgnored(one.Name) || w.options.Ignore(join(known.path, one.Name))):
		return "", false
	case one.Mask&doneMask != 0 || one.Mask&(inotify.Create|inotify.IsFolder) == inotify.Create|inotify.IsFolder:
		return settled, true
	case one.Mask&inotify.Attrib != 0:
		return touched, true
	case one.Mask&(inotify.Create|inotify.Modify) != 0:
		return written, true
	default:
		return settled, true
	}
}

func (w *watch) cannotWatch(err error) {
	w.missing++
	if errors.Is(err, inotify.ErrTooManyWatches) {
		w.warn("cannot watch all of deposit, so it is looked into every 2 s", inotify.ErrTooManyWatches,
			"hint", "sudo sysctl fs.inotify.max_user_watches=524288")
	}
}

// warn says a thing once.
func (w *watch) warn(sentence string, err error, more ...any) {
	key := sentence + err.Error()
	if _, already := w.warned[key]; already {
		return
	}
	w.warned[key] = warned{}
	w.options.Log.Warn(sentence, append([]any{"error", err}, more...)...)
}
