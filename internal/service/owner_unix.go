//go:build unix

package service

import (
	"io/fs"
	"syscall"
)

// ownerOf returns who owns a file, and how many names it has.
func ownerOf(info fs.FileInfo) (uid int, links uint64, known bool) {
	found, known := info.Sys().(*syscall.Stat_t)
	if !known {
		return 0, 0, false
	}
	return int(found.Uid), uint64(found.Nlink), true
}
