package release

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// Damage is something that a release needs and that is not as it was.
type Damage struct {
	Release int    // the newest that needs it
	Path    string // in that release; empty: the whole of it
	Entry   Entry  // zero: it is a record or a listing
	File    string // in .ota
	Err     error  // what is wrong: fs.ErrNotExist, *Damaged, or the system's error
}

// Verify reads everything that the releases consist of and reports what is
// missing or damaged, each content once. It changes nothing. What was only
// ever in main/, of an adopted release, is missing here. It returns how many
// contents it looked at, and an error only if it could not go on. It calls
// looked after each of them.
func (r *Room) Verify(ctx context.Context, looked func(), report func(Damage)) (contents int, err error) {
	numbers, err := r.numbers()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("cannot list the releases: %w", err)
	}
	seen := map[Sum]bool{}
	look := func(number int, at string, entry Entry) {
		if seen[entry.Sum] || entry.Kind != File {
			return
		}
		seen[entry.Sum] = true
		contents++
		if err := r.store.Check(ctx, entry.Sum); err != nil && ctx.Err() == nil {
			report(Damage{number, at, entry, r.store.Path(entry.Sum), err})
		}
		looked()
	}
	for _, number := range slices.Backward(numbers) {
		record, err := r.Record(number)
		if errors.Is(err, fs.ErrNotExist) { // dropped meanwhile
			continue
		}
		if err != nil {
			report(Damage{Release: number, File: r.recordPath(number), Err: err})
			continue
		}
		err = r.store.Tree(record.Digest).Walk(func(at string, entry Entry) error {
			look(number, at, entry)
			return ctx.Err()
		})
		if ctx.Err() != nil {
			return contents, ctx.Err()
		}
		if err != nil {
			report(Damage{Release: number, File: r.store.Path(record.Digest), Err: err})
		}
	}
	aside, err := r.Aside()
	if err != nil {
		return contents, err
	}
	for path, all := range aside {
		for _, stood := range all {
			look(max(stood.By, 0), string(path), stood.Was)
		}
	}
	return contents, nil
}
