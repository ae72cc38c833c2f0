package deposit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"ota/internal/kit/beneath"
)

// system is the disk of the machine it runs on.
type system struct {
	options Options
	watch   *watch
}

func openSystem(options Options) disk {
	return &system{options, openWatch(options)}
}

// look walks deposit/ and makes it if it is missing.
func (s *system) look(ctx context.Context) (*tree, error) {
	s.watch.begin()
	dir, err := beneath.Open(s.options.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		if dir, err = s.make(); err == nil {
			s.options.Log.Info("made the folder for uploads", "path", s.options.Dir)
		}
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	walker := walker{dir: dir, ignore: s.options.Ignore, enter: s.watch.enter}
	found, err := walker.walk(ctx)
	if err != nil {
		return nil, err
	}
	found.cover = s.watch.end()
	return found, nil
}

// make makes deposit/, but not what it links to: where the other end of a link
// is gone, a disk is not mounted, and a folder in its place would hide it.
func (s *system) make() (*beneath.Tree, error) {
	if err := os.Mkdir(s.options.Dir, 0o755); err != nil {
		if target, linkErr := os.Readlink(s.options.Dir); linkErr == nil {
			err = fmt.Errorf("the folder it links to, %s, is not there", target)
		}
		return nil, fmt.Errorf("cannot make folder %s: %w", s.options.Dir, err)
	}
	return beneath.Open(s.options.Dir)
}

func (s *system) writers(ctx context.Context, upload *tree) writers {
	return findWriters(ctx, s.options.Dir, upload)
}

func (s *system) events() <-chan []event { return s.watch.news }

func (s *system) close() { s.watch.close() }
