package drop

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// reservedNames is how many files can still be made on a file system of which
// nothing more is taken: the program and ota itself make some too.
const reservedNames = 1000

// freeSpace is what our user can write on the file system of a folder. On one
// that has room for bytes and none for files, that is nothing. Not all count
// files.
func freeSpace(dir string) (int64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	if stat.Files > 0 && stat.Ffree < reservedNames {
		return 0, nil
	}
	return int64(stat.Bavail) * int64(stat.Bsize), nil
}

// isOtherMount reports whether a rename failed as it leads to another mount.
func isOtherMount(err error) bool { return errors.Is(err, unix.EXDEV) }

// isFolder reports whether a rename failed as a folder has the name.
func isFolder(err error) bool { return errors.Is(err, unix.EISDIR) }
