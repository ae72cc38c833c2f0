package program

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"ota/internal/kit/proc"
)

// measure returns the memory of the tree and adds its time of processors to the
// meter. A control group tells both in two files; the processes are gone
// through for what it does not tell.
func (h *host) measure(run *Run, m *meter) (memory int64, ok bool) {
	cpu, timed := cgroupCPU(run.group.path)
	memory, weighed := cgroupMemory(run.group.path)
	if timed {
		m.advance(run.group, cpu)
	}
	if timed && weighed {
		return memory, true
	}
	processes, err := h.processes(run, timed)
	if err != nil {
		return 0, false
	}
	if !timed {
		m.gather(processes)
	}
	if weighed {
		return memory, true
	}
	for _, one := range processes {
		memory += one.Resident * int64(os.Getpagesize())
	}
	return memory, len(processes) > 0
}

// processes returns who is of the tree. With listed those are read that the
// control group lists: it leaves out who only waits to be reaped and has no
// memory, but time that is not yet anybody else's.
func (h *host) processes(run *Run, listed bool) ([]proc.Stat, error) {
	var grouped map[int]struct{}
	if run.group.path != "" {
		grouped = cgroupMembers(run.group.path)
	}
	var all []proc.Stat
	for pid := range grouped {
		if one, err := proc.Read(pid); listed && err == nil { // it may have ended
			all = append(all, one)
		}
	}
	if !listed {
		var err error
		if all, err = proc.All(); err != nil {
			return nil, err
		}
	}
	f := h.family(run, all, grouped)
	return slices.DeleteFunc(all, func(one proc.Stat) bool { return !f.has(one) }), nil
}

// cgroupCPU returns the time of processors that a group has used since it was
// made: usage_usec in cpu.stat is there without any controller (Linux 4.15;
// Documentation/admin-guide/cgroup-v2.rst).
func cgroupCPU(path string) (time.Duration, bool) {
	text, ok := readControl(path, "cpu.stat")
	if !ok {
		return 0, false
	}
	micro, ok := keyed(text, "usage_usec")
	return time.Duration(micro) * time.Microsecond, ok
}

// cgroupMemory returns the resident memory of a group, as memory.stat tells it.
// memory.current has the cache of each file that was read besides.
func cgroupMemory(path string) (int64, bool) {
	text, ok := readControl(path, "memory.stat")
	if !ok {
		return 0, false
	}
	own, known := keyed(text, "anon")
	mapped, _ := keyed(text, "file_mapped")
	return own + mapped, known
}

// readControl reads a file of a control group.
func readControl(path, name string) ([]byte, bool) {
	if path == "" {
		return nil, false
	}
	file, err := os.Open(filepath.Join(path, name))
	if err != nil {
		return nil, false
	}
	defer file.Close()
	var text [8 << 10]byte
	n, err := io.ReadFull(file, text[:])
	return text[:n], err == nil || errors.Is(err, io.ErrUnexpectedEOF)
}

// keyed returns the number behind a key in a file of "KEY NUMBER" lines.
func keyed(text []byte, key string) (int64, bool) {
	for line := range bytes.Lines(text) {
		name, value, ok := bytes.Cut(line, []byte(" "))
		if !ok || string(name) != key {
			continue
		}
		number, err := strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
		return number, err == nil && number >= 0
	}
	return 0, false
}
