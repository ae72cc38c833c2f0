package agent

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"

	"ota/internal/kit/proc"
)

// holder tells whether a process has the lock, and its pid if that is known. It
// only looks (proc_locks(5)): to try the lock would keep an ota away that
// starts at that moment.
func (f folder) holder() (pid int, held bool) {
	file, err := os.Open(f.lockFile())
	if err != nil {
		return 0, false
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0, false
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return 0, false
	}
	return readPID(file), hasLock(string(locks), info.Sys().(*syscall.Stat_t).Ino)
}

// hasLock looks for a line like "1: FLOCK  ADVISORY  WRITE 4711 fe:00:2369 0 EOF".
func hasLock(locks string, inode uint64) bool {
	wanted := ":" + strconv.FormatUint(inode, 10)
	for line := range strings.Lines(locks) {
		fields := strings.Fields(line)
		if len(fields) >= 6 && fields[1] == "FLOCK" && strings.HasSuffix(fields[5], wanted) {
			return true
		}
	}
	return false
}

// hasEnded reports whether there is no process with this number any more, or
// one that has let go of all that it had.
func hasEnded(pid int) bool {
	stat, err := proc.Read(pid)
	return errors.Is(err, os.ErrNotExist) || err == nil && !stat.Alive()
}
