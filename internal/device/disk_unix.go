//go:build linux || darwin

package device

import "golang.org/x/sys/unix"

// space is that of the file system of a folder.
func space(folder string) *Space {
	var stat unix.Statfs_t
	if unix.Statfs(folder, &stat) != nil {
		return nil
	}
	block := int64(stat.Bsize)
	return &Space{Free: int64(stat.Bavail) * block, Total: int64(stat.Blocks) * block}
}
