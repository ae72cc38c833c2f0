package drop

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"time"

	"ota/internal/kit/escape"
)

// kind is what a box holds.
type kind string

const (
	many   kind = "drop"
	single kind = "file" // one that belongs to no drop
)

// state is how far a box has come.
type state string

const (
	open   state = "open"   // files arrive
	moving state = "moving" // they are being put into deposit/
	moved  state = "moved"  // they are there
)

// record is what box.json holds.
type record struct {
	Number   int       `json:"number"` // order is by it
	Kind     kind      `json:"kind"`
	State    state     `json:"state"`
	Created  time.Time `json:"created"`
	Expected int       `json:"files,omitempty"`
	Bytes    int64     `json:"bytes,omitempty"`
}

// box is a folder of .ota/uploads: a drop, or a file that belongs to none.
type box struct {
	id       string
	dir      string
	number   int
	kind     kind
	state    state
	created  time.Time
	expected int
	bytes    int64
	touched  time.Time // of the last progress; monotonic

	files           []*arrival
	byPath          map[string]*arrival
	sizes, received int64
	done            int
}

func (b *box) record(state state) record {
	return record{b.number, b.kind, state, b.created, b.expected, b.bytes}
}

func (b *box) recordFile() string { return filepath.Join(b.dir, boxFile) }

// arrival is a file on its way.
type arrival struct {
	id     string
	box    *box
	path   string
	size   int64
	offset int64
	writer *writing // nil: nobody writes it
}

func (a *arrival) whole() bool      { return a.offset == a.size }
func (a *arrival) data() string     { return filepath.Join(a.box.dir, a.id) }
func (a *arrival) jsonFile() string { return a.data() + ".json" }

func (a *arrival) shown() Arrival {
	shown := Arrival{ID: a.id, Path: a.path, Size: a.size, Offset: a.offset}
	if a.box.kind == many {
		shown.Drop = a.box.id
	}
	return shown
}

func (b *box) shown() Drop {
	shown := Drop{ID: b.id, Created: b.created, Expected: b.expected, Bytes: b.bytes, Received: b.received}
	for _, one := range b.files {
		shown.Files = append(shown.Files, one.shown())
	}
	return shown
}

// add takes a file in.
func (b *box) add(a *arrival) {
	b.files = append(b.files, a)
	b.byPath[a.path] = a
	b.sizes += a.size
	b.received += a.offset
	if a.whole() {
		b.done++
	}
}

// drop takes a file out.
func (b *box) drop(a *arrival) {
	b.files = slices.DeleteFunc(b.files, func(one *arrival) bool { return one == a })
	delete(b.byPath, a.path)
	b.sizes -= a.size
	b.received -= a.offset
	if a.whole() {
		b.done--
	}
}

// progress sets how much of a file has come.
func (a *arrival) progress(offset int64) {
	was := a.whole()
	a.box.received += offset - a.offset
	a.offset = offset
	switch is := a.whole(); {
	case is && !was:
		a.box.done++
	case was && !is:
		a.box.done--
	}
	a.box.touched = time.Now()
}

// whole returns what is not there yet.
func (b *box) whole() error {
	for _, one := range b.files {
		if !one.whole() || one.writer != nil {
			return fmt.Errorf("%s is not there yet: %d of %d bytes have come", escape.Name(one.path), one.offset, one.size)
		}
	}
	if len(b.files) < b.expected {
		return fmt.Errorf("%d of %d files have not begun", b.expected-len(b.files), b.expected)
	}
	return nil
}

// toCome is how many bytes a box still takes.
func (b *box) toCome() int64 { return max(b.bytes, b.sizes) - b.received }

// ordered returns the boxes by their numbers.
func (r *Room) ordered() []*box {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	boxes := make([]*box, 0, len(r.boxes))
	for _, box := range r.boxes {
		boxes = append(boxes, box)
	}
	sort.Slice(boxes, func(i, j int) bool { return boxes[i].number < boxes[j].number })
	return boxes
}

func newID() string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // it does not fail
	return hex.EncodeToString(random[:])
}

// finished knows the last single files that have gone to deposit/, so that a
// client that has not heard of it does not send them again.
type finished struct {
	sizes map[string]Arrival
	order []string
}

const finishedKept = 256

func (f *finished) add(a *arrival) {
	if f.sizes == nil {
		f.sizes = map[string]Arrival{}
	}
	f.sizes[a.id] = a.shown()
	f.order = append(f.order, a.id)
	if len(f.order) > finishedKept {
		delete(f.sizes, f.order[0])
		f.order = slices.Delete(f.order, 0, 1)
	}
}
