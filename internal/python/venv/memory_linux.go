package venv

import "golang.org/x/sys/unix"

// memoryOfMachine is the memory that there is, without swap.
func memoryOfMachine() uint64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return uint64(info.Totalram) * uint64(max(info.Unit, 1))
}
