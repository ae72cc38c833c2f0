package proc

import (
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
)

// children knows whom somebody of ours is going to wait for. Orphans that the
// kernel gives to us are in the same list of the kernel, and only this map
// tells the two apart.
var children = struct {
	sync.Mutex
	known    map[int]struct{}
	watchers map[chan os.Signal]struct{}
}{
	known:    map[int]struct{}{},
	watchers: map[chan os.Signal]struct{}{},
}

// Start starts cmd and puts it on the list of children, in one step for
// whoever reaps. Every child of this process must be started here and be given
// to [Wait] soon after its end: another one is taken for an orphan and reaped.
func Start(cmd *exec.Cmd) error {
	children.Lock()
	defer children.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	children.known[cmd.Process.Pid] = struct{}{}
	return nil
}

// Inherit is Start for a child that the program before this one in the same
// process has started, and not waited for.
func Inherit(pid int) (*exec.Cmd, error) {
	children.Lock()
	defer children.Unlock()
	process, err := os.FindProcess(pid)
	if err != nil {
		return nil, err
	}
	children.known[pid] = struct{}{}
	return &exec.Cmd{Process: process}, nil
}

// Wait waits for a command started by [Start], as [exec.Cmd.Wait] does, and
// takes it off the list.
func Wait(cmd *exec.Cmd) error {
	err := cmd.Wait()
	children.Lock()
	defer children.Unlock()
	delete(children.known, cmd.Process.Pid)
	// An orphan may have hidden behind this one, see Reap.
	for watcher := range children.watchers {
		wake(watcher)
	}
	return err
}

// Run is Start and Wait.
func Run(cmd *exec.Cmd) error {
	if err := Start(cmd); err != nil {
		return err
	}
	return Wait(cmd)
}

// Known returns the children that were started by [Start] and not yet waited
// for.
func Known() map[int]struct{} {
	children.Lock()
	defer children.Unlock()
	known := make(map[int]struct{}, len(children.known))
	for pid := range children.known {
		known[pid] = struct{}{}
	}
	return known
}

// Watch returns a channel that gets a value after a child has ended, whoever
// started it. Several ends may be told by one value. It must be stopped.
func Watch() (ends <-chan os.Signal, stop func()) {
	watcher := make(chan os.Signal, 1)
	notifyChildren(watcher)
	children.Lock()
	children.watchers[watcher] = struct{}{}
	children.Unlock()
	return watcher, func() {
		signal.Stop(watcher)
		children.Lock()
		delete(children.watchers, watcher)
		children.Unlock()
	}
}

func wake(watcher chan os.Signal) {
	select {
	case watcher <- syscall.Signal(0):
	default:
	}
}
