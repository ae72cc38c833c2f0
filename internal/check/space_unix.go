//go:build linux || darwin

package check

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func deviceOf(dir string) (uint64, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return 0, err
	}
	return uint64(info.Sys().(*syscall.Stat_t).Dev), nil
}

func free(dir string) (Need, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return Need{}, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	there := Need{Dir: dir, Bytes: int64(stat.Bavail) * int64(stat.Bsize), Files: int64(stat.Ffree)}
	if stat.Files == 0 {
		there.Files = inodesUnknown
	}
	return there, nil
}
