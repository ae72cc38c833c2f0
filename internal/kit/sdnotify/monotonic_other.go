//go:build !linux

package sdnotify

// monotonic is for managers that there are on Linux only.
func monotonic() int64 { return 0 }
