//go:build linux

package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// fact is one line about where and on what something was measured.
type fact struct{ Name, Value string }

func describeMachine(dir string, versions []string) []fact {
	return []fact{
		{"date", time.Now().Format("2 January 2006")},
		{"processor", fmt.Sprintf("%s (%s), %d cores", processorName(), runtime.GOARCH, runtime.NumCPU())},
		{"memory", memorySize()},
		{"kernel", kernelName()},
		{"file system", fileSystem(dir)},
		{"versions", strings.Join(versions, ", ")},
	}
}

// processorName is that of a board where there is one: a Raspberry Pi says more
// there than in its processor's name.
func processorName() string {
	if model, err := os.ReadFile("/proc/device-tree/model"); err == nil {
		return strings.TrimRight(string(model), "\x00")
	}
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func memorySize() string {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return "unknown"
	}
	kilobytes, err := parseField(text, "MemTotal")
	if err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%d MB", kilobytes*1024/1e6)
}

func kernelName() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(name.Sysname[:]) + " " + unix.ByteSliceToString(name.Release[:])
}

// fileSystem is the type of the mount below which dir lies: the one whose
// mount point is the longest beginning of it.
func fileSystem(dir string) string {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "unknown"
	}
	return mountOf(string(text), dir).kind
}

// mount is a line of mountinfo.
type mount struct{ kind, source string }

// mountOf finds the mount below which dir lies.
func mountOf(mountinfo, dir string) mount {
	found, longest := mount{kind: "unknown"}, -1
	for line := range strings.Lines(mountinfo) {
		before, after, split := strings.Cut(line, " - ")
		fields, origin := strings.Fields(before), strings.Fields(after)
		if !split || len(fields) < 5 || len(origin) < 2 {
			continue
		}
		point := strings.TrimSuffix(fields[4], "/")
		if (dir == point || strings.HasPrefix(dir, point+"/")) && len(point) >= longest {
			found, longest = mount{kind: origin[0], source: origin[1]}, len(point)
		}
	}
	return found
}
