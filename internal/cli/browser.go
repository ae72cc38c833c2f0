package cli

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"ota/internal/kit/proc"
)

// openTime is how long a command that opens a browser has to fail. One that is
// the browser goes on as long as that is open.
const openTime = 3 * time.Second

// openInBrowser has the system open an address. For a moment others on this
// machine may see it among the arguments of a process; it is good for one use.
func openInBrowser(ctx context.Context, address string) error {
	cmd := exec.Command(opener[0], append(opener[1:], address)...)
	if err := proc.Start(cmd); errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("there is no %s here", opener[0])
	} else if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- proc.Wait(cmd) }()
	patience := time.NewTimer(openTime)
	defer patience.Stop()
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("%s: %w", opener[0], err)
		}
	case <-patience.C:
	case <-ctx.Done():
	}
	return nil
}
