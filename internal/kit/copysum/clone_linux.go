package copysum

import (
	"os"

	"golang.org/x/sys/unix"
)

// clone makes target share the blocks of source (btrfs, xfs).
func clone(target, source *os.File) error {
	return unix.IoctlFileClone(int(target.Fd()), int(source.Fd()))
}
