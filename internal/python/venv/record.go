package venv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ota/internal/kit/durable"
)

const (
	// markerName is the file that makes a folder an environment.
	markerName = "ota-environment.json"
	// listName is the file that says what was installed. It is a file of its
	// own, because it is long and the marker is read at every start.
	listName = "ota-files.json"
)

// markerFile is what is known of an environment. It is written when all the
// rest is on the disk.
type markerFile struct {
	ID          string      `json:"id"`
	Recipe      string      `json:"recipe"` // its digest
	Kind        Kind        `json:"kind"`
	Folder      string      `json:"folder"`
	With        string      `json:"with"`
	At          time.Time   `json:"at"`
	Files       int         `json:"files"`
	Size        int64       `json:"size"`
	Interpreter Interpreter `json:"interpreter"`
}

// installed is one file of an environment.
type installed struct {
	Path    string      `json:"path"`
	Size    int64       `json:"size,omitempty"`
	Mode    fs.FileMode `json:"mode,omitempty"`
	ModTime int64       `json:"mtime,omitempty"` // seconds
	Link    string      `json:"link,omitempty"`  // where a symbolic link leads
}

type listFile struct {
	Files []installed `json:"files"`
}

// readMarker returns the marker of a finished environment, or a [*Missing].
func (r *Room) readMarker(id string) (markerFile, error) {
	var marker markerFile
	if !idPattern.MatchString(id) {
		return markerFile{}, &Missing{id}
	}
	// One that can't be read stands for nothing.
	err := durable.ReadJSON(filepath.Join(r.folder(id), markerName), &marker)
	if err != nil || marker.ID != id || marker.Folder != r.folder(id) {
		return markerFile{}, &Missing{id}
	}
	return marker, nil
}

// writeMarker makes a folder an environment.
func (r *Room) writeMarker(marker markerFile) error {
	data, err := durable.Lines(marker)
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(r.folder(marker.ID), markerName), data, 0o644)
}

// writeList notes all files of an environment.
func (r *Room) writeList(ctx context.Context, id string) (files int, size int64, err error) {
	var list listFile
	root := r.folder(id)
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || entry.IsDir() {
			return err
		}
		one, err := look(path)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, path)
		one.Path = filepath.ToSlash(below)
		list.Files = append(list.Files, one)
		size += one.Size
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("cannot list the environment: %w", err)
	}
	data, err := durable.Lines(list)
	if err != nil {
		return 0, 0, err
	}
	return len(list.Files), size, durable.Replace(filepath.Join(root, listName), data, 0o644)
}

// look says what a file is, without its path.
func look(path string) (installed, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return installed{}, err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		link, err := os.Readlink(path)
		return installed{Link: link}, err
	}
	return installed{Size: info.Size(), Mode: info.Mode(), ModTime: info.ModTime().Unix()}, nil
}

// Verify looks at each file that was installed. It is for after an unclean end:
// the error is a [*Torn], a [*Missing], or that of ctx. What came later, as
// bytecode that Python wrote, is none of it.
func (r *Room) Verify(ctx context.Context, id string) error {
	if _, err := r.readMarker(id); err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(r.folder(id), listName))
	var list listFile
	if err == nil {
		err = json.Unmarshal(data, &list)
	}
	if err != nil || len(list.Files) == 0 {
		return &Torn{ID: id, First: listName, What: "can't be read", Count: 1}
	}
	torn := &Torn{ID: id}
	for _, want := range list.Files {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("cannot look at the environment: %w", err)
		}
		what := r.compare(id, want)
		if what == "" {
			continue
		}
		if torn.Count++; torn.Count == 1 {
			torn.First, torn.What = want.Path, what
		}
	}
	if torn.Count > 0 {
		return torn
	}
	return nil
}

// compare says what is wrong with one file, if anything is. Its time is not
// looked at: a copy of a whole device keeps none.
func (r *Room) compare(id string, want installed) string {
	if !filepath.IsLocal(filepath.FromSlash(want.Path)) {
		return "is not in the environment"
	}
	got, err := look(filepath.Join(r.folder(id), filepath.FromSlash(want.Path)))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "is missing"
	case err != nil:
		return "can't be looked at"
	case got.Link != want.Link || got.Mode.Type() != want.Mode.Type():
		return "is something else now"
	case got.Size != want.Size && !isBytecode(want.Path):
		return fmt.Sprintf("has %d bytes instead of %d", got.Size, want.Size)
	case got.Size == 0 && want.Size > 0:
		return "is empty"
	}
	return ""
}

// isBytecode is true for what Python may write again, shorter or longer.
func isBytecode(path string) bool { return strings.HasSuffix(path, ".pyc") }
