package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"ota/internal/api"
	"ota/internal/kit/beneath"
	"ota/internal/kit/copysum"
	"ota/internal/kit/durable"
	"ota/internal/release"
)

// inspection is one look at everything that the releases of a folder consist
// of.
type inspection struct {
	place    folder
	releases *release.Room
	main     *beneath.Tree          // nil: there is none
	current  map[release.Sum]bool   // the contents of the current release
	right    map[release.Sum]string // where main/ has them
	adopted  map[release.Sum]bool   // of adopted releases: whether it was only ever in main/; nil: not read yet
	found    api.Verification
	looked   func() // after each file
}

// Verify reads everything that the releases of a folder consist of, whether an
// ota looks after it or not. What is damaged or missing is put right from main/
// where the copy there is. It also compares main/ with the current release,
// and changes nothing there. It calls looked after each file that it has read.
func Verify(ctx context.Context, dir string, looked func()) (api.Verification, error) {
	place, releases, err := offline(dir)
	if err != nil {
		return api.Verification{}, err
	}
	i := &inspection{
		place: place, releases: releases, looked: looked,
		current: map[release.Sum]bool{}, right: map[release.Sum]string{},
	}
	if main, err := beneath.Open(place.main()); err == nil {
		defer main.Close()
		i.main = main
	}
	if err := i.compareMain(ctx); err != nil {
		return i.found, err
	}
	var damages []release.Damage
	i.found.Contents, err = releases.Verify(ctx, looked, func(d release.Damage) { damages = append(damages, d) })
	if err != nil || len(damages) == 0 {
		return i.found, err
	}
	return i.found, i.putRight(ctx, damages)
}

// compareMain names what is not in main/ as the current release has it.
func (i *inspection) compareMain(ctx context.Context) error {
	tree, err := i.releases.Tree(i.releases.Current())
	if err != nil {
		return nil // what is wrong with the record is found by who reads all
	}
	// So is a damaged listing.
	_ = tree.Walk(func(at string, entry release.Entry) error {
		if entry.Kind == release.File {
			i.current[entry.Sum] = true
		}
		message, err := i.compare(ctx, at, entry)
		i.looked()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, beneath.ErrInTheWay):
			i.found.Missing = append(i.found.Missing, api.Path(at))
		case err != nil:
			i.found.Edited = append(i.found.Edited, api.Difference{Path: api.Path(at), Message: "it can't be read: " + err.Error()})
		case message != "":
			i.found.Edited = append(i.found.Edited, api.Difference{Path: api.Path(at), Message: message})
		}
		return nil
	})
	return ctx.Err()
}

// compare says in what a path of main/ differs from an entry.
func (i *inspection) compare(ctx context.Context, at string, entry release.Entry) (string, error) {
	if i.main == nil {
		return "", fs.ErrNotExist
	}
	dir, name, err := i.main.Parent(at)
	if err != nil {
		return "", err
	}
	info, err := dir.Lstat(name)
	if err != nil {
		return "", err
	}
	switch entry.Kind {
	case release.Folder:
		if !info.IsDir() {
			return "it is no folder any more", nil
		}
		return "", nil
	case release.Link:
		if target, err := dir.Readlink(name); err != nil || target != string(entry.Target) {
			return "it is another link", nil
		}
		return "", nil
	}
	if !info.Mode().IsRegular() {
		return "it is no file any more", nil
	}
	return i.compareFile(ctx, at, info, entry)
}

func (i *inspection) compareFile(ctx context.Context, at string, info fs.FileInfo, entry release.Entry) (string, error) {
	file, err := openPlain(i.main, at)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum, err := copysum.Of(ctx, file)
	switch {
	case err != nil:
		return "", err
	case sum != entry.Sum && i.isTorn(file, entry.Sum):
		return "it looks cut off: it begins as recorded, and ends early or in zeros", nil
	case sum != entry.Sum:
		return "its content is another one", nil
	}
	i.right[sum] = at
	if mode := info.Mode().Perm(); mode != fs.FileMode(entry.Mode) {
		return fmt.Sprintf("its mode is %04o, not %04o", mode, entry.Mode), nil
	}
	return "", nil
}

// isTorn reports whether a file has the beginning of a content, and then
// nothing or zeros: what a power cut leaves of a file that was not synced.
func (i *inspection) isTorn(found *os.File, sum release.Sum) bool {
	whole, err := os.Open(i.releases.Store().Path(sum))
	if err != nil {
		return false
	}
	defer whole.Close()
	if _, err := found.Seek(0, io.SeekStart); err != nil {
		return false
	}
	return torn(bufio.NewReader(found), bufio.NewReader(whole))
}

func torn(found, whole io.ByteReader) bool {
	for {
		is, ended := found.ReadByte()
		was, wholeEnded := whole.ReadByte()
		if ended != nil {
			return wholeEnded == nil
		}
		if wholeEnded == nil && is == was {
			continue
		}
		for ended == nil && is == 0 {
			is, ended = found.ReadByte()
		}
		return ended != nil
	}
}

// putRight copies what it can from main/ into the store, for good, and names
// the rest.
func (i *inspection) putRight(ctx context.Context, damages []release.Damage) error {
	disk, err := durable.OpenFS(i.place.own())
	if err != nil {
		return err
	}
	defer disk.Close()
	for _, damage := range damages {
		if err := i.judge(ctx, damage); err != nil {
			return err
		}
	}
	if len(i.found.Healed) == 0 {
		return nil
	}
	return disk.Sync()
}

func (i *inspection) judge(ctx context.Context, damage release.Damage) error {
	flaw, sum := flawOf(damage), damage.Entry.Sum
	if damage.Entry.Kind == release.File && errors.Is(damage.Err, fs.ErrNotExist) && i.wasOnlyInMain(sum) {
		// What the current release lacks in main/ has been named there.
		if !i.current[sum] {
			i.found.Gone = append(i.found.Gone, flaw)
		}
		return nil
	}
	if !i.isStill(ctx, damage) {
		return ctx.Err()
	}
	at, isRight := i.right[sum]
	if damage.Entry.Kind != release.File || !isRight {
		i.found.Damaged = append(i.found.Damaged, flaw)
		return nil
	}
	healed, err := i.heal(ctx, sum, at)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case healed:
		i.found.Healed = append(i.found.Healed, flaw)
	default:
		if err != nil {
			flaw.Message += "; main/ has a copy, but " + err.Error()
		}
		i.found.Damaged = append(i.found.Damaged, flaw)
	}
	return nil
}

// isStill looks again: while an ota runs, a release may be dropped, or a
// content come in, between two looks.
func (i *inspection) isStill(ctx context.Context, damage release.Damage) bool {
	_, err := i.releases.Record(damage.Release)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	return damage.Entry.Kind != release.File || i.releases.Store().Check(ctx, damage.Entry.Sum) != nil
}

func (i *inspection) heal(ctx context.Context, sum release.Sum, at string) (bool, error) {
	if err := i.place.ours(); err != nil {
		return false, err
	}
	source, err := openPlain(i.main, at)
	if err != nil {
		return false, err
	}
	defer source.Close()
	return i.releases.Store().Heal(ctx, sum, source)
}

// wasOnlyInMain reports whether a content never had to be in the store: it was
// adopted in main/, and there it has stayed, or was changed by somebody else.
func (i *inspection) wasOnlyInMain(sum release.Sum) bool {
	if i.adopted == nil {
		i.adopted = map[release.Sum]bool{}
		i.readAdopted()
	}
	return i.adopted[sum]
}

func (i *inspection) readAdopted() {
	// A damaged record or listing is named by who reads all; what the others
	// tell is used.
	records, _ := i.releases.History()
	stored := storedPaths(records)
	for _, record := range records {
		if record.Origin != release.FromMain {
			continue
		}
		_ = i.releases.Store().Tree(record.Digest).Walk(func(at string, entry release.Entry) error {
			before, known := i.adopted[entry.Sum]
			i.adopted[entry.Sum] = (before || !known) && !stored[release.Name(at)]
			return nil
		})
	}
}

// storedPaths are the paths at which what was adopted went into the store, when
// the first release that touched them replaced it. Where that found something
// else there, it kept that instead.
func storedPaths(records []release.Record) map[release.Name]bool {
	stored := map[release.Name]bool{}
	for _, record := range slices.Backward(records) { // oldest first
		if record.Origin == release.FromMain {
			continue
		}
		kept := map[release.Name]bool{}
		for _, one := range record.Kept {
			kept[one.Path] = true
		}
		for _, file := range record.Files {
			if _, known := stored[file.Path]; !known {
				stored[file.Path] = !kept[file.Path]
			}
		}
	}
	return stored
}

func flawOf(damage release.Damage) api.Flaw {
	flaw := api.Flaw{Release: damage.Release, File: api.Path(damage.File), Message: damage.Err.Error()}
	if damage.Path != "" {
		flaw.Path = new(api.Path(damage.Path))
	}
	damaged, isDamaged := errors.AsType[*release.Damaged](damage.Err)
	switch {
	case isDamaged:
		flaw.File = api.Path(damaged.File)
		flaw.Message = "its content does not have the SHA-256 of its name"
	case damage.Entry.Kind == release.File && errors.Is(damage.Err, fs.ErrNotExist):
		flaw.Message = "it is missing"
	}
	return flaw
}
