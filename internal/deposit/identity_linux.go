package deposit

import (
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"ota/internal/kit/beneath"
)

func identify(info fs.FileInfo) identity {
	return fromStat(info.Sys().(*unix.Stat_t))
}

// identifyOpen is identify for an open file.
func identifyOpen(file *os.File) (identity, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &stat); err != nil {
		return identity{}, fmt.Errorf("cannot look at %q: %w", file.Name(), err)
	}
	return fromStat(&stat), nil
}

func fromStat(stat *unix.Stat_t) identity {
	return identity{
		dev:   stat.Dev,
		ino:   stat.Ino,
		size:  stat.Size,
		mtime: unix.TimespecToNsec(stat.Mtim),
		ctime: unix.TimespecToNsec(stat.Ctim),
		mode:  stat.Mode,
		nlink: uint64(stat.Nlink), // 32 bits on arm
	}
}

// describe says what is neither file nor folder nor link.
func (i identity) describe() string {
	switch i.mode & unix.S_IFMT {
	case unix.S_IFIFO:
		return "a named pipe (FIFO)"
	case unix.S_IFSOCK:
		return "a socket"
	case unix.S_IFBLK, unix.S_IFCHR:
		return "a device"
	default:
		return "neither a file nor a folder nor a link"
	}
}

// special reports which of the bits that are never taken a file has.
func (i identity) special() []string {
	var found []string
	for _, one := range []struct {
		bit  uint32
		name string
	}{{unix.S_ISUID, "setuid"}, {unix.S_ISGID, "setgid"}, {unix.S_ISVTX, "sticky"}, {unix.S_IWOTH, "world-writable"}} {
		if i.mode&one.bit != 0 {
			found = append(found, one.name)
		}
	}
	return found
}

// gone are the errors for a path that is not what it was when it was listed.
var gone = []error{
	fs.ErrNotExist, beneath.ErrInTheWay,
	unix.ELOOP,       // a link where a file was
	unix.EINVAL,      // no link where one was
	unix.ENXIO,       // a socket
	unix.EWOULDBLOCK, // a file that somebody has a lease on
}

// errOtherMount is the error of a rename to another mount.
const errOtherMount = unix.EXDEV

// removeFolder removes an empty folder, and never anything else that has got
// its name.
func removeFolder(parent *beneath.Dir, name string) error {
	folder, err := parent.OpenFile(".", unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer folder.Close()
	return unix.Unlinkat(int(folder.Fd()), name, unix.AT_REMOVEDIR)
}
