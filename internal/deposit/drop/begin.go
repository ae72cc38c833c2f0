package drop

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"ota/internal/kit/durable"
	"ota/internal/kit/escape"
)

const (
	// reserve is what is left free on the file system: the program and ota
	// itself write there too.
	reserve = 16 << 20
	// small is the size up to which a file is sent again rather than kept
	// through a power cut: a sync costs a card more than it.
	small = 1 << 20
)

// NewDrop begins a drop of so many files and bytes; 0: not known. The error is a
// *NoSpace or a *Refused.
func (r *Room) NewDrop(files int, bytes int64) (Drop, error) {
	defer r.options.Changed()
	switch {
	case files < 0 || bytes < 0 || bytes > MaxSize:
		return Drop{}, refuse("a drop of %d files and %d bytes can't be", files, bytes)
	case files > maxFiles:
		return Drop{}, refuse("a drop has at most %d files, not %d", maxFiles, files)
	}
	if err := r.prepare(); err != nil {
		return Drop{}, err
	}
	b, err := r.reserveBox(files, bytes)
	if err != nil {
		return Drop{}, err
	}
	if err = b.make(durable.WriteFile); err == nil {
		err = durable.SyncDir(r.options.Dir)
	}
	if err != nil {
		r.forget(b)
		return Drop{}, fmt.Errorf("cannot keep an upload: %w", errors.Join(err, removeBox(b.dir)))
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return b.shown(), nil
}

// NewArrival begins a file of a drop; "": of none. One of the same path in the
// same drop is replaced. The error is a *NoSpace, an *Unknown or a *Refused.
func (r *Room) NewArrival(drop, path string, size int64) (Arrival, error) {
	defer r.options.Changed()
	if err := checkPath(path); err != nil {
		return Arrival{}, err
	}
	if size < 0 || size > MaxSize {
		return Arrival{}, refuse("%s can't have %d bytes", escape.Name(path), size)
	}
	if err := r.prepare(); err != nil {
		return Arrival{}, err
	}
	if err := r.obstacles([]string{path}); err != nil {
		return Arrival{}, err
	}
	a, replaced, err := r.reserveArrival(drop, path, size)
	if err != nil {
		return Arrival{}, err
	}
	replace := durable.Replace
	if size > small {
		replace = durable.WriteFile
	}
	if replaced != nil {
		err = removeFile(replaced)
	}
	if err == nil && drop == "" {
		err = a.box.make(replace)
	}
	if err == nil {
		err = a.make(replace)
	}
	if err == nil && size > small && drop == "" {
		err = durable.SyncDir(r.options.Dir)
	}
	if err != nil {
		return Arrival{}, fmt.Errorf("cannot keep %s: %w", escape.Name(path), errors.Join(err, r.drop(a)))
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	a.writer = nil
	return a.shown(), nil
}

// make makes the folder of a box.
func (b *box) make(replace func(string, []byte, fs.FileMode) error) error {
	if err := os.Mkdir(b.dir, 0o700); err != nil {
		return err
	}
	return b.write(open, replace)
}

// make makes the files of an arrival, the data first: a record without data says
// that the data is in deposit/.
func (a *arrival) make(replace func(string, []byte, fs.FileMode) error) error {
	file, err := os.OpenFile(a.data(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return a.write(0, replace)
}

// prepare makes .ota/uploads, and the boot known for which what comes holds.
func (r *Room) prepare() error {
	if err := r.load(); err != nil {
		return err
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if len(r.boxes) > 0 {
		return nil
	}
	if err := os.MkdirAll(r.options.Dir, 0o700); err != nil {
		return fmt.Errorf("cannot keep an upload: %w", err)
	}
	if boot, err := os.ReadFile(filepath.Join(r.options.Dir, bootFile)); err == nil && string(boot) == bootText() {
		return nil
	}
	return r.noteBoot()
}

// reserveBox counts a new drop in, if it fits.
func (r *Room) reserveBox(files int, bytes int64) (*box, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	drops := 0
	for _, box := range r.boxes {
		if box.kind == many {
			drops++
		}
	}
	if drops >= maxDrops {
		return nil, refuse("there are %d unfinished uploads already: complete or cancel one", drops)
	}
	if err := r.fits(bytes); err != nil {
		return nil, err
	}
	b := r.newBox(many)
	b.expected, b.bytes = files, bytes
	r.boxes[b.id] = b
	return b, nil
}

func (r *Room) newBox(kind kind) *box {
	r.next++
	id := newID()
	select {
	case r.wake <- struct{}{}:
	default:
	}
	now := time.Now()
	return &box{
		id: id, dir: filepath.Join(r.options.Dir, id), number: r.next, kind: kind, state: open,
		created: now.Round(0), touched: now, byPath: map[string]*arrival{},
	}
}

// reserveArrival counts a new file in, if it fits, in the place of one with the
// same path. Nobody may write it until its writer is nil.
func (r *Room) reserveArrival(drop, path string, size int64) (a, replaced *arrival, err error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if len(r.arrivals) >= maxArrivals {
		return nil, nil, refuse("there are %d unfinished files already", len(r.arrivals))
	}
	b := r.boxes[drop]
	switch {
	case drop == "":
		if b, err = r.singleBox(size); err != nil {
			return nil, nil, err
		}
	case b == nil || b.kind != many:
		return nil, nil, &Unknown{drop}
	default:
		replaced = b.byPath[path]
		if err := r.takes(b, size, replaced); err != nil {
			return nil, nil, err
		}
	}
	if replaced != nil {
		b.drop(replaced)
		delete(r.arrivals, replaced.id)
	}
	a = &arrival{id: newID(), box: b, path: path, size: size, writer: &writing{}}
	b.add(a)
	b.touched = time.Now()
	r.boxes[b.id], r.arrivals[a.id] = b, a
	return a, replaced, nil
}

func (r *Room) singleBox(size int64) (*box, error) {
	singles := 0
	for _, box := range r.boxes {
		if box.kind == single {
			singles++
		}
	}
	if singles >= maxFiles {
		return nil, refuse("there are %d unfinished files already", singles)
	}
	if err := r.fits(size); err != nil {
		return nil, err
	}
	return r.newBox(single), nil
}

// takes says whether a drop takes a file in the place of another (or of none).
func (r *Room) takes(b *box, size int64, replaced *arrival) error {
	files, sizes := len(b.files)+1, b.sizes+size
	if replaced != nil {
		files, sizes = files-1, sizes-replaced.size
	}
	switch {
	case b.state != open:
		return errMoving
	case files > maxFiles || b.expected > 0 && files > b.expected:
		return refuse("the drop has %d files already, which is what it may have", len(b.files))
	case b.bytes > 0 && sizes > b.bytes:
		return refuse("the files have %d bytes, and %d were announced", sizes, b.bytes)
	}
	return r.fits(max(b.bytes, sizes) - max(b.bytes, b.sizes))
}

// fits says whether there is room for more beside all that is still to come. A
// file without content takes room too.
func (r *Room) fits(bytes int64) error {
	free, err := r.free(r.options.Dir)
	if err != nil {
		return fmt.Errorf("cannot look for free space: %w", err)
	}
	free -= reserve
	for _, box := range r.boxes {
		free -= box.toCome()
	}
	if bytes > free {
		return &NoSpace{max(0, bytes), max(0, free)}
	}
	return nil
}
