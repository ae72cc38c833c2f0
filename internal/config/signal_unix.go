//go:build unix

package config

import (
	"syscall"

	"golang.org/x/sys/unix"
)

func signalByName(name string) (syscall.Signal, bool) {
	signal := unix.SignalNum(name)
	return signal, signal != 0
}
