//go:build !linux

package command

import (
	"context"
	"os/exec"

	"ota/internal/kit/proc"
)

// follow returns when the command has ended, by itself or by the end of ctx.
// Whom it has left in the background when it ended by itself lives on: its
// number may already be another's.
func follow(ctx context.Context, cmd *exec.Cmd) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = proc.Wait(cmd) // how it ended is in its state
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		killGroup(cmd)
		<-ended
	}
}
