package stick

import (
	"context"
	"errors"

	"ota/internal/kit/mounts"
)

// New remembers where to look.
func New() *Sticks { return &Sticks{sys: "/sys", table: mounts.Read} }

// Run calls found for each stick that is mounted, and for each that will be,
// until ctx ends. It costs nothing while nobody mounts anything.
func (s *Sticks) Run(ctx context.Context, found func(ctx context.Context, point string)) error {
	watcher, err := mounts.Watch()
	if err != nil {
		return err
	}
	changes, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		for {
			if err := watcher.Wait(); err != nil {
				ended <- err
				return
			}
			select {
			case changes <- struct{}{}:
			default:
			}
		}
	}()
	for {
		if err := s.look(ctx, found); err != nil {
			err = errors.Join(err, watcher.Close())
			<-ended
			return err
		}
		select {
		case <-changes:
		case err := <-ended:
			return err
		case <-ctx.Done():
			err := watcher.Close()
			<-ended
			return err
		}
	}
}
