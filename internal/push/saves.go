package push

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"ota/internal/kit/folders"
	"ota/internal/kit/hint"
	"ota/internal/pack"
)

// Save is a state of a folder in which saving has come to rest.
type Save struct {
	Project *pack.Project
	Time    time.Time // when it was saved
}

// Saves follows a folder in which somebody writes a program.
//
// An editor saves by writing another name and renaming it, a formatter writes once
// more, a checkout changes hundreds of files: a save is over when nothing has
// changed for a moment, and nothing while the folder was described.
type Saves struct {
	Source string
	// Describe describes the folder.
	Describe func(context.Context) (*pack.Project, error)
	// Each takes the first state, and each one after it: also one with the same
	// contents as before. Its error ends Run.
	Each func(Save) error
	// Complain hears why a state can't be described. The next one may be.
	Complain func(error)

	changes chan mark
	scope   atomic.Pointer[pack.Scope]
}

// mark is when something has changed last, and what.
type mark struct {
	time time.Time
	path string
}

const (
	// quiet is how long nothing may change before a save is over: more than editors
	// take for all steps of one, and less than a person notices.
	quiet = 200 * time.Millisecond
	// restless is how long it may go on before that is told.
	restless = 10 * time.Second
)

// Run follows the folder until ctx ends. Its error says why that can't be done, or
// why the first state could not be described.
func (s *Saves) Run(ctx context.Context) error {
	top, err := filepath.Abs(s.Source)
	if err != nil {
		return err
	}
	// The kernel speaks of the folder, whatever link leads to it.
	resolved, err := filepath.EvalSymlinks(top)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s: %w", top, folders.ErrGone)
	}
	if err != nil {
		return err
	}
	top = resolved
	watcher, err := folders.Open(top)
	if err != nil {
		return err
	}
	s.changes = make(chan mark, 1)
	ended := make(chan error, 1)
	go func() { ended <- watcher.Run(s.hear) }()
	defer func() { watcher.Close(); <-ended }()
	return s.follow(ctx, top, watcher, ended)
}

// hear takes note of a change that matters, in place of those before it.
func (s *Saves) hear(change folders.Change) {
	if scope := s.scope.Load(); change.Path != "" && scope != nil && !scope.Concerns(change.Path, change.IsFolder) {
		return
	}
	select {
	case <-s.changes:
	default:
	}
	s.changes <- mark{time.Now(), change.Path}
}

func (s *Saves) follow(ctx context.Context, top string, watcher *folders.Watcher, ended chan error) error {
	last := mark{time: time.Now()}
	for first := true; ; {
		project, err := s.look(ctx, top, watcher)
		gone := errors.Is(err, folders.ErrGone)
		changed := false
		if err != nil && !first && !gone {
			// A file that is being replaced may be missing for this very moment.
			changed = s.soon(ctx, &last)
		} else {
			changed = s.already(&last)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && (first || gone):
			return err
		case !changed && err != nil:
			s.Complain(err)
		case !changed:
			if err := s.Each(Save{project, last.time}); err != nil {
				return err
			}
		}
		first = false
		if !changed {
			select {
			case last = <-s.changes:
			case err := <-ended:
				ended <- nil
				return err
			case <-ctx.Done():
				return nil
			}
		}
		s.settle(ctx, &last)
	}
}

// look watches what there is now, and then describes it: what changes from then on
// is told.
func (s *Saves) look(ctx context.Context, top string, watcher *folders.Watcher) (*pack.Project, error) {
	scope, err := pack.ScopeOf(top)
	if _, missing := os.Stat(top); errors.Is(missing, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", top, folders.ErrGone)
	}
	if err != nil {
		return nil, err
	}
	s.scope.Store(scope)
	if err := watcher.Watch(scope.Folders); err != nil {
		return nil, err
	}
	return s.Describe(ctx)
}

// already reports whether something has changed since it was asked last.
func (s *Saves) already(last *mark) bool {
	select {
	case *last = <-s.changes:
		return true
	default:
		return false
	}
}

// soon is already, for who can wait for a moment.
func (s *Saves) soon(ctx context.Context, last *mark) bool {
	moment := time.NewTimer(quiet)
	defer moment.Stop()
	select {
	case *last = <-s.changes:
		return true
	case <-moment.C:
	case <-ctx.Done():
	}
	return false
}

// settle waits until nothing has changed for a moment.
func (s *Saves) settle(ctx context.Context, last *mark) {
	told := time.Now().Add(restless)
	for s.soon(ctx, last) {
		if time.Now().After(told) {
			s.Complain(hint.With(fmt.Errorf("something is written all the time: %s", last.path), "leave it out, in .otaignore"))
			told = time.Now().Add(restless)
		}
	}
}
