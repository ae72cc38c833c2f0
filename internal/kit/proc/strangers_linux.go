package proc

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Strangers says whether any child is left that was not started by [Start], and
// reaps those that have ended. With [Adopt], None means that nothing is left of
// what has come to us or descends from a child that is gone; children on the
// list and what descends from them may live. It asks the kernel for a list of
// our own children, a tenth of a millisecond where a look at all processes
// takes several; Unknown where the kernel has no such list
// (CONFIG_PROC_CHILDREN).
func Strangers() Offspring {
	children.Lock()
	defer children.Unlock()
	// One list is no picture of one moment: it is put together from those of
	// our threads, which inherit from one another; and one of it may be missing
	// when one before it is reaped meanwhile. Strangers are only reaped here
	// and in Reap, which waits for us.
	for range 2 {
		if left := strangers(); left != None {
			return left
		}
	}
	return None
}

func strangers() Offspring {
	// What a stranger leaves when it is reaped is given to us: so once more.
	for {
		all, list := childrenOf(os.Getpid())
		if list == listMissing {
			return Unknown
		}
		reaped := false
		for _, pid := range all {
			if _, ours := children.known[pid]; ours {
				continue
			}
			if got, err := unix.Wait4(pid, nil, unix.WNOHANG|unix.WALL, nil); err != nil || got != pid {
				return Some
			}
			reaped = true
		}
		switch {
		case reaped:
		case list == listCut:
			return Unknown
		default:
			return None
		}
	}
}

// list is how much of a list the kernel has told.
type list string

const (
	listWhole   list = "whole"
	listCut     list = "cut" // there are more than fit in
	listMissing list = "missing"
)

// Children says whether a process has children, of ours or not; Unknown where
// the kernel has no list of them, or the process is gone.
func Children(pid int) Offspring {
	all, told := childrenOf(pid)
	switch {
	case len(all) > 0:
		return Some
	case told == listWhole:
		return None
	default:
		return Unknown
	}
}

// childrenOf returns the children of all threads of a process.
func childrenOf(pid int) (all []int, told list) {
	tasks := "/proc/" + strconv.Itoa(pid) + "/task"
	dir, err := os.Open(tasks)
	if err != nil {
		return nil, listMissing
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, listMissing
	}
	told = listWhole
	for _, name := range names {
		var text [4096]byte
		n, err := readShort(tasks+"/"+name+"/children", text[:])
		if err != nil {
			// A thread that has ended has left its children to another, which
			// the second list shows.
			if unix.Access(tasks+"/"+name, unix.F_OK) != nil {
				continue
			}
			return nil, listMissing
		}
		fields := strings.Fields(string(text[:n]))
		if n == len(text) {
			told, fields = listCut, fields[:len(fields)-1]
		}
		for _, field := range fields {
			pid, err := strconv.Atoi(field)
			if err != nil {
				return nil, listMissing
			}
			all = append(all, pid)
		}
	}
	return all, told
}
