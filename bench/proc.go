//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// usage is what some processes have used since they began.
type usage struct {
	processor    time.Duration
	wakeups      int64 // times that a thread went to sleep, and so had been woken
	resident     int64 // bytes, pages shared between them counted in each
	proportional int64 // bytes, each shared page divided among all that share it
}

// measureTree adds up the process root and its descendants, but not those of
// the process without. Reading /proc wakes none of them.
func measureTree(root, without int) (usage, error) {
	parents, err := readParents()
	if err != nil {
		return usage{}, err
	}
	var sum usage
	for _, pid := range below(parents, root, without) {
		one, err := measureProcess(pid)
		if gone(err) {
			continue
		}
		if err != nil {
			return usage{}, err
		}
		sum.processor += one.processor
		sum.wakeups += one.wakeups
		sum.resident += one.resident
		sum.proportional += one.proportional
	}
	return sum, nil
}

// readParents maps every process to its parent.
func readParents() (map[int]int, error) {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	parents := make(map[int]int, len(paths))
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		pid, parent, err := parseStat(text)
		if err != nil {
			return nil, err
		}
		parents[pid] = parent
	}
	return parents, nil
}

// parseStat reads /proc/PID/stat, in which the name of the program stands in
// parentheses and may itself hold any of them, and blanks (proc(5)).
func parseStat(text []byte) (pid, parent int, err error) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return 0, 0, fmt.Errorf("cannot read process state %q", text)
	}
	pid, err = strconv.Atoi(string(bytes.TrimSpace(text[:open])))
	fields := bytes.Fields(text[end+1:])
	if err != nil || len(fields) < 2 {
		return 0, 0, fmt.Errorf("cannot read process state %q", text)
	}
	parent, err = strconv.Atoi(string(fields[1]))
	return pid, parent, err
}

// below lists root and all that descends from it, leaving out without and all
// that descends from that.
func below(parents map[int]int, root, without int) []int {
	var found []int
	for pid := range parents {
		for at := pid; at > 0 && at != without; at = parents[at] {
			if at == root {
				found = append(found, pid)
				break
			}
		}
	}
	return found
}

func measureProcess(pid int) (usage, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	var sum usage
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return usage{}, err
	}
	if sum.resident, err = parseField(status, "VmRSS"); err != nil {
		return usage{}, err
	}
	sum.resident *= 1024
	rollup, err := os.ReadFile(filepath.Join(dir, "smaps_rollup"))
	if err != nil {
		return usage{}, err
	}
	if sum.proportional, err = parseField(rollup, "Pss"); err != nil {
		return usage{}, err
	}
	sum.proportional *= 1024
	threads, err := filepath.Glob(filepath.Join(dir, "task", "*"))
	if err != nil {
		return usage{}, err
	}
	for _, thread := range threads {
		if err := addThread(&sum, thread); err != nil && !gone(err) {
			return usage{}, err
		}
	}
	return sum, nil
}

func addThread(sum *usage, dir string) error {
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return err
	}
	switches, err := parseField(status, "voluntary_ctxt_switches")
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(dir, "schedstat"))
	if err != nil {
		return err
	}
	var onProcessor, waited, slices int64
	if _, err := fmt.Sscan(string(text), &onProcessor, &waited, &slices); err != nil {
		return fmt.Errorf("cannot read scheduling figures %q: %w", text, err)
	}
	sum.wakeups += switches
	sum.processor += time.Duration(onProcessor)
	return nil
}

// parseField finds the number of a line like "VmRSS:	    4711 kB".
func parseField(text []byte, name string) (int64, error) {
	for line := range bytes.Lines(text) {
		key, value, found := bytes.Cut(line, []byte(":"))
		if !found || string(key) != name {
			continue
		}
		fields := bytes.Fields(value)
		if len(fields) == 0 {
			break
		}
		return strconv.ParseInt(string(fields[0]), 10, 64)
	}
	return 0, fmt.Errorf("cannot find %s in the state of a process", name)
}

// gone tells whether a process ended while it was looked at.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// killOrphans ends all that descends from this process. The children of what
// it kills become its own, so it goes on until there are none.
func killOrphans() error {
	for {
		parents, err := readParents()
		if err != nil {
			return err
		}
		none := true
		for pid, parent := range parents {
			if parent != os.Getpid() {
				continue
			}
			none = false
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("cannot kill what a subject left: %w", err)
			}
			var status syscall.WaitStatus
			if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil && !errors.Is(err, syscall.ECHILD) {
				return fmt.Errorf("cannot wait for what a subject left: %w", err)
			}
		}
		if none {
			return nil
		}
	}
}
