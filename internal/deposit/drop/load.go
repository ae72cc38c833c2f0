package drop

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ota/internal/kit/durable"
	"ota/internal/kit/proc"
)

// The names in .ota/uploads.
const (
	boxFile  = "box.json"
	bootFile = "boot"
)

// fileRecord is what FILE.json holds.
type fileRecord struct {
	Path string `json:"path"`
	Size int64  `json:"size"`
	// Synced is how much of it a power cut can't take away.
	Synced int64 `json:"synced"`
}

// load looks, once, at what an ota before this one has left.
func (r *Room) load() error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.loaded == looked {
		return nil
	}
	if err := r.find(); err != nil {
		return fmt.Errorf("cannot look for unfinished uploads: %w", err)
	}
	r.loaded = looked
	return nil
}

func (r *Room) find() error {
	entries, err := os.ReadDir(r.options.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	boot, err := os.ReadFile(filepath.Join(r.options.Dir, bootFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	certain := err == nil && string(boot) == bootText()
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		box, err := r.findBox(entry.Name(), certain)
		if err != nil { // nobody can go on with what can't be read
			r.options.Log.Warn("an unfinished upload can't be read and is given up", "upload", entry.Name(), "error", err)
			if err := removeBox(filepath.Join(r.options.Dir, entry.Name())); err != nil {
				return err
			}
			continue
		}
		r.next = max(r.next, box.number)
		r.boxes[box.id] = box
		for _, one := range box.files {
			r.arrivals[one.id] = one
		}
	}
	if certain || len(r.boxes) == 0 {
		return nil
	}
	return r.noteBoot()
}

// noteBoot writes down that what is there is as this boot has left it.
func (r *Room) noteBoot() error {
	return durable.WriteFile(filepath.Join(r.options.Dir, bootFile), []byte(bootText()), 0o600)
}

func bootText() string { return proc.BootID() + "\n" }

func (r *Room) findBox(id string, certain bool) (*box, error) {
	dir := filepath.Join(r.options.Dir, id)
	var kept record
	if err := durable.ReadJSON(filepath.Join(dir, boxFile), &kept); err != nil {
		return nil, err
	}
	if !slices.Contains([]kind{many, single}, kept.Kind) || !slices.Contains([]state{open, moving, moved}, kept.State) {
		return nil, fmt.Errorf("%s holds what is not known here", boxFile)
	}
	b := &box{
		id: id, dir: dir, number: kept.Number, kind: kept.Kind, state: kept.State, created: kept.Created,
		expected: kept.Expected, bytes: kept.Bytes, touched: time.Now(), byPath: map[string]*arrival{},
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		name, isRecord := strings.CutSuffix(entry.Name(), ".json")
		if !isRecord || entry.Name() == boxFile {
			continue
		}
		if err := b.findFile(name, certain); err != nil && b.kind == single {
			return nil, err
		} else if err != nil {
			r.options.Log.Warn("an unfinished file can't be read and is given up", "upload", id, "error", err)
		}
	}
	if b.kind == single && len(b.files) != 1 {
		return nil, errors.New("its file is missing")
	}
	return b, nil
}

// findFile takes in a file of a box. While a box is open each has its data file;
// of one that is being put into deposit/, those that have none are there.
func (b *box) findFile(id string, certain bool) error {
	one := &arrival{id: id, box: b}
	var kept fileRecord
	err := durable.ReadJSON(one.jsonFile(), &kept)
	if err == nil {
		err = checkPath(kept.Path)
	}
	if err == nil && (kept.Size < 0 || kept.Size > MaxSize) {
		err = fmt.Errorf("a file of %d bytes", kept.Size)
	}
	if err == nil && b.byPath[kept.Path] != nil {
		err = errors.New("a file that is replaced by another")
	}
	if err != nil {
		return errors.Join(err, removeFile(one))
	}
	one.path, one.size, one.offset = kept.Path, kept.Size, kept.Size
	if b.state == open {
		if one.offset, err = keepOf(one.data(), kept, certain); err != nil {
			return err
		}
	}
	b.add(one)
	return nil
}

// keepOf finds out how much of a data file there is, and cuts off what is not
// certain.
func keepOf(path string, kept fileRecord, certain bool) (int64, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	size := min(info.Size(), kept.Size)
	if !certain {
		passed := max(0, info.Size()-1) / syncEvery * syncEvery
		size = min(size, max(passed, kept.Synced))
	}
	if size == info.Size() {
		return size, nil
	}
	if err := file.Truncate(size); err != nil {
		return 0, err
	}
	return size, durable.SyncData(file)
}

// write writes down what a file is.
func (a *arrival) write(synced int64, replace func(string, []byte, fs.FileMode) error) error {
	text, err := json.Marshal(fileRecord{a.path, a.size, synced})
	if err != nil {
		return err
	}
	return replace(a.jsonFile(), append(text, '\n'), 0o600)
}

// write writes down how far a box has come.
func (b *box) write(to state, replace func(string, []byte, fs.FileMode) error) error {
	text, err := json.Marshal(b.record(to))
	if err != nil {
		return err
	}
	return replace(b.recordFile(), append(text, '\n'), 0o600)
}

// removeBox removes the folder of a box, first of all what makes it one: what a
// killed ota leaves of it is no smaller drop.
func removeBox(dir string) error {
	if err := os.Remove(filepath.Join(dir, boxFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(dir)
}

func removeFile(a *arrival) error {
	return errors.Join(removeIfThere(a.jsonFile()), removeIfThere(a.data()))
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
