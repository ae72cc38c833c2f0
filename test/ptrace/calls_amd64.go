//go:build linux

package ptrace

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// condition is what must hold beside the number for a call to count.
type condition string

const (
	always        condition = ""
	opensToWrite  condition = "opens to write" // the flags in an argument create or empty a file
	clones        condition = "clones"         // the ioctl in an argument is one that shares blocks
	writesToFile  condition = "writes to file" // and not to a pipe, socket or terminal
	bindsToFile   condition = "binds to file"  // the address in an argument is a path
	opensByStruct condition = "opens by struct"
)

// place says in which arguments a path is found.
type place struct {
	folder int // argument with the folder's descriptor; -1: the working directory
	path   int // argument with the address of the path; -1: the descriptor is all there is
}

func at(argument int) *place   { return &place{argument, argument + 1} }
func path(argument int) *place { return &place{-1, argument} }
func file(argument int) *place { return &place{argument, -1} }

// known is a system call that may change the disk.
type known struct {
	name     string
	path, to *place
	when     condition
	argument int // that the condition looks at
}

// calls is every call of Linux on amd64 through which files change, but for
// stores to mapped memory, which are none.
var calls = map[uint64]known{
	unix.SYS_OPEN:    {name: "open", path: path(0), when: opensToWrite, argument: 1},
	unix.SYS_OPENAT:  {name: "openat", path: at(0), when: opensToWrite, argument: 2},
	unix.SYS_OPENAT2: {name: "openat2", path: at(0), when: opensByStruct, argument: 2},
	unix.SYS_CREAT:   {name: "creat", path: path(0)},

	unix.SYS_WRITE:           {name: "write", path: file(0), when: writesToFile},
	unix.SYS_PWRITE64:        {name: "pwrite64", path: file(0), when: writesToFile},
	unix.SYS_WRITEV:          {name: "writev", path: file(0), when: writesToFile},
	unix.SYS_PWRITEV:         {name: "pwritev", path: file(0), when: writesToFile},
	unix.SYS_PWRITEV2:        {name: "pwritev2", path: file(0), when: writesToFile},
	unix.SYS_SENDFILE:        {name: "sendfile", path: file(0), when: writesToFile},
	unix.SYS_SPLICE:          {name: "splice", path: file(2), when: writesToFile, argument: 2},
	unix.SYS_COPY_FILE_RANGE: {name: "copy_file_range", path: file(2), when: writesToFile, argument: 2},
	unix.SYS_IOCTL:           {name: "ioctl", path: file(0), when: clones, argument: 1},
	unix.SYS_TRUNCATE:        {name: "truncate", path: path(0)},
	unix.SYS_FTRUNCATE:       {name: "ftruncate", path: file(0)},
	unix.SYS_FALLOCATE:       {name: "fallocate", path: file(0)},

	unix.SYS_RENAME:    {name: "rename", path: path(0), to: path(1)},
	unix.SYS_RENAMEAT:  {name: "renameat", path: at(0), to: at(2)},
	unix.SYS_RENAMEAT2: {name: "renameat2", path: at(0), to: at(2)},
	unix.SYS_LINK:      {name: "link", path: path(0), to: path(1)},
	unix.SYS_LINKAT:    {name: "linkat", path: at(0), to: at(2)},
	unix.SYS_SYMLINK:   {name: "symlink", path: path(1)},
	unix.SYS_SYMLINKAT: {name: "symlinkat", path: at(1)},
	unix.SYS_UNLINK:    {name: "unlink", path: path(0)},
	unix.SYS_UNLINKAT:  {name: "unlinkat", path: at(0)},
	unix.SYS_MKDIR:     {name: "mkdir", path: path(0)},
	unix.SYS_MKDIRAT:   {name: "mkdirat", path: at(0)},
	unix.SYS_RMDIR:     {name: "rmdir", path: path(0)},
	unix.SYS_MKNOD:     {name: "mknod", path: path(0)},
	unix.SYS_MKNODAT:   {name: "mknodat", path: at(0)},
	unix.SYS_BIND:      {name: "bind", when: bindsToFile, argument: 1},

	unix.SYS_CHMOD:        {name: "chmod", path: path(0)},
	unix.SYS_FCHMOD:       {name: "fchmod", path: file(0)},
	unix.SYS_FCHMODAT:     {name: "fchmodat", path: at(0)},
	unix.SYS_FCHMODAT2:    {name: "fchmodat2", path: at(0)},
	unix.SYS_CHOWN:        {name: "chown", path: path(0)},
	unix.SYS_LCHOWN:       {name: "lchown", path: path(0)},
	unix.SYS_FCHOWN:       {name: "fchown", path: file(0)},
	unix.SYS_FCHOWNAT:     {name: "fchownat", path: at(0)},
	unix.SYS_UTIME:        {name: "utime", path: path(0)},
	unix.SYS_UTIMES:       {name: "utimes", path: path(0)},
	unix.SYS_FUTIMESAT:    {name: "futimesat", path: at(0)},
	unix.SYS_UTIMENSAT:    {name: "utimensat", path: at(0)},
	unix.SYS_SETXATTR:     {name: "setxattr", path: path(0)},
	unix.SYS_LSETXATTR:    {name: "lsetxattr", path: path(0)},
	unix.SYS_FSETXATTR:    {name: "fsetxattr", path: file(0)},
	unix.SYS_REMOVEXATTR:  {name: "removexattr", path: path(0)},
	unix.SYS_LREMOVEXATTR: {name: "lremovexattr", path: path(0)},
	unix.SYS_FREMOVEXATTR: {name: "fremovexattr", path: file(0)},

	unix.SYS_FSYNC:           {name: "fsync", path: file(0)},
	unix.SYS_FDATASYNC:       {name: "fdatasync", path: file(0)},
	unix.SYS_SYNC_FILE_RANGE: {name: "sync_file_range", path: file(0)},
	unix.SYS_SYNCFS:          {name: "syncfs", path: file(0)},
	unix.SYS_SYNC:            {name: "sync"},
}

// makers are the calls that make a descriptor and nothing else, but for dup2 and
// its like, which replace one.
var makers = map[uint64]known{
	unix.SYS_OPEN:           {name: "open", path: path(0)},
	unix.SYS_OPENAT:         {name: "openat", path: at(0)},
	unix.SYS_OPENAT2:        {name: "openat2", path: at(0)},
	unix.SYS_PIPE:           {name: "pipe"},
	unix.SYS_PIPE2:          {name: "pipe2"},
	unix.SYS_SOCKET:         {name: "socket"},
	unix.SYS_SOCKETPAIR:     {name: "socketpair"},
	unix.SYS_ACCEPT:         {name: "accept"},
	unix.SYS_ACCEPT4:        {name: "accept4"},
	unix.SYS_DUP:            {name: "dup"},
	unix.SYS_EPOLL_CREATE:   {name: "epoll_create"},
	unix.SYS_EPOLL_CREATE1:  {name: "epoll_create1"},
	unix.SYS_EVENTFD:        {name: "eventfd"},
	unix.SYS_EVENTFD2:       {name: "eventfd2"},
	unix.SYS_INOTIFY_INIT:   {name: "inotify_init"},
	unix.SYS_INOTIFY_INIT1:  {name: "inotify_init1"},
	unix.SYS_TIMERFD_CREATE: {name: "timerfd_create"},
	unix.SYS_SIGNALFD4:      {name: "signalfd4"},
	unix.SYS_MEMFD_CREATE:   {name: "memfd_create"},
	unix.SYS_PIDFD_OPEN:     {name: "pidfd_open"},
}

// callsOf are the calls that a run asks about, by their numbers.
func callsOf(also []Kind) map[uint64]known {
	if !slices.Contains(also, Descriptors) {
		return calls
	}
	asked := maps.Clone(calls)
	maps.Copy(asked, makers)
	return asked
}

// describe says what the call that tid is about to make changes; ok is false
// if it is none of those asked about.
func describe(tid int, regs *unix.PtraceRegs, calls map[uint64]known) (call Call, ok bool) {
	entry, isKnown := calls[regs.Orig_rax]
	if !isKnown {
		return Call{}, false
	}
	arguments := [6]uint64{regs.Rdi, regs.Rsi, regs.Rdx, regs.R10, regs.R8, regs.R9}
	call = Call{Name: entry.name}
	switch entry.when {
	case writesToFile:
		if !isRegular(tid, arguments[entry.argument]) {
			return Call{}, false
		}
	case opensByStruct:
		var how [8]byte // struct open_how begins with the flags
		readMemory(tid, arguments[entry.argument], how[:])
		if how[0]&unix.O_CREAT == 0 && how[1]&(unix.O_TRUNC>>8) == 0 {
			return Call{}, false
		}
	case bindsToFile:
		call.Path = socketPath(tid, arguments[entry.argument], arguments[entry.argument+1])
		return call, call.Path != ""
	}
	call.Path = entry.path.read(tid, arguments)
	call.To = entry.to.read(tid, arguments)
	return call, true
}

// answer makes the call return an error without happening.
func answer(regs *unix.PtraceRegs, errno syscall.Errno) {
	regs.Orig_rax = ^uint64(0)
	regs.Rax = -uint64(errno)
}

// read returns the path found at this place, absolute where it can be told.
func (p *place) read(tid int, arguments [6]uint64) string {
	if p == nil {
		return ""
	}
	name := ""
	if p.path >= 0 {
		name = readString(tid, arguments[p.path])
	}
	if filepath.IsAbs(name) {
		return name
	}
	from := "cwd"
	if p.folder >= 0 && int32(arguments[p.folder]) != unix.AT_FDCWD {
		from = fmt.Sprintf("fd/%d", int32(arguments[p.folder]))
	}
	folder, err := os.Readlink(fmt.Sprintf("/proc/%d/%s", tid, from))
	if err != nil {
		return name
	}
	return filepath.Join(folder, name)
}

func isRegular(tid int, descriptor uint64) bool {
	info, err := os.Stat(fmt.Sprintf("/proc/%d/fd/%d", tid, int32(descriptor)))
	return err == nil && info.Mode().IsRegular()
}

// socketPath is the path in a struct sockaddr_un, "" if it is another address.
func socketPath(tid int, address, size uint64) string {
	sockaddr := make([]byte, min(size, unix.SizeofSockaddrUnix))
	sockaddr = sockaddr[:readMemory(tid, address, sockaddr)]
	if len(sockaddr) < 3 || uint16(sockaddr[0])|uint16(sockaddr[1])<<8 != unix.AF_UNIX {
		return ""
	}
	name, _, _ := strings.Cut(string(sockaddr[2:]), "\x00")
	return name
}

// readString reads up to the zero byte, a page at a time: the next page may
// not be there.
func readString(tid int, address uint64) string {
	const page = 4096
	var text []byte
	for address != 0 && len(text) < unix.PathMax {
		chunk := make([]byte, page-address%page)
		chunk = chunk[:readMemory(tid, address, chunk)]
		before, _, found := bytes.Cut(chunk, []byte{0})
		text = append(text, before...)
		if found || len(chunk) == 0 {
			break
		}
		address += uint64(len(chunk))
	}
	return string(text)
}

func readMemory(tid int, address uint64, into []byte) int {
	if len(into) == 0 {
		return 0
	}
	local := []unix.Iovec{{Base: &into[0], Len: uint64(len(into))}}
	remote := []unix.RemoteIovec{{Base: uintptr(address), Len: len(into)}}
	n, err := unix.ProcessVMReadv(tid, local, remote, 0)
	if err != nil {
		return 0
	}
	return n
}
