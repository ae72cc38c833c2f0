//go:build !linux

package venv

import "context"

// Here the lock that an installer inherits is all there is: the next build
// waits for its end.

func (r *Room) noteInstaller(int) error { return nil }

func (r *Room) forgetInstaller() error { return nil }

func (r *Room) endOrphan(context.Context) error { return nil }
