//go:build !linux

package proc

func unmasked(start func() error) error { return start() }
