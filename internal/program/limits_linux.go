package program

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"ota/internal/kit/proc"
)

// ownLeaf is the control group into which ota goes itself, beside that of the
// program: a group that hands controllers on may hold no process.
const ownLeaf = "ota-self"

// errNotDelegated: the group is another's to change.
var errNotDelegated = errors.New("ota's own control group is not delegated to it (Delegate=yes in its unit)")

// limit sets the limits of a program that has just been started. Without them
// it runs as well.
func (r *Room) limit(spec Spec, pid int) {
	if spec.Nice != 0 {
		if err := setNice(pid, spec.Nice); err != nil {
			r.log.Warn("the program's priority can't be set", "nice", spec.Nice, "error", err)
		}
	}
	err := r.host.limitMemory(spec.MemoryMax)
	r.host.kills.Store(int64(r.host.countKills()))
	if err == nil || spec.MemoryMax <= 0 {
		return
	}
	r.log.Debug("no control group limits the program's memory: each of its processes is limited by itself", "reason", err)
	most := unix.Rlimit{Cur: uint64(spec.MemoryMax), Max: uint64(spec.MemoryMax)}
	// What is reserved and not used counts for RLIMIT_AS, and some programs
	// reserve a lot; RLIMIT_DATA is of what they may write to.
	if err := unix.Prlimit(pid, unix.RLIMIT_DATA, &most, nil); err != nil {
		r.log.Warn("the program's memory can't be limited", "memory_max", spec.MemoryMax, "error", os.NewSyscallError("prlimit", err))
	}
}

// setNice sets the priority of the program's group: whoever it starts has it
// from there.
func setNice(pid, nice int) error {
	if err := unix.Setpriority(unix.PRIO_PGRP, pid, nice); err != nil {
		return os.NewSyscallError("setpriority", err)
	}
	// With autogroups (sched(7)) that counts within the session alone, and
	// the program has one of its own. Not every kernel has them.
	_ = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/autogroup", []byte(strconv.Itoa(nice)), 0)
	return nil
}

// limitMemory limits the memory of the control group, 0: not any more.
func (h *host) limitMemory(most int64) error {
	if h.group == nil {
		return errNoCgroup
	}
	path := filepath.Join(h.group.path, "memory.max")
	if _, err := os.Stat(path); err != nil {
		if most <= 0 {
			return nil
		}
		if err := delegate(filepath.Dir(h.group.path), "memory"); err != nil {
			return err
		}
	}
	value := "max"
	if most > 0 {
		value = strconv.FormatInt(most, 10)
	}
	return writeControl(path, value)
}

// delegate makes a controller available in the groups below path.
func delegate(path, controller string) error {
	offered, err := os.ReadFile(filepath.Join(path, "cgroup.controllers"))
	if err != nil {
		return err
	}
	if !hasWord(offered, controller) {
		return errors.New("no controller " + controller + " in " + path)
	}
	control := filepath.Join(path, "cgroup.subtree_control")
	err = writeControl(control, "+"+controller)
	if !errors.Is(err, unix.EBUSY) {
		return err
	}
	// There are processes in it. If it was made for us, we are.
	if !isDelegated(path) {
		return errNotDelegated
	}
	if err := leave(path); err != nil {
		return err
	}
	return writeControl(control, "+"+controller)
}

// isDelegated says whether systemd has left a group to us, see
// systemd.resource-control(5) and its text on delegation.
func isDelegated(path string) bool {
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		var value [2]byte
		if n, err := unix.Getxattr(path, name, value[:]); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	return false
}

// leave moves us, and the children that somebody of ours waits for, out of a
// group into one below it.
func leave(path string) error {
	leaf := filepath.Join(path, ownLeaf)
	if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	members, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
	if err != nil {
		return err
	}
	known := proc.Known()
	for _, field := range bytes.Fields(members) {
		pid, err := strconv.Atoi(string(field))
		if _, ours := known[pid]; err != nil || !ours && pid != os.Getpid() {
			continue // with a stranger in it the next step fails, as it should
		}
		if err := writeControl(filepath.Join(leaf, "cgroup.procs"), string(field)); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}

// writeControl writes to a file of a control group, which must be there.
func writeControl(path, value string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(value)
	return errors.Join(err, file.Close())
}

func hasWord(text []byte, word string) bool {
	for field := range bytes.FieldsSeq(text) {
		if string(field) == word {
			return true
		}
	}
	return false
}

// outOfMemory says whether the program ended so because the kernel killed one
// of the tree for want of memory. Only who was killed counts, or a shell that
// tells it of its child: a worker killed long ago is no reason for an end now.
func (h *host) outOfMemory(exit Exit) bool {
	return exit.Code == 128+int(syscall.SIGKILL) && int64(h.countKills()) > h.kills.Load()
}

// countKills returns how often the kernel has killed in the control group for
// want of memory.
func (h *host) countKills() int {
	if h.group == nil {
		return 0
	}
	text, err := os.ReadFile(filepath.Join(h.group.path, "memory.events"))
	if err != nil {
		return 0
	}
	return killsIn(text)
}

func killsIn(events []byte) int {
	count, _ := keyed(events, "oom_kill")
	return int(count)
}
