//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	diskFiles   = 2000 // in main/, beside main.py and the large one
	smallFile   = 2000 // bytes of each
	largeFile   = 1 << 20
	largeName   = "large.bin"
	diskBlock   = 4096
	keptOnDisk  = 3  // releases, so that every update drops one
	sweepsEvery = 5  // dropped releases, says ota: so many updates hold one sweep
	perFolder   = 20 // files in one folder, unless there is a reason for more
)

// change is one kind of update: which files of main/ it replaces.
type change struct {
	name  string
	files []string
	size  int // bytes of each file
}

// bytes are those that change.
func (c change) bytes() int64 { return int64(len(c.files) * c.size) }

// blocks are those that the changed files take, in bytes.
func (c change) blocks() int64 {
	return int64(len(c.files) * ((c.size + diskBlock - 1) / diskBlock) * diskBlock)
}

// changes lists what is measured. Those of files in one folder change one
// listing; the others one for each file.
func changes() []change {
	return []change{
		{name: "1 file of 2 kB", files: smallNames(777, 1, 1), size: smallFile},
		{name: "20 files of 2 kB, in one folder", files: smallNames(0, 1, 20), size: smallFile},
		{name: "20 files of 2 kB, in 20 folders", files: smallNames(0, diskFiles/20, 20), size: smallFile},
		{name: "1 file of 1 MiB", files: []string{largeName}, size: largeFile},
		{name: "2,000 files of 2 kB, in 100 folders", files: smallNames(0, 1, diskFiles), size: smallFile},
	}
}

// smallNames lists count files, from number first on and every step.
func smallNames(first, step, count int) []string {
	names := make([]string, count)
	for i := range names {
		number := (first + i*step) % diskFiles
		names[i] = fmt.Sprintf("tree/%02d/file-%04d.txt", number/perFolder, number)
	}
	return names
}

// version is the files as they are for the nth time.
func (c change) version(n int) []file {
	line := fmt.Sprintf("version %d of a file\n", n)
	files := make([]file, len(c.files))
	for i, name := range c.files {
		text := name + "\n" + strings.Repeat(line, c.size/len(line)+1)
		files[i] = file{path: name, text: text[:c.size-1] + "\n"}
	}
	return files
}

// diskTree is what main/ holds at first.
func diskTree() []file {
	small := change{files: smallNames(0, 1, diskFiles), size: smallFile}
	large := change{files: []string{largeName}, size: largeFile}
	return append(small.version(0), large.version(0)...)
}

// written is what one kind of update makes a device write.
type written struct {
	change   change
	upload   traffic                // the upload itself
	floor    traffic                // new files beside the old ones, renamed, one sync
	copied   traffic                // all of main/ copied, and a link set to the copy
	own      map[journaling]traffic // ota, beyond the upload, a mean of several updates
	back     map[journaling]traffic // ota going back
	backward traffic                // the floor, going back
}

// measureDisk makes each kind of update on a file system of its own, with and
// without a journal.
func (b *bench) measureDisk(ctx context.Context) error {
	if b.costs.noDisk = canMount(); b.costs.noDisk != "" {
		return nil
	}
	all := make([]written, len(changes()))
	for i, one := range changes() {
		all[i] = written{change: one, own: map[journaling]traffic{}, back: map[journaling]traffic{}}
	}
	for _, kind := range []journaling{journaled, unjournaled} {
		progress("bytes on an ext4 %s", kind)
		err := b.withDisk(ctx, kind, func(d *disk) error {
			if kind == journaled {
				if err := measureByHand(ctx, d, all); err != nil {
					return err
				}
			}
			return b.measureHome(ctx, d, kind, all)
		})
		if err != nil {
			return fmt.Errorf("cannot measure what is written on an ext4 %s: %w", kind, err)
		}
	}
	b.costs.written = all
	return nil
}

func (b *bench) withDisk(ctx context.Context, kind journaling, act func(*disk) error) (err error) {
	dir, err := os.MkdirTemp(b.tools.dir, "disk-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d, err := newDisk(ctx, dir, kind)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	return act(d)
}

// measureHome has ota make every kind of update, several times.
func (b *bench) measureHome(ctx context.Context, d *disk, kind journaling, all []written) (err error) {
	h := newHome(b.tools.ota, filepath.Join(d.dir, "home"), keptOnDisk)
	defer func() { err = errors.Join(err, h.stop()) }()
	if err := h.start(ctx, diskTree()); err != nil {
		return err
	}
	version := 0
	for i := range all {
		var sum, uploaded traffic
		for n := range 1 + b.size.onDisk {
			version++
			files := all[i].change.version(version)
			upload, err := d.during(func() error { return h.upload(files) })
			if err != nil {
				return err
			}
			taken, err := d.during(func() error { return h.take(ctx) })
			if err != nil {
				return err
			}
			if n > 0 { // the first finds no old version in the store
				sum.add(taken)
				uploaded.add(upload)
			}
		}
		all[i].own[kind] = sum.over(b.size.onDisk)
		if kind == journaled {
			all[i].upload = uploaded.over(b.size.onDisk)
		}
		if all[i].back[kind], err = d.during(func() error { return h.goBack(ctx, h.newest-1) }); err != nil {
			return err
		}
	}
	return nil
}

func (t *traffic) add(other traffic) {
	t.bytes += other.bytes
	t.flushes += other.flushes
}

func (t traffic) over(count int) traffic {
	return traffic{t.bytes / int64(count), t.flushes / int64(count)}
}

// measureByHand makes the same changes in the two ways that a person would.
func measureByHand(ctx context.Context, d *disk, all []written) (err error) {
	main := filepath.Join(d.dir, "byhand")
	for _, one := range diskTree() {
		if err := one.writeAtOnce(main); err != nil {
			return err
		}
	}
	for i := range all {
		files := all[i].change.version(1)
		if all[i].floor, err = d.during(func() error { return d.replaceFiles(main, files) }); err != nil {
			return err
		}
		old := all[i].change.version(0)
		if all[i].backward, err = d.during(func() error { return d.replaceFiles(main, old) }); err != nil {
			return err
		}
		all[i].copied, err = d.during(func() error { return d.replaceFolder(ctx, main, files) })
		if err != nil {
			return err
		}
		if err := os.RemoveAll(main + ".next"); err != nil {
			return err
		}
	}
	return os.RemoveAll(main)
}

// replaceFiles is the least that survives a power cut at any moment, each file
// by itself: it is written beside its place and synced before it is renamed.
func (d *disk) replaceFiles(main string, files []file) error {
	for _, one := range files {
		if err := (file{one.path + ".new", one.text}).writeAtOnce(main); err != nil {
			return err
		}
	}
	if err := unix.Syncfs(int(d.root.Fd())); err != nil {
		return err
	}
	for _, one := range files {
		place := filepath.Join(main, one.path)
		if err := os.Rename(place+".new", place); err != nil {
			return err
		}
	}
	return nil
}

// replaceFolder is what many deployments do: a copy of everything, the changed
// files in it, and a link that names it.
func (d *disk) replaceFolder(ctx context.Context, main string, files []file) error {
	next, link := main+".next", main+".current"
	if err := command(ctx, "cp", "-a", main, next); err != nil {
		return err
	}
	for _, one := range files {
		if err := one.writeAtOnce(next); err != nil {
			return err
		}
	}
	if err := unix.Syncfs(int(d.root.Fd())); err != nil {
		return err
	}
	return errors.Join(os.Symlink(next, link+".new"), os.Rename(link+".new", link))
}
