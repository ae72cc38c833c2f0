//go:build unix

package proc

import (
	"os"
	"os/signal"
	"syscall"
)

func notifyChildren(watcher chan os.Signal) { signal.Notify(watcher, syscall.SIGCHLD) }
