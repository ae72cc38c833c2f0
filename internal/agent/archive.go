package agent

import (
	"archive/tar"
	"archive/zip"
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"ota/internal/api"
	"ota/internal/kit/beneath"
	"ota/internal/kit/copysum"
	"ota/internal/kit/hint"
	"ota/internal/release"
)

const (
	// packLevel is moderate: a small device has more time than network, but not
	// much of either.
	packLevel = 3
	// surelyBytes of what only main/ has are read twice, first to see whether they
	// are what they were. Of more than that it is told while they are packed.
	surelyBytes = 64 << 20
	// nameBytes leave room for the rest of a file's name.
	nameBytes = 100
)

// Archive is a release as one file.
func (a *agent) Archive(number int, format api.ArchiveFormat) (*api.Archive, error) {
	return archiveOf(a.folder, a.releases, veilOf(a.folder, a.config), number, format)
}

// archiveOf is a release as one file, without what is hidden. Contents that only
// main/ has are looked at first: those that have changed there are no part of
// the release any more, and can't be had.
func archiveOf(place folder, releases *release.Room, veil *veil, number int, format api.ArchiveFormat) (*api.Archive, error) {
	record, err := releases.Record(number)
	if err != nil {
		return nil, unknown(err, number)
	}
	b := &bundle{main: place.main(), store: releases.Store(), digest: record.Digest, created: record.Created}
	tree := b.store.Tree(b.digest)
	b.veil = veil.with(tree, b.settings(tree))
	if err := b.check(tree); err != nil {
		return nil, err
	}
	archive := &api.Archive{Name: fmt.Sprintf("%s-release-%d.%s", plainName(filepath.Base(place.dir)), number, format)}
	archive.Write = func(ctx context.Context, to io.Writer) error {
		packed, err := packerOf(format, to, b.created)
		if err != nil {
			return err
		}
		if err := b.write(ctx, packed); err != nil {
			return fmt.Errorf("cannot pack release %d: %w", number, err)
		}
		return packed.Close()
	}
	return archive, nil
}

// plainName makes a folder's name one that a file can have anywhere.
func plainName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, name)
	if len(name) > nameBytes {
		name = strings.ToValidUTF8(name[:nameBytes], "")
	}
	if name = strings.Trim(name, " ."); name == "" || name == "_" {
		name = "ota"
	}
	return name
}

// bundle is what goes into an archive.
type bundle struct {
	main    string
	store   *release.Store
	veil    *veil
	digest  release.Sum
	created time.Time
}

// settings are those that travel with the release, as far as they are kept.
func (b *bundle) settings(tree *release.Tree) []byte {
	entry, found, err := tree.Lookup(settingsName)
	if err != nil || !found || entry.Kind != release.File || entry.Size > settingsBytes {
		return nil
	}
	file, _, err := b.open(settingsName, entry)
	if err != nil {
		return nil
	}
	defer file.Close()
	settings, _ := io.ReadAll(io.LimitReader(file, settingsBytes))
	return settings
}

// walk visits all that is not hidden.
func (b *bundle) walk(tree *release.Tree, visit func(at string, entry release.Entry) error) error {
	return tree.Walk(func(at string, entry release.Entry) error {
		if b.veil.hides(at) {
			return nil // what is in a hidden folder is hidden too
		}
		return visit(at, entry)
	})
}

// check says what can't be had, before anything is sent.
func (b *bundle) check(tree *release.Tree) error {
	left := int64(surelyBytes)
	return b.walk(tree, func(at string, entry release.Entry) error {
		if entry.Kind != release.File {
			return nil
		}
		file, stored, err := b.open(at, entry)
		if err != nil {
			return err
		}
		defer file.Close()
		if stored || entry.Size > left {
			return nil
		}
		left -= entry.Size
		if sum, err := copysum.Of(context.Background(), file); err != nil || sum != entry.Sum {
			return gone(at)
		}
		return nil
	})
}

// gone is the error for a content that a release had.
func gone(at string) error {
	err := fmt.Errorf("the content of %s is not kept: it was only in main/, and is another one there now", api.Path(at))
	return hint.With(err, "later releases can be had as a file")
}

// open opens a content in the store, or in main/ where only that has it.
func (b *bundle) open(at string, entry release.Entry) (file *os.File, stored bool, err error) {
	file, err = os.Open(b.store.Path(entry.Sum))
	stored = err == nil
	if errors.Is(err, fs.ErrNotExist) {
		if file, err = openInMain(b.main, at); err != nil {
			return nil, false, gone(at)
		}
	}
	if err != nil {
		return nil, false, err
	}
	info, err := file.Stat()
	switch {
	case err != nil:
	case info.Size() == entry.Size:
		return file, stored, nil
	case stored:
		err = &release.Damaged{File: file.Name()}
	default:
		err = gone(at)
	}
	return nil, false, errors.Join(err, file.Close())
}

// openInMain holds no folder open for longer than it takes: a release may have
// more of them than a process may have files.
func openInMain(main, at string) (*os.File, error) {
	tree, err := beneath.Open(main)
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	return openPlain(tree, at)
}

// write packs everything, each content checked while it is copied.
func (b *bundle) write(ctx context.Context, to packer) error {
	return b.walk(b.store.Tree(b.digest), func(at string, entry release.Entry) error {
		inside, err := to.next(at, entry)
		if err != nil || entry.Kind != release.File {
			return err
		}
		file, stored, err := b.open(at, entry)
		if err != nil {
			return err
		}
		defer file.Close()
		sum, err := copysum.Of(ctx, io.TeeReader(io.LimitReader(file, entry.Size), inside))
		switch {
		case err != nil:
			return err
		case sum != entry.Sum && stored:
			return &release.Damaged{File: file.Name()}
		case sum != entry.Sum:
			return gone(at)
		}
		return nil
	})
}

// packer writes an archive, one entry after the other.
type packer interface {
	// next begins an entry and returns where the content of a file goes.
	next(at string, entry release.Entry) (io.Writer, error)
	Close() error
}

func packerOf(format api.ArchiveFormat, to io.Writer, created time.Time) (packer, error) {
	if format == api.TarGz {
		packed, err := gzip.NewWriterLevel(to, packLevel)
		return &tarPacker{tar.NewWriter(packed), packed, created.Truncate(time.Second)}, err
	}
	deflate, err := flate.NewWriter(io.Discard, packLevel)
	packed := zip.NewWriter(to)
	// One for all files: each is a megabyte.
	packed.RegisterCompressor(zip.Deflate, func(to io.Writer) (io.WriteCloser, error) {
		deflate.Reset(to)
		return deflate, nil
	})
	// The format begins in 1980; the clock of a device may not know that.
	first := time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC)
	if created.Before(first) {
		created = first
	}
	return &zipPacker{packed, created.UTC()}, err
}

type zipPacker struct {
	*zip.Writer
	created time.Time
}

func (z *zipPacker) next(at string, entry release.Entry) (io.Writer, error) {
	header := &zip.FileHeader{Name: at, Modified: z.created, Method: zip.Deflate}
	switch entry.Kind {
	case release.Folder:
		header.Name += "/"
		header.Method = zip.Store
		header.SetMode(fs.ModeDir | 0o755)
	case release.Link:
		header.Method = zip.Store
		header.SetMode(fs.ModeSymlink | 0o777)
	default:
		header.SetMode(fs.FileMode(entry.Mode).Perm())
	}
	inside, err := z.CreateHeader(header)
	if err == nil && entry.Kind == release.Link {
		_, err = io.WriteString(inside, string(entry.Target))
	}
	return inside, err
}

type tarPacker struct {
	*tar.Writer
	packed  *gzip.Writer
	created time.Time
}

func (t *tarPacker) next(at string, entry release.Entry) (io.Writer, error) {
	header := &tar.Header{Name: at, ModTime: t.created, Format: tar.FormatPAX}
	switch entry.Kind {
	case release.Folder:
		header.Typeflag, header.Name, header.Mode = tar.TypeDir, at+"/", 0o755
	case release.Link:
		header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, string(entry.Target), 0o777
	default:
		header.Typeflag, header.Size, header.Mode = tar.TypeReg, entry.Size, int64(fs.FileMode(entry.Mode).Perm())
	}
	return t, t.WriteHeader(header)
}

// Close ends both formats.
func (t *tarPacker) Close() error { return errors.Join(t.Writer.Close(), t.packed.Close()) }
