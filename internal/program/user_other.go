//go:build !unix

package program

import (
	"errors"
	"fmt"
	"os/exec"
)

// becomeUser is not to be had here.
func becomeUser(_ *exec.Cmd, credential *Credential) error {
	if credential == nil {
		return nil
	}
	return fmt.Errorf("cannot run the program as another user on this system: %w", errors.ErrUnsupported)
}
