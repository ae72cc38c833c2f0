package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"ota/examples/hello"
	"ota/internal/config"
	"ota/internal/kit/hint"
)

// Laid is what Init found and made, as paths below the folder; that itself is
// ".". Folders end with a slash.
type Laid struct {
	Made    []string
	There   []string
	LeftOut bool // the example: main/ held something already
}

// Init makes a folder to begin with: the folders that a person uses, settings
// of which none is set, and, if that is wanted and main/ is empty, the example.
// It changes nothing that is there.
func Init(dir string, example bool) (Laid, error) {
	var laid Laid
	place := folder{dir}
	switch info, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return laid, fmt.Errorf("cannot make the folder: %w", err)
		}
		laid.Made = append(laid.Made, "./")
	case err != nil:
		return laid, fmt.Errorf("cannot look at the folder: %w", err)
	case !info.IsDir():
		return laid, fmt.Errorf("%s is not a folder", dir)
	}
	for _, one := range []string{place.deposit(), place.main(), place.logs()} {
		if err := laid.folder(place, one); err != nil {
			return laid, err
		}
	}
	if err := laid.file(place, place.config(), []byte(config.Template())); err != nil || !example {
		return laid, err
	}
	return laid, laid.example(place)
}

// folder makes one that is missing.
func (l *Laid) folder(place folder, dir string) error {
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrExist) {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return hint.With(fmt.Errorf("%s is not a folder", dir), "give it another name, and try again")
		}
	} else if err != nil {
		return fmt.Errorf("cannot make a folder: %w", err)
	}
	l.note(place, dir, "/", err == nil)
	return nil
}

// file writes one that is missing.
func (l *Laid) file(place folder, name string, content []byte) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		l.note(place, name, "", false)
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot make a file: %w", err)
	}
	_, err = file.Write(content)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("cannot write %s: %w", name, errors.Join(err, os.Remove(name)))
	}
	l.note(place, name, "", true)
	return nil
}

func (l *Laid) note(place folder, name, suffix string, made bool) {
	below, err := filepath.Rel(place.dir, name)
	if err != nil {
		below = name
	}
	list := &l.There
	if made {
		list = &l.Made
	}
	*list = append(*list, filepath.ToSlash(below)+suffix)
}

// example puts the example into an empty main/.
func (l *Laid) example(place folder) error {
	switch found, err := os.ReadDir(place.main()); {
	case err != nil:
		return fmt.Errorf("cannot look into main/: %w", err)
	case len(found) > 0:
		l.LeftOut = true
		return nil
	}
	return fs.WalkDir(hello.Main, "main", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(hello.Main, name)
		if err != nil {
			return err
		}
		return l.file(place, filepath.Join(place.main(), path.Base(name)), content)
	})
}
