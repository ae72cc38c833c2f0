//go:build !linux

package agent

func unmapOwnFile() {}
