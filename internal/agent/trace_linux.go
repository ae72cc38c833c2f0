package agent

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// traceOf is the trace of what is at a path itself.
func traceOf(path string) (trace, bool) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return trace{}, true
	}
	if err != nil {
		return trace{}, false
	}
	of, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return trace{}, false
	}
	return trace{inode: of.Ino, size: of.Size, changed: time.Unix(of.Ctim.Unix()), mode: info.Mode()}, true
}
