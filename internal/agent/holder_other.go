//go:build !linux

package agent

// holder is not known here without taking the lock.
func (f folder) holder() (pid int, held bool) { return 0, false }

// hasEnded is not known here.
func hasEnded(int) bool { return false }
