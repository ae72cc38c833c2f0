//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	keptInStore = 10 // ota's default
	eachRelease = 20 // files that change
)

// stored is what ota keeps after many releases.
type stored struct {
	releases int             // that were made; 0: nothing was measured
	kept     int             // that are left
	changed  int64           // bytes that those changed
	shares   map[share]taken // by what they are for
}

// share is what a part of .ota is for.
type share string

const (
	contents share = "contents"
	listings share = "listings of folders"
	records  share = "records"
	spare    share = "the reserve for a full disk"
	others   share = "everything else"
)

// taken is room on a disk.
type taken struct {
	files, folders int
	bytes, blocks  int64 // blocks: bytes in whole blocks, those of folders too
}

// measureStore makes many releases, each of which changes other files.
func (b *bench) measureStore(ctx context.Context) (err error) {
	progress("the store after %d releases", b.size.releases)
	dir, err := os.MkdirTemp(b.tools.dir, "store-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	h := newHome(b.tools.ota, dir, keptInStore)
	defer func() { err = errors.Join(err, h.stop()) }()
	if err := h.start(ctx, diskTree()); err != nil {
		return err
	}
	for n := range b.size.releases {
		one := change{files: smallNames(n, diskFiles/eachRelease, eachRelease), size: smallFile}
		if err := errors.Join(h.upload(one.version(n+1)), h.take(ctx)); err != nil {
			return err
		}
	}
	if err := wait(ctx, afterSwitch); err != nil {
		return err
	}
	b.costs.stored, err = lookAtStore(filepath.Join(dir, ".ota"))
	b.costs.stored.releases = b.size.releases
	return err
}

func lookAtStore(dir string) (stored, error) {
	found := stored{shares: map[share]taken{}}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		of := shareOf(strings.TrimPrefix(path, dir+"/"))
		if of == contents && entry.Type().IsRegular() && isListing(path) {
			of = listings
		}
		if of == records && entry.Type().IsRegular() {
			found.kept++
		}
		sum := found.shares[of]
		sum.add(info)
		found.shares[of] = sum
		return nil
	})
	if err != nil {
		return found, fmt.Errorf("cannot look at what ota keeps: %w", err)
	}
	found.changed = int64(found.kept * eachRelease * smallFile)
	return found, nil
}

func (t *taken) add(info fs.FileInfo) {
	if system, ok := info.Sys().(*syscall.Stat_t); ok {
		t.blocks += system.Blocks * 512
	}
	if info.IsDir() {
		t.folders++
		return
	}
	t.files++
	t.bytes += info.Size()
}

func shareOf(path string) share {
	first, _, _ := strings.Cut(path, "/")
	switch first {
	case "store":
		return contents
	case "releases":
		return records
	case "reserve":
		return spare
	default:
		return others
	}
}

// isListing tells the listing of a folder from the contents that this bench
// makes.
func isListing(path string) bool {
	text, err := os.ReadFile(path)
	return err == nil && bytes.HasPrefix(text, []byte(`{"name":`))
}
