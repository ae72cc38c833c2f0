package drop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"ota/internal/kit/durable"
	"ota/internal/kit/escape"
)

const (
	// syncEvery is how much of a file is written between two syncs. They are at
	// its multiples, so that a size beyond one says that all before it is synced.
	syncEvery = 8 << 20
	chunk     = 64 << 10
)

// writing is the right to write a file. Two do not have it at once.
type writing struct {
	arrival *arrival
	file    *os.File
	start   int64 // offset at the beginning
	offset  int64
	synced  int64 // offset of the last sync
}

// Arrival returns a file that has begun, also one that has just gone to
// deposit/. The error is an *Unknown, or says why a file that is whole is not
// there yet.
func (r *Room) Arrival(id string) (Arrival, error) {
	if err := r.load(); err != nil {
		return Arrival{}, err
	}
	r.mutex.Lock()
	a, shown, err := r.seek(id)
	r.mutex.Unlock()
	if err != nil || a == nil || a.box.kind == many || shown.Offset < shown.Size || a.writer != nil {
		return shown, err
	}
	return shown, r.placeSingle(a.box)
}

// seek finds a file; nil: it is in deposit/.
func (r *Room) seek(id string) (*arrival, Arrival, error) {
	if a := r.arrivals[id]; a != nil {
		return a, a.shown(), nil
	}
	if shown, ok := r.done.sizes[id]; ok {
		return nil, shown, nil
	}
	return nil, Arrival{}, &Unknown{id}
}

// Append adds to a file at its offset, and returns the new one: what was read
// before an error of the reader is kept. A file that is whole and in no drop
// goes to deposit/. The error is an *Unknown, ErrBusy, a *WrongOffset,
// ErrTooMuch, the reader's or the system's.
func (r *Room) Append(ctx context.Context, id string, offset int64, from io.Reader) (int64, error) {
	w, at, err := r.beginWriting(id, offset)
	if err != nil || w == nil {
		return at, err
	}
	err = w.copy(from, func() error { return errors.Join(ctx.Err(), r.note(w)) })
	if endErr := w.end(); endErr != nil {
		err = errors.Join(fmt.Errorf("cannot write %s: %w", escape.Name(w.arrival.path), endErr), err)
	}
	whole, ended := r.endWriting(w)
	if ended != nil {
		return w.offset, ended
	}
	if whole && w.arrival.box.kind == single && !errors.Is(err, ErrTooMuch) {
		err = errors.Join(err, r.placeSingle(w.arrival.box))
	}
	return w.offset, err
}

// beginWriting returns nil for a file that is in deposit/ already.
func (r *Room) beginWriting(id string, offset int64) (*writing, int64, error) {
	if err := r.load(); err != nil {
		return nil, 0, err
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	a, shown, err := r.seek(id)
	switch {
	case err != nil:
		return nil, 0, err
	case offset != shown.Offset:
		return nil, shown.Offset, &WrongOffset{shown.Offset}
	case a == nil:
		return nil, shown.Offset, nil
	case a.writer != nil:
		return nil, shown.Offset, ErrBusy
	case a.box.state != open:
		return nil, shown.Offset, errMoving
	}
	a.writer = &writing{arrival: a, start: offset, offset: offset, synced: offset}
	return a.writer, offset, nil
}

// note tells how far a file has come, and whether it is still wanted.
func (r *Room) note(w *writing) error {
	defer r.options.Changed()
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.arrivals[w.arrival.id] != w.arrival {
		return &Unknown{w.arrival.id}
	}
	w.arrival.progress(w.offset)
	return nil
}

// endWriting lets others write, and reports whether the file is whole. The error
// is an *Unknown if it was cancelled meanwhile.
func (r *Room) endWriting(w *writing) (whole bool, err error) {
	defer r.options.Changed()
	r.mutex.Lock()
	defer r.mutex.Unlock()
	w.arrival.writer = nil
	if r.arrivals[w.arrival.id] != w.arrival {
		return false, &Unknown{w.arrival.id}
	}
	w.arrival.progress(w.offset)
	return w.arrival.whole(), nil
}

// copy writes what the reader has. What was written of a piece that is too long
// is taken back.
func (w *writing) copy(from io.Reader, note func() error) error {
	var err error
	if w.file, err = os.OpenFile(w.arrival.data(), os.O_WRONLY, 0); err != nil {
		w.file = nil
		return errors.Join(err, note()) // it may be cancelled
	}
	if err := w.file.Truncate(w.offset); err != nil {
		return err
	}
	if _, err := w.file.Seek(w.offset, io.SeekStart); err != nil {
		return err
	}
	buffer := make([]byte, min(chunk, w.arrival.size-w.offset+1))
	for {
		// One more byte than there may be: nothing else tells that there are more.
		room := min(w.arrival.size-w.offset+1, syncEvery-w.offset%syncEvery)
		n, readErr := from.Read(buffer[:min(int64(len(buffer)), room)])
		if w.offset+int64(n) > w.arrival.size {
			w.offset = w.start
			return errors.Join(ErrTooMuch, w.file.Truncate(w.offset), note())
		}
		if err := w.write(buffer[:n]); err != nil {
			return errors.Join(fmt.Errorf("cannot write %s: %w", escape.Name(w.arrival.path), err), note())
		}
		if err := note(); err != nil {
			return err
		}
		if readErr == io.EOF {
			return nil
		}
		if readErr != nil {
			return readErr
		}
	}
}

func (w *writing) write(piece []byte) error {
	n, err := w.file.Write(piece)
	w.offset += int64(n)
	if err != nil { // the size may say more
		return errors.Join(err, w.file.Truncate(w.offset))
	}
	if n > 0 && w.offset%syncEvery == 0 {
		return w.sync()
	}
	return nil
}

// sync makes certain what was written. What could not be synced is not counted:
// the kernel has dropped it.
func (w *writing) sync() error {
	if err := durable.SyncData(w.file); err != nil {
		w.offset = w.synced
		return errors.Join(err, w.file.Truncate(w.offset))
	}
	w.synced = w.offset
	return nil
}

// end closes the file. Where it is worth it, what has come is there after a
// power cut.
func (w *writing) end() error {
	if w.file == nil {
		return nil
	}
	defer w.file.Close()
	a := w.arrival
	last := w.offset == a.size
	soonThere := a.box.kind == single && last
	switch {
	case w.offset == w.start && !last: // nothing has come
		return nil
	case soonThere:
		return w.sync()
	case a.size > small:
		if err := w.sync(); err != nil {
			return err
		}
		return a.write(w.synced, durable.ReplaceWhole)
	default:
		return nil
	}
}

// CancelArrival removes what has come of a file.
func (r *Room) CancelArrival(id string) error {
	if err := r.load(); err != nil {
		return err
	}
	r.mutex.Lock()
	a := r.arrivals[id]
	r.mutex.Unlock()
	if a == nil {
		return &Unknown{id}
	}
	return r.drop(a)
}

// drop takes a file out and removes it.
func (r *Room) drop(a *arrival) error {
	if a.box.kind == single {
		return r.cancel(a.box)
	}
	defer r.options.Changed()
	r.mutex.Lock()
	if a.box.state != open {
		r.mutex.Unlock()
		return errMoving
	}
	if r.arrivals[a.id] == a {
		delete(r.arrivals, a.id)
		a.box.drop(a)
		a.box.touched = time.Now()
	}
	r.mutex.Unlock()
	return removeFile(a)
}
