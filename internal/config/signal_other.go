//go:build !unix

package config

import "syscall"

// named holds the signals that package syscall knows on every system.
var named = map[string]syscall.Signal{
	"SIGHUP": syscall.SIGHUP, "SIGINT": syscall.SIGINT, "SIGQUIT": syscall.SIGQUIT,
	"SIGABRT": syscall.SIGABRT, "SIGKILL": syscall.SIGKILL, "SIGALRM": syscall.SIGALRM, "SIGTERM": syscall.SIGTERM,
}

func signalByName(name string) (syscall.Signal, bool) {
	signal, ok := named[name]
	return signal, ok
}
