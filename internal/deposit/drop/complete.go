package drop

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sort"
	"time"

	"ota/internal/kit/durable"
	"ota/internal/kit/escape"
	"ota/internal/kit/hint"
)

var (
	errMoving = hint.With(errors.New("the files of this upload are being put into deposit/"), "complete it")
	errHeld   = hint.With(errors.New("deposit/ is held: somebody else's .hold is there"), "remove deposit/.hold, then complete the upload again")
)

// CompleteDrop puts the files of a drop into deposit/ and says that the upload
// is complete. It returns how many there are. The error is an *Unknown, or says
// what is not there yet, or what is in the way. It may be called again.
func (r *Room) CompleteDrop(id string) (files int, err error) {
	defer r.options.Changed()
	if err := r.load(); err != nil {
		return 0, err
	}
	r.placing.Lock()
	defer r.placing.Unlock()
	b, err := r.close(id)
	if err != nil {
		return 0, err
	}
	files = len(b.files)
	if b.state == open {
		if err := r.begin(b); err != nil {
			return 0, err
		}
	}
	if b.state == moving {
		if err := r.carry(b); err != nil {
			return 0, fmt.Errorf("cannot put the upload into deposit: %w", err)
		}
	}
	if err := r.finish(b); err != nil {
		return 0, fmt.Errorf("cannot put the upload into deposit: %w", err)
	}
	return files, nil
}

// at is where a test ends a completion.
func (r *Room) at(step string) error {
	if r.step == nil {
		return nil
	}
	return r.step(step)
}

// close finds a drop that is whole. As only who holds placing completes one, and
// a whole one takes no more files but in the place of others, nothing is open in
// what is returned until its state is told.
func (r *Room) close(id string) (*box, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	b := r.boxes[id]
	if b == nil || b.kind != many {
		return nil, &Unknown{id}
	}
	if b.state == open {
		return b, b.whole()
	}
	return b, nil
}

// begin makes sure that nothing is in the way, and writes down, before the first
// file is moved, that all will be.
func (r *Room) begin(b *box) error {
	r.mutex.Lock()
	err := b.whole()
	paths := make([]string, len(b.files))
	for i, one := range b.files {
		paths[i] = one.path
	}
	if err == nil {
		b.state = moving // nobody changes it any more
	}
	r.mutex.Unlock()
	if err != nil {
		return err
	}
	err = r.tryBegin(b, paths)
	if err != nil {
		r.setState(b, open)
	}
	return err
}

func (r *Room) tryBegin(b *box, paths []string) error {
	slices.Sort(paths)
	if err := errors.Join(r.obstacles(paths), among(paths)); err != nil {
		return err
	}
	hold, err := openHold(r.options.Deposit, b.id)
	if err != nil {
		return err
	}
	defer hold.close()
	if whose, err := hold.whose(); err != nil || whose == others {
		return errors.Join(err, held(whose))
	}
	disk, err := durable.OpenFS(b.dir)
	if err != nil {
		return err
	}
	defer disk.Close()
	if err := disk.Sync(); err != nil {
		return err
	}
	if err := r.at("synced"); err != nil {
		return err
	}
	err = b.write(moving, durable.WriteFile)
	if err == nil {
		err = hold.put()
	}
	if err != nil { // nothing was moved
		err = errors.Join(err, b.write(open, durable.WriteFile))
	}
	return err
}

// carry moves what is not moved yet. If .hold is gone in between, or was
// exchanged, its owner wanted that.
func (r *Room) carry(b *box) error {
	hold, err := openHold(r.options.Deposit, b.id)
	if err != nil {
		return err
	}
	defer hold.close()
	if err := r.at("held"); err != nil {
		return err
	}
	p, err := r.openPlace(b.dir)
	if err != nil {
		return err
	}
	defer p.close()
	left, err := p.left(b.files)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		if err := hold.put(); err != nil && !errors.Is(err, errHeld) {
			return err
		}
	}
	sort.Slice(left, func(i, j int) bool { return left[i].path < left[j].path })
	for _, one := range left {
		if err := r.at("moving " + one.path); err != nil {
			return err
		}
		if err := p.put(one); err != nil {
			return err
		}
	}
	if err := p.disk.Sync(); err != nil {
		return err
	}
	if err := r.at("moved"); err != nil {
		return err
	}
	if err := b.write(moved, durable.WriteFile); err != nil {
		return err
	}
	r.setState(b, moved)
	return nil
}

// finish says that the upload is complete, by the removal of .hold, once.
func (r *Room) finish(b *box) error {
	hold, err := openHold(r.options.Deposit, b.id)
	if err != nil {
		return err
	}
	defer hold.close()
	if err := r.at("complete"); err != nil {
		return err
	}
	if err := hold.take(); err != nil {
		return err
	}
	if err := r.at("told"); err != nil {
		return err
	}
	r.forget(b)
	if err := removeBox(b.dir); err != nil {
		r.options.Log.Warn("what is left of a complete upload can't be removed", "error", err)
	}
	return nil
}

func (r *Room) setState(b *box, to state) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	b.state, b.touched = to, time.Now()
}

// forget takes a box out.
func (r *Room) forget(b *box) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	delete(r.boxes, b.id)
	for _, one := range b.files {
		delete(r.arrivals, one.id)
	}
}

// CancelDrop removes what has come of a drop.
func (r *Room) CancelDrop(id string) error {
	if err := r.load(); err != nil {
		return err
	}
	r.mutex.Lock()
	b := r.boxes[id]
	r.mutex.Unlock()
	if b == nil || b.kind != many {
		return &Unknown{id}
	}
	return r.cancel(b)
}

// cancel removes a box. What is in deposit/ in part stays what it is: a part
// must not become complete.
func (r *Room) cancel(b *box) error {
	defer r.options.Changed()
	r.placing.Lock()
	defer r.placing.Unlock()
	if b.state != open {
		return errMoving
	}
	r.forget(b)
	if err := removeBox(b.dir); err != nil {
		return fmt.Errorf("cannot remove an unfinished upload: %w", err)
	}
	return nil
}

// placeSingle puts a whole file that is in no drop into deposit/.
func (r *Room) placeSingle(b *box) error {
	defer r.options.Changed()
	r.placing.Lock()
	defer r.placing.Unlock()
	r.mutex.Lock()
	one := b.files[0]
	known := r.boxes[b.id] == b && one.whole() && one.writer == nil
	r.mutex.Unlock()
	if !known {
		return nil
	}
	p, err := r.openPlace(b.dir)
	if err == nil {
		defer p.close()
		err = p.put(one)
	}
	if err != nil {
		return fmt.Errorf("cannot put %s into deposit: %w", escape.Name(one.path), err)
	}
	r.forget(b)
	r.mutex.Lock()
	r.done.add(one)
	r.mutex.Unlock()
	return removeBox(b.dir)
}

func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
