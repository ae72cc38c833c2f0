//go:build !ota_nosync

package durable

import (
	"os"

	"golang.org/x/sys/unix"
)

func syncFS(dir *os.File) error { return unix.Syncfs(int(dir.Fd())) }

func syncData(file *os.File) error { return unix.Fdatasync(int(file.Fd())) }
