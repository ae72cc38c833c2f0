//go:build !linux

package priority

// Elsewhere a process is as urgent as who started it.
func low(int) error { return nil }
