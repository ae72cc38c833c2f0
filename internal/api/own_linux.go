package api

import (
	"os"
	"syscall"
	"time"

	"ota/internal/kit/proc"
)

// ownUsage is what this process has used and holds.
func ownUsage() (cpu time.Duration, memory int64, ok bool) {
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) != nil {
		return 0, 0, false
	}
	stat, err := proc.Read(os.Getpid())
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()), stat.Resident * int64(os.Getpagesize()), err == nil
}
