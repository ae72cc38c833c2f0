package agent

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/diff"

	"ota/internal/api"
	"ota/internal/kit/beneath"
	"ota/internal/kit/escape"
	"ota/internal/release"
)

const (
	// patchBytes is up to which size the insides of files are compared: more is
	// nothing that somebody reads, and it stands in memory several times.
	patchBytes = 1 << 20
	// patchesBytes is for all patches of one answer together.
	patchesBytes = 4 << 20
)

// Why there is no patch.
var (
	errNotKept  = errors.New("its content is not kept")
	errBinary   = errors.New("it is not a text")
	errTooLarge = errors.New("it is larger than 1 MB")
	errHidden   = errors.New("its content is hidden")
	errTooMany  = errors.New("the patches before it are too large already")
)

// differ says by what two releases differ.
type differ struct {
	releases *release.Room
	main     *beneath.Tree // nil: there is none
	patch    bool
	hides    func(path string) bool
	left     int // bytes of patches that still fit
}

// diffOf says by what two releases differ. A content that is only in main/ is
// read there; what is behind the veil only where the request does not hide it.
func diffOf(releases *release.Room, main string, veil *veil, request api.DiffRequest) (api.Diff, error) {
	from, to, err := sides(releases, request)
	if err != nil {
		return api.Diff{}, err
	}
	d := &differ{releases: releases, patch: request.Patch, left: patchesBytes, hides: func(string) bool { return false }}
	if request.Hide {
		if d.hides, err = hiding(releases, main, veil, from, to); err != nil {
			return api.Diff{}, err
		}
	}
	if main, err := beneath.Open(main); err == nil {
		defer main.Close()
		d.main = main
	}
	found, err := releases.Diff(from, to)
	if err != nil {
		return api.Diff{}, err
	}
	result := api.Diff{From: from, To: to}
	for i, one := range found {
		next := ""
		if i+1 < len(found) {
			next = found[i+1].Path
		}
		if isFolder(one) && strings.HasPrefix(next, one.Path+"/") {
			continue // what is in it says so
		}
		result.Files = append(result.Files, d.file(one))
	}
	return result, nil
}

// hiding tells what must not be seen of either release.
func hiding(releases *release.Room, main string, veil *veil, numbers ...int) (func(string) bool, error) {
	for _, number := range numbers {
		tree, err := releases.Tree(number)
		if err != nil {
			return nil, err
		}
		veil = veil.with(tree, (&bundle{main: main, store: releases.Store()}).settings(tree))
	}
	return veil.hides, nil
}

// sides finds out what to compare; from 0 is nothing at all.
func sides(releases *release.Room, request api.DiffRequest) (from, to int, err error) {
	from, to = request.From, request.To
	if to == 0 {
		if to = releases.Current(); to == 0 {
			return 0, 0, errors.New("there is no release yet")
		}
	}
	if err := knows(releases, to); err != nil {
		return 0, 0, err
	}
	if from != 0 {
		return from, to, knows(releases, from)
	}
	record, err := releases.Record(to)
	if err != nil || knows(releases, record.From) != nil { // dropped since
		return 0, to, err
	}
	return record.From, to, nil
}

func isFolder(d release.Difference) bool {
	return d.Before.Kind == "" && d.After.Kind == release.Folder || d.Before.Kind == release.Folder && d.After.Kind == ""
}

func (d *differ) file(one release.Difference) api.FileDiff {
	shown := api.FileDiff{Path: api.Path(one.Path), Change: api.ChangeKind(one.Effect())}
	note := noteOn(one.Before, one.After)
	if d.patch && one.Before.Sum != one.After.Sum && (one.Before.Kind == release.File || one.After.Kind == release.File) {
		patch, err := d.patchOf(one)
		if err != nil {
			note = append(note, err.Error())
		}
		shown.Patch = textOf(patch)
	}
	shown.Note = textOf(strings.Join(note, "; "))
	return shown
}

// noteOn says what is not in the content of a file.
func noteOn(before, after release.Entry) (note []string) {
	for _, side := range []struct {
		entry      release.Entry
		link, file string
	}{{before, "was a link to ", "was a folder"}, {after, "is a link to ", "is a folder"}} {
		switch side.entry.Kind {
		case release.Link:
			note = append(note, side.link+escape.Name(string(side.entry.Target)))
		case release.Folder:
			note = append(note, side.file)
		}
	}
	if before.Kind == release.File && after.Kind == release.File && before.Mode != after.Mode {
		note = append(note, fmt.Sprintf("mode %04o became %04o", before.Mode, after.Mode))
	}
	return note
}

// patchOf compares the insides of a file, as a unified patch.
func (d *differ) patchOf(one release.Difference) (string, error) {
	if d.hides(one.Path) {
		return "", errHidden
	}
	before, err := d.text(one.Path, one.Before)
	if err != nil {
		return "", err
	}
	after, err := d.text(one.Path, one.After)
	if err != nil {
		return "", err
	}
	name := escape.Name(one.Path)
	oldName, newName := "a/"+name, "b/"+name
	if one.Before.Kind != release.File {
		oldName = "/dev/null"
	}
	if one.After.Kind != release.File {
		newName = "/dev/null"
	}
	patch := diff.Diff(oldName, before, newName, after)
	if len(patch) > d.left {
		d.left = 0
		return "", errTooMany
	}
	d.left -= len(patch)
	return string(patch), nil
}

// text returns what a person can read of a release's file.
func (d *differ) text(at string, entry release.Entry) ([]byte, error) {
	if entry.Kind != release.File {
		return nil, nil
	}
	if entry.Size > patchBytes {
		return nil, errTooLarge
	}
	if d.left == 0 {
		return nil, errTooMany
	}
	content, err := d.releases.Store().Content(entry.Sum, patchBytes)
	switch {
	case errors.Is(err, release.ErrTooLarge):
		return nil, errTooLarge
	case err != nil:
		if content, err = d.inMain(at, entry.Sum); err != nil {
			return nil, err
		}
	}
	if !utf8.Valid(content) || bytes.IndexByte(content, 0) >= 0 {
		return nil, errBinary
	}
	return content, nil
}

// inMain reads a content that main/ may have.
func (d *differ) inMain(at string, sum release.Sum) ([]byte, error) {
	file, err := openPlain(d.main, at)
	if err != nil {
		return nil, errNotKept
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, patchBytes+1))
	if err != nil || sha256.Sum256(content) != sum {
		return nil, errNotKept
	}
	return content, nil
}

// openPlain opens a plain file of main/, never through a link and without
// waiting for the other end of a pipe.
func openPlain(main *beneath.Tree, at string) (*os.File, error) {
	if main == nil {
		return nil, fs.ErrNotExist
	}
	dir, name, err := main.Parent(at)
	if err != nil {
		return nil, err
	}
	if info, err := dir.Lstat(name); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("%q is not a plain file", at), err)
	}
	file, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("%q is not a plain file", at), err, file.Close())
	}
	return file, nil
}
