//go:build unix

package program

import (
	"io"
	"os"
	"os/exec"
)

// becomeUser makes cmd run as another user.
func becomeUser(cmd *exec.Cmd, credential *Credential) error {
	if credential == nil {
		return nil
	}
	credential.Dress(cmd)
	// Or it could write to its output, but not open /dev/stdout.
	for _, end := range []io.Writer{cmd.Stdout, cmd.Stderr} {
		if pipe, ok := end.(*os.File); ok {
			_ = pipe.Chown(int(credential.UID), int(credential.GID)) // few want it
		}
	}
	return nil
}
