package handover

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Bag holds open files for the next program: copies of descriptors, so that
// whoever has the originals may close them. One goroutine may use it at a time.
type Bag struct {
	files []File
}

// Put adds a file.
func (b *Bag) Put(name string, kind Kind, file syscall.Conn) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return fmt.Errorf("cannot hand over %s: %w", name, err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = b.put(name, kind, int(fd)) })
	if err == nil {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("cannot hand over %s: %w", name, err)
	}
	return nil
}

func (b *Bag) put(name string, kind Kind, fd int) error {
	const behindStandard = 3
	copied, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, behindStandard)
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	one := File{Name: name, Kind: kind, FD: copied}
	if one.Dev, one.Ino, err = identity(copied); err != nil {
		unix.Close(copied)
		return err
	}
	b.files = append(b.files, one)
	return nil
}

// Close closes the copies.
func (b *Bag) Close() {
	for _, one := range b.files {
		unix.Close(one.FD)
	}
	b.files = nil
}

func identity(fd int) (dev, ino uint64, err error) {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return 0, 0, os.NewSyscallError("fstat", err)
	}
	return uint64(stat.Dev), stat.Ino, nil
}

// check says whether a descriptor is the file that it should be.
func (f File) check() error {
	var stat unix.Stat_t
	if err := unix.Fstat(f.FD, &stat); err != nil {
		return fmt.Errorf("%s is not open: %w", f.Name, os.NewSyscallError("fstat", err))
	}
	if uint64(stat.Dev) != f.Dev || stat.Ino != f.Ino {
		return fmt.Errorf("%s is another file", f.Name)
	}
	mode, isKind := stat.Mode&unix.S_IFMT, false
	switch f.Kind {
	case Pipe:
		isKind = mode == unix.S_IFIFO
	case Plain:
		isKind = mode == unix.S_IFREG || mode == unix.S_IFDIR
	case Listener:
		isKind = f.option(unix.SO_ACCEPTCONN) == 1
	case Datagram:
		isKind = f.option(unix.SO_TYPE) == unix.SOCK_DGRAM
	}
	if !isKind {
		return fmt.Errorf("%s is no %s", f.Name, f.Kind)
	}
	return nil
}

func (f File) option(name int) int {
	value, err := unix.GetsockoptInt(f.FD, unix.SOL_SOCKET, name)
	if err != nil {
		return -1
	}
	return value
}

// inMemory returns a descriptor of a file that holds text and is nowhere.
func inMemory(text []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("ota-handover", unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3, where nobody asks for the seal either
		fd, err = unix.MemfdCreate("ota-handover", unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	file := os.NewFile(uintptr(fd), "handover")
	if _, err := file.Write(text); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// heirloom makes a descriptor one that the next program gets, or not.
func heirloom(fd int, kept bool) error {
	flags := unix.FD_CLOEXEC
	if kept {
		flags = 0
	}
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, flags)
	return os.NewSyscallError("fcntl", err)
}

func descriptor(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
