package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"ota/internal/api"
	"ota/internal/kit/beneath"
	"ota/internal/logs"
)

const (
	// mostEntries are listed of one folder.
	mostEntries = 2000
	// deepest is how many folders a path may lead through: each is held open.
	deepest = 100
)

// List returns what is in a folder of main/ or deposit/.
func (a *agent) List(area api.Area, path string) (api.Listing, error) {
	s, err := a.sight(area)
	if err != nil {
		return api.Listing{}, err
	}
	defer s.tree.Close()
	return s.list(path)
}

// Open opens a file of main/ or deposit/.
func (a *agent) Open(area api.Area, path string) (*api.Content, error) {
	s, err := a.sight(area)
	if err != nil {
		return nil, err
	}
	defer s.tree.Close()
	return s.open(path)
}

// LogFiles returns the log files, oldest first.
func (a *agent) LogFiles() ([]api.LogFile, error) {
	found, err := logs.Files(a.folder.logs())
	if err != nil {
		return nil, err
	}
	files := make([]api.LogFile, len(found))
	for i, file := range found {
		files[i] = api.LogFile(file)
	}
	return files, nil
}

// OpenLog opens one of them by its name.
func (a *agent) OpenLog(name string) (*api.Content, error) {
	missing := &api.NoFile{Name: "logs/" + name}
	if !logs.IsFileName(name) {
		return nil, missing
	}
	tree, err := beneath.Open(a.folder.logs())
	if err != nil {
		return nil, absent(err, missing)
	}
	defer tree.Close()
	content, err := contentOf(tree, name)
	return content, absent(err, missing)
}

// Veil tells whether a path below main/ or deposit/ must not be seen.
func (a *agent) Veil() (hides func(path string) bool) { return veilOf(a.folder, a.config).hides }

// sight is one look into main/ or deposit/, without what must not be seen.
type sight struct {
	area api.Area
	tree *beneath.Tree
	veil *veil
}

func (a *agent) sight(area api.Area) (*sight, error) {
	dirs := map[api.Area]string{api.MainArea: a.folder.main(), api.DepositArea: a.folder.deposit()}
	s := &sight{area: area, veil: veilOf(a.folder, a.config)}
	var err error
	if s.tree, err = beneath.Open(dirs[area]); err != nil {
		return nil, absent(err, s.missing(""))
	}
	return s, nil
}

func (s *sight) missing(path string) *api.NoFile {
	return &api.NoFile{Name: string(s.area) + "/" + path}
}

func (s *sight) list(path string) (api.Listing, error) {
	listing := api.Listing{Path: api.Path(path)}
	if err := s.leads(path); err != nil {
		return listing, err
	}
	dir, err := s.tree.Dir(path)
	if err != nil {
		return listing, absent(err, s.missing(path))
	}
	names, err := dir.Names()
	if err != nil {
		return listing, err
	}
	before := ""
	if path != "" {
		before = path + "/"
	}
	names = slices.DeleteFunc(names, func(name string) bool { return s.veil.hides(before + name) })
	slices.Sort(names)
	listing.More = max(0, len(names)-mostEntries)
	for _, name := range names[:len(names)-listing.More] {
		if entry, ok := entryOf(dir, name); ok {
			listing.Entries = append(listing.Entries, entry)
		}
	}
	return listing, nil
}

// entryOf is false for what has just gone.
func entryOf(dir *beneath.Dir, name string) (api.FileEntry, bool) {
	info, err := dir.Lstat(name)
	if err != nil {
		return api.FileEntry{}, false
	}
	entry := api.FileEntry{Name: api.Path(name), Kind: "other", Modified: info.ModTime().UTC()}
	switch mode := info.Mode(); {
	case mode.IsRegular():
		entry.Kind, entry.Size = "file", info.Size()
	case mode.IsDir():
		entry.Kind = "folder"
	case mode&fs.ModeSymlink != 0:
		entry.Kind = "link"
		if target, err := dir.Readlink(name); err == nil {
			entry.Target = new(api.Path(target))
		}
	}
	return entry, true
}

func (s *sight) open(path string) (*api.Content, error) {
	if err := s.leads(path); err != nil {
		return nil, err
	}
	content, err := contentOf(s.tree, path)
	return content, absent(err, s.missing(path))
}

// leads reports whether each name of a path is one that its folder lists, and
// nothing on the way is hidden. A file system may know a file by more names than
// it lists (".ENV", "ENV~1", ".env."), and these are not told apart from others.
func (s *sight) leads(path string) error {
	if path == "" {
		return nil
	}
	parts := strings.Split(path, "/")
	if len(parts) > deepest || s.veil.hides(path) {
		return s.missing(path)
	}
	for i, name := range parts {
		dir, err := s.tree.Dir(strings.Join(parts[:i], "/"))
		if err != nil {
			return absent(err, s.missing(path))
		}
		names, err := dir.Names()
		switch {
		case err != nil:
			return err
		case !slices.Contains(names, name):
			return s.missing(path)
		}
	}
	return nil
}

// contentOf opens a plain file, never through a link.
func contentOf(tree *beneath.Tree, path string) (*api.Content, error) {
	_, name := beneath.Split(path)
	if info, err := tree.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, notPlain(name, info)
	}
	file, err := openPlain(tree, path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &api.Content{ReadSeekCloser: file, Name: name, Size: info.Size(), Modified: info.ModTime()}, nil
}

func notPlain(name string, info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return fmt.Errorf("%s is a folder", api.Path(name))
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%s is a link, and links are not followed here", api.Path(name))
	}
	return fmt.Errorf("%s is not a plain file", api.Path(name))
}

// absent makes what says that nothing is there the error for that.
func absent(err error, missing *api.NoFile) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, beneath.ErrInTheWay) || errors.Is(err, os.ErrInvalid) {
		return missing
	}
	return err
}
