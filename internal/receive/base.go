package receive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sort"
	"strings"

	"ota/internal/parcel"
	"ota/internal/release"
	"ota/internal/transfer"
)

// tree is the release in place as the store keeps it, and the manifest that came
// last beside it: most of its lines come again.
type tree struct {
	listing  transfer.Listing
	store    *release.Store
	manifest []byte
}

func (t *tree) Listing() transfer.Listing { return t.listing }

// Open opens a content in the store.
func (t *tree) Open(path string) (transfer.File, error) {
	if path == parcel.ManifestName && t.manifest != nil {
		return memory{bytes.NewReader(t.manifest)}, nil
	}
	i, there := slices.BinarySearchFunc(t.listing, path, func(entry transfer.Entry, path string) int { return strings.Compare(entry.Path, path) })
	if !there {
		return nil, fs.ErrNotExist
	}
	return os.Open(t.store.Path(release.Sum(t.listing[i].Sum)))
}

// memory is a file in memory.
type memory struct{ io.ReaderAt }

func (memory) Close() error { return nil }

// base is the tree that the device has.
func (p place) base(releases *release.Room) (*tree, error) {
	t := &tree{store: releases.Store()}
	add := func(entry transfer.Entry) { t.listing = append(t.listing, entry) }
	err := each(releases, func(at string, entry release.Entry) error {
		one := transfer.Entry{Path: at, Kind: transfer.KindFile, Mode: fs.FileMode(entry.Mode).Perm(), Size: entry.Size, Sum: transfer.Digest(entry.Sum)}
		switch entry.Kind {
		case release.Folder:
			one = transfer.Entry{Path: at, Kind: transfer.KindFolder, Mode: 0o755}
		case release.Link:
			one = transfer.Entry{Path: at, Kind: transfer.KindLink, Target: string(entry.Target)}
		}
		if at != parcel.ManifestName {
			add(one)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read the release in place: %w", err)
	}
	if last, err := os.ReadFile(p.last()); err == nil && len(last) <= parcel.LongestManifest {
		t.manifest = last
		add(fileOf(parcel.ManifestName, last))
	}
	sort.Slice(t.listing, func(i, j int) bool { return t.listing[i].Path < t.listing[j].Path })
	return t, nil
}

// each visits all of the release in place, and of folders the empty ones only.
func each(releases *release.Room, visit func(at string, entry release.Entry) error) error {
	number := releases.Current()
	if number == 0 {
		return nil
	}
	found, err := releases.Tree(number)
	if err != nil {
		return err
	}
	return found.Walk(func(at string, entry release.Entry) error {
		if entry.Kind == release.Folder {
			if names, err := found.Names(at); err != nil || len(names) > 0 {
				return err
			}
		}
		return visit(at, entry)
	})
}

// compare tells what is in place.
func (r *receiving) compare() error {
	brought, err := r.releases.Brought()
	if err != nil {
		return r.refuse(err)
	}
	answer := Answer{Version: Version}
	err = each(r.releases, func(at string, entry release.Entry) error {
		one := Entry{Path: at, Target: string(entry.Target), Brought: brought[release.Name(at)]}
		if entry.Kind == release.File {
			one.Mode, one.Sum = fmt.Sprintf("%04o", fs.FileMode(entry.Mode).Perm()), entry.Sum.Hex()
		}
		answer.Entries = append(answer.Entries, one)
		return nil
	})
	if err != nil {
		return r.refuse(fmt.Errorf("cannot read the release in place: %w", err))
	}
	return r.say(answer)
}

// listed says how what has arrived is not what its own manifest lists.
func listed(m *parcel.Manifest, found transfer.Listing) error {
	want := ListingOf(m)
	got := slices.DeleteFunc(slices.Clone(found), func(entry transfer.Entry) bool {
		return entry.Path == parcel.ManifestName || entry.Path == parcel.SignatureName
	})
	if want.Digest() != got.Digest() {
		return errors.New("what has arrived is not what its manifest lists")
	}
	return nil
}

// ListingOf is what a manifest lists.
func ListingOf(m *parcel.Manifest) transfer.Listing {
	listing := make(transfer.Listing, len(m.Files))
	for i, file := range m.Files {
		one := transfer.Entry{Path: file.Path, Kind: transfer.KindFile, Mode: file.Permissions(), Size: file.Size, Sum: file.Sum()}
		switch file.Kind {
		case parcel.Folder:
			one = transfer.Entry{Path: file.Path, Kind: transfer.KindFolder, Mode: 0o755}
		case parcel.Link:
			one = transfer.Entry{Path: file.Path, Kind: transfer.KindLink, Target: file.Target}
		}
		listing[i] = one
	}
	return listing
}
