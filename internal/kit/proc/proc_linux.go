package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Read returns what /proc tells of one process; an error that is
// [os.ErrNotExist] when there is no such process.
func Read(pid int) (Stat, error) {
	var buffer [1024]byte
	n, err := readShort("/proc/"+strconv.Itoa(pid)+"/stat", buffer[:])
	if err != nil {
		return Stat{}, fmt.Errorf("cannot read state of process %d: %w", pid, err)
	}
	return ParseStat(buffer[:n])
}

// All returns every process that /proc shows. It is no picture of one moment:
// what ends or starts meanwhile may be missing.
func All() ([]Stat, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("cannot list processes: %w", err)
	}
	names, err := dir.Readdirnames(-1)
	if err = errors.Join(err, dir.Close()); err != nil {
		return nil, fmt.Errorf("cannot list processes: %w", err)
	}
	all := make([]Stat, 0, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if stat, err := Read(pid); err == nil {
			all = append(all, stat)
		}
	}
	return all, nil
}

// BootID returns the name of this boot: identities of another one mean
// nothing. It is empty where the system has none.
func BootID() string { return bootID() }

var bootID = sync.OnceValue(func() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
})

// HasEnviron says whether a process was started with the environment entry
// "NAME=value". False also where it may not be known: another user's process,
// or one that has overwritten its environment.
func HasEnviron(pid int, entry string) bool {
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	return err == nil && hasEntry(environ, entry)
}

func hasEntry(environ []byte, entry string) bool {
	for rest, more := environ, true; more; {
		var one []byte
		one, rest, more = bytes.Cut(rest, []byte{0})
		if string(one) == entry {
			return true
		}
	}
	return false
}

// HoldsPipe says whether a process has one of these pipes open, each given as
// /proc/PID/fd shows it: "pipe:[4711]".
func HoldsPipe(pid int, pipes []string) bool {
	folder := "/proc/" + strconv.Itoa(pid) + "/fd"
	dir, err := os.Open(folder)
	if err != nil {
		return false
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(names, func(name string) bool {
		target, err := os.Readlink(filepath.Join(folder, name))
		return err == nil && slices.Contains(pipes, target)
	})
}

// readShort reads a small file of /proc by itself: os.ReadFile costs three
// more system calls each, and a look at all processes has hundreds.
func readShort(path string, into []byte) (int, error) {
	fd, err := retry(func() (int, error) { return unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	return retry(func() (int, error) { return unix.Read(fd, into) })
}

func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
