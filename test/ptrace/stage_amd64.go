//go:build linux

package ptrace

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// stageName is the first argument of this binary when it is to install the
// filter and become the traced command.
const stageName = "ptrace-stage"

// stage makes cmd run through [Main].
func stage(cmd *exec.Cmd, also []Kind) {
	var kinds []string
	for _, kind := range also {
		kinds = append(kinds, string(kind))
	}
	cmd.Args = append([]string{stageName, strings.Join(kinds, ","), cmd.Path}, cmd.Args...)
	cmd.Path = "/proc/self/exe"
}

// Main belongs first in TestMain: in the process that [Run] started it installs
// the filter and becomes the command; everywhere else it does nothing.
func Main() {
	if os.Args[0] != stageName || len(os.Args) < 4 {
		return
	}
	runtime.LockOSThread() // a filter belongs to a thread, and passes to what it executes
	var also []Kind
	for kind := range strings.SplitSeq(os.Args[1], ",") {
		also = append(also, Kind(kind))
	}
	err := installFilter(callsOf(also))
	if err == nil {
		err = syscall.Exec(os.Args[2], os.Args[3:], os.Environ())
	}
	fmt.Fprintf(os.Stderr, "cannot start %s to be traced: %v\n", os.Args[2], err)
	os.Exit(1)
}

// installFilter makes the calls that are asked about stop for the tracer.
func installFilter(calls map[uint64]known) error {
	filter := filterProgram(calls)
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// Without it only root may install a filter.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return os.NewSyscallError("seccomp", errno)
	}
	return nil
}

// Offsets in struct seccomp_data.
const (
	dataNumber    = 0
	dataArch      = 4
	dataArguments = 16 // each of 8 bytes, the low half first
)

// filterProgram stops what [describe] has to look at: as few calls as can be
// told from their arguments without reading memory.
func filterProgram(calls map[uint64]known) []unix.SockFilter {
	const (
		load       = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		ifEqual    = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		ifAnySet   = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
		answerWith = unix.BPF_RET | unix.BPF_K
		createsAny = unix.O_CREAT | unix.O_TRUNC | unix.O_TMPFILE&^unix.O_DIRECTORY
	)
	stop := unix.SockFilter{Code: answerWith, K: unix.SECCOMP_RET_TRACE}
	pass := unix.SockFilter{Code: answerWith, K: unix.SECCOMP_RET_ALLOW}
	program := []unix.SockFilter{
		{Code: load, K: dataArch},
		{Code: ifEqual, K: unix.AUDIT_ARCH_X86_64, Jt: 1},
		pass,
		{Code: load, K: dataNumber},
	}
	for number, known := range calls {
		program = append(program, unix.SockFilter{Code: ifEqual, K: uint32(number), Jf: 1})
		switch known.when {
		case opensToWrite:
			program[len(program)-1].Jf = 4
			argument := known.argument
			program = append(program,
				unix.SockFilter{Code: load, K: uint32(dataArguments + 8*argument)},
				unix.SockFilter{Code: ifAnySet, K: createsAny, Jf: 1}, stop, pass)
		case clones:
			program[len(program)-1].Jf = 5
			program = append(program,
				unix.SockFilter{Code: load, K: uint32(dataArguments + 8*known.argument)},
				unix.SockFilter{Code: ifEqual, K: unix.FICLONE, Jt: 1},
				unix.SockFilter{Code: ifEqual, K: unix.FICLONERANGE, Jf: 1}, stop, pass)
		default:
			program = append(program, stop)
		}
	}
	return append(program, pass)
}
