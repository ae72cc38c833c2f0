//go:build !linux

package stick

import (
	"context"

	"ota/internal/kit/mounts"
)

// New remembers nothing: only Linux tells what is mounted.
func New() *Sticks {
	return &Sticks{table: func() ([]mounts.Mount, error) { return nil, nil }}
}

// Run waits for the end of ctx.
func (s *Sticks) Run(ctx context.Context, found func(ctx context.Context, point string)) error {
	err := s.look(ctx, found)
	<-ctx.Done()
	return err
}
