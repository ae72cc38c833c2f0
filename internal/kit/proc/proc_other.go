//go:build !linux

package proc

// BootID is empty: identities are compared on Linux only.
func BootID() string { return "" }
