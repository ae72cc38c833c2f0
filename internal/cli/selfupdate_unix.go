//go:build unix

package cli

import (
	"io/fs"
	"os"
	"syscall"
)

// own gives a file to whom another one belongs.
func own(file *os.File, like fs.FileInfo) error {
	stat, ok := like.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil // only root can, and needs to
	}
	return file.Chown(int(stat.Uid), int(stat.Gid))
}
