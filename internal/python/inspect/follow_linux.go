package inspect

import (
	"context"
	"os/exec"

	"ota/internal/kit/proc"
)

// follow returns when the helper has ended, by itself or by the end of ctx.
// Its number is that of its group until it is reaped, so both kills reach
// nobody else.
func follow(ctx context.Context, cmd *exec.Cmd) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		proc.AwaitEnd(cmd.Process.Pid)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		killGroup(cmd)
		<-ended
	}
	killGroup(cmd) // what an environment's start has left in the background
	_ = proc.Wait(cmd)
}
