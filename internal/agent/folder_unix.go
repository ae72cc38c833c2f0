//go:build unix

package agent

import (
	"fmt"
	"os"
	"syscall"
)

// mark tells the programs of this folder from all others of the machine: by the
// identity of .ota, which neither a copy nor another path to it shares.
func (f folder) mark() string {
	info, err := os.Stat(f.own())
	if err != nil {
		return f.dir
	}
	stat := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%x-%x", stat.Dev, stat.Ino)
}
