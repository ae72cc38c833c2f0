package release

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"ota/internal/kit/durable"
)

// Limits say how much of the past is kept.
type Limits struct {
	Keep     int   // of the last releases, besides those that are never dropped
	MaxBytes int64 // of the store; 0: no limit
}

// sweepAfter is how many releases are dropped before the store is swept: that
// reads every listing there is, while dropping one costs two names.
const sweepAfter = 5

// Prune drops the releases that the limits don't keep, and from time to time
// the contents that no release needs. The current release, the one that a
// rollback goes to and pinned ones are never dropped. It must not be called
// while a release is being made: its contents are in no record yet. It returns
// the numbers of what was dropped.
func (r *Room) Prune(limits Limits) (dropped []int, err error) {
	r.writing.Lock()
	defer r.writing.Unlock()
	numbers, err := r.numbers()
	if err != nil {
		return nil, fmt.Errorf("cannot drop old releases: %w", err)
	}
	droppable, err := r.droppable(numbers)
	if err != nil {
		return nil, fmt.Errorf("cannot drop old releases: %w", err)
	}
	recent := numbers[max(0, len(numbers)-max(limits.Keep, 1)):]
	for _, number := range droppable {
		if !slices.Contains(recent, number) {
			dropped = append(dropped, number)
		}
	}
	if err := r.drop(dropped); err != nil {
		return dropped, err
	}
	if r.now().Unswept < sweepAfter && limits.MaxBytes == 0 {
		return dropped, nil
	}
	more, err := r.sweepTo(limits.MaxBytes, slices.DeleteFunc(droppable, func(number int) bool {
		return slices.Contains(dropped, number)
	}))
	return append(dropped, more...), err
}

// droppable lists the releases that may be dropped, oldest first.
func (r *Room) droppable(numbers []int) ([]int, error) {
	current := r.now().Current
	before, err := r.Before(current)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(numbers), func(number int) bool {
		record, err := r.Record(number)
		return number == current || number == before || err == nil && record.Pinned || IsPassing(err)
	}), nil
}

// drop removes the records, without a sync. That they are, is not written down
// by itself: should it be forgotten, the store is swept a little later.
func (r *Room) drop(numbers []int) error {
	if len(numbers) == 0 {
		return nil
	}
	defer r.revision.Add(1)
	for _, number := range numbers {
		for _, path := range []string{r.recordPath(number), r.evidencePath(number)} {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("cannot drop release %d: %w", number, err)
			}
		}
	}
	r.countUnswept(r.now().Unswept + len(numbers))
	return nil
}

// countUnswept is written down with the next release.
func (r *Room) countUnswept(count int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.state.Unswept = count
}

// sweepTo sweeps the store, and drops the oldest releases until it is no larger
// than most (0: no limit).
func (r *Room) sweepTo(most int64, droppable []int) (dropped []int, err error) {
	for {
		size, err := r.sweep()
		if err != nil || most == 0 || size <= most || len(droppable) == 0 {
			return dropped, err
		}
		oldest := droppable[:1]
		droppable = droppable[1:]
		if err := r.drop(oldest); err != nil {
			return dropped, err
		}
		dropped = append(dropped, oldest...)
	}
}

// sweep removes the contents that no release needs and returns the size of the
// others. It removes nothing if it can't read what a release needs, and nothing
// before the records that needed it are gone for good: no power cut brings back
// one whose contents are not there.
func (r *Room) sweep() (size int64, err error) {
	if err := r.pruneAside(); err != nil {
		return 0, fmt.Errorf("cannot tell what is kept aside for which release: %w", err)
	}
	needed, err := r.needed()
	if err != nil {
		return 0, fmt.Errorf("cannot tell which contents are needed, so none is dropped: %w", err)
	}
	if err := durable.SyncDir(filepath.Dir(r.recordPath(1))); err != nil {
		return 0, err
	}
	err = filepath.WalkDir(r.store.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		var sum Sum
		if sum.UnmarshalText([]byte(sumPrefix+entry.Name())) == nil && needed[sum] {
			info, err := entry.Info()
			if err == nil {
				size += info.Size()
			}
			return err
		}
		return os.Remove(path)
	})
	if err != nil {
		return size, fmt.Errorf("cannot drop contents that no release needs: %w", err)
	}
	r.countUnswept(0)
	return size, nil
}

// needed collects the sums of all contents and listings of all releases.
func (r *Room) needed() (map[Sum]bool, error) {
	needed := map[Sum]bool{}
	returned, err := r.Returned()
	if err != nil {
		return nil, err
	}
	for _, file := range returned.Files {
		needed[file.Entry.Sum] = true
	}
	records, err := r.History()
	if err != nil {
		return nil, err
	}
	for _, record := range records {
		if err := r.store.mark(record.Digest, needed); err != nil {
			return nil, fmt.Errorf("release %d: %w", record.Number, err)
		}
	}
	aside, err := r.Aside()
	if err != nil {
		return nil, err
	}
	for _, all := range aside {
		for _, stood := range all {
			needed[stood.Was.Sum] = true
		}
	}
	return needed, nil
}

// mark adds a listing and all below it; what was marked before is not read
// again.
func (s *Store) mark(listing Sum, needed map[Sum]bool) error {
	if needed[listing] {
		return nil
	}
	data, err := s.get(listing)
	if err != nil {
		return err
	}
	entries, err := decodeListing(data)
	if err != nil {
		return err
	}
	needed[listing] = true
	for _, entry := range entries {
		if entry.Kind != Folder {
			needed[entry.Sum] = true
		} else if err := s.mark(entry.Sum, needed); err != nil {
			return err
		}
	}
	return nil
}
