package drop

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// freeSpace is what our user can write on the file system of a folder.
func freeSpace(dir string) (int64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return int64(stat.Bavail) * int64(stat.Bsize), nil
}

// isOtherMount reports whether a rename failed as it leads to another mount.
func isOtherMount(err error) bool { return errors.Is(err, unix.EXDEV) }

// isFolder reports whether a rename failed as a folder has the name.
func isFolder(err error) bool { return errors.Is(err, unix.EISDIR) }
