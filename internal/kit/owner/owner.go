// Package owner lets commands and files be another user's.
//
// In: a user, a command that was not started, a folder of ours. Out: a command
// that runs with that user's rights and no others; a folder that is that user's,
// and ours again. Never: a step through a symbolic link.
package owner

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// Owner is a user other than our own. A nil Owner is ourselves: its methods do
// nothing.
type Owner struct {
	UID, GID uint32
	Groups   []uint32 // the others; GID may be among them
}

// Dress makes a command run as the owner.
func (o *Owner) Dress(cmd *exec.Cmd) {
	if o != nil {
		dress(cmd, o)
	}
}

// Give makes a file or a folder, with all that is in it, the owner's.
func (o *Owner) Give(path string) error {
	if o == nil {
		return nil
	}
	return chown(path, int(o.UID), int(o.GID))
}

// TakeBack makes what was given away ours again.
func (o *Owner) TakeBack(path string) error {
	if o == nil {
		return nil
	}
	return chown(path, os.Getuid(), os.Getgid())
}

func chown(path string, uid, gid int) error {
	err := filepath.WalkDir(path, func(at string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(at, uid, gid)
	})
	if err != nil {
		return fmt.Errorf("cannot change the owner of %s: %w", path, err)
	}
	return nil
}
