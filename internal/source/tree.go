package source

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"

	"ota/internal/kit/command"
	"ota/internal/kit/copysum"
	"ota/internal/kit/durable"
	"ota/internal/parcel"
)

// tree is what "git archive" gives out, on its way to a release. The files lie in
// a folder under numbers: no name of a repository is one of a path here.
type tree struct {
	dir     string
	room    func(bytes int64) error
	entries []parcel.Entry
	files   map[string]string // where the content of a path is
}

// mostEntries is more than a manifest may list.
const mostEntries = 40_000

// leftOut are the names that are for git itself.
var leftOut = []string{".gitignore", ".gitattributes", ".gitmodules", ".otaignore", ".mailmap"}

// read reads a tar file.
func (t *tree) read(from io.Reader) error {
	t.files = map[string]string{}
	in := tar.NewReader(from)
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, from)
			return err
		}
		if err != nil {
			return err
		}
		if len(t.entries) > mostEntries {
			return notTaken{fmt.Errorf("the repository has more than %d files", mostEntries)}
		}
		if err := t.add(header, in); err != nil {
			return err
		}
	}
}

func (t *tree) add(header *tar.Header, content io.Reader) error {
	name := strings.TrimSuffix(header.Name, "/")
	if slices.Contains(leftOut, path.Base(name)) {
		return nil
	}
	switch header.Typeflag {
	case tar.TypeReg:
	case tar.TypeSymlink:
		t.entries = append(t.entries, parcel.Entry{Path: name, Kind: parcel.Link, Target: header.Linkname})
		return t.fits(name)
	default: // folders are made by what is in them; of a submodule there is nothing else
		return nil
	}
	if err := t.fits(name); err != nil {
		return err
	}
	if err := t.room(header.Size); err != nil {
		return err
	}
	at := filepath.Join(t.dir, strconv.Itoa(len(t.entries)))
	file, err := os.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	hash, head := sha256.New(), &command.Head{Longest: len(lfsHead)}
	_, err = io.Copy(io.MultiWriter(file, hash, head), content)
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if string(head.Kept()) == lfsHead && header.Size < mostSaid {
		return notTaken{fmt.Errorf("%s is a pointer of Git LFS: its content is not in the repository", strconv.Quote(name))}
	}
	t.files[name] = at
	t.entries = append(t.entries, parcel.Entry{
		Path: name, Mode: parcel.ModeOf(header.FileInfo().Mode() | 0o044), Size: header.Size, SHA256: hex.EncodeToString(hash.Sum(nil)),
	})
	return nil
}

const lfsHead = "version https://git-lfs.github.com/spec/"

func (t *tree) fits(name string) error {
	if err := parcel.CheckPath(name); err != nil {
		return notTaken{fmt.Errorf("%s: %w", strconv.Quote(name), err)}
	}
	return nil
}

func (t *tree) sorted() []parcel.Entry {
	sort.Slice(t.entries, func(i, j int) bool { return t.entries[i].Path < t.entries[j].Path })
	return t.entries
}

// write writes the release, until ctx ends.
func (t *tree) write(ctx context.Context, manifest *parcel.Manifest, at string) (string, error) {
	if len(manifest.Files) == 0 {
		return "", notTaken{errors.New("there is no file in it")}
	}
	data, err := manifest.Encode()
	if err != nil {
		return "", notTaken{err}
	}
	if err := t.room(manifest.Bytes()); err != nil {
		return "", err
	}
	file, err := os.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fs.FileMode(0o600))
	if err != nil {
		return "", err
	}
	err = parcel.WriteArchive(file, data, nil, func(path string) (io.ReadCloser, error) {
		content, err := os.Open(t.files[path])
		return struct {
			io.Reader
			io.Closer
		}{copysum.UntilDone(ctx, content), content}, err
	})
	if err == nil {
		err = durable.SyncData(file)
	}
	return at, errors.Join(err, file.Close())
}
