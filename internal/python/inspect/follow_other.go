//go:build !linux

package inspect

import (
	"context"
	"os/exec"

	"ota/internal/kit/proc"
)

// follow returns when the helper has ended, by itself or by the end of ctx.
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
