package beneath

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Dir is one open folder. Names given to its methods are single names.
type Dir struct {
	file *os.File
}

func openTop(path string) (*Dir, error) {
	file, err := os.OpenFile(path, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return &Dir{file}, nil
}

func (d *Dir) close() { d.file.Close() }

func (d *Dir) fd() int { return int(d.file.Fd()) }

func (d *Dir) sub(name string) (*Dir, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(d.fd(), name, flags, 0)
	// ENOTDIR: a file; ELOOP: a link, on kernels that look at that first.
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil, ErrInTheWay
	}
	if err != nil {
		return nil, d.failed("open", name, err)
	}
	return &Dir{os.NewFile(uintptr(fd), name)}, nil
}

// Lstat returns what stands at name, without following a link.
func (d *Dir) Lstat(name string) (fs.FileInfo, error) {
	var stat unix.Stat_t
	if err := unix.Fstatat(d.fd(), name, &stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return nil, d.failed("lstat", name, err)
	}
	return fileInfo{name, stat}, nil
}

// OpenFile opens name, never through a link.
func (d *Dir) OpenFile(name string, flags int, mode fs.FileMode) (*os.File, error) {
	fd, err := unix.Openat(d.fd(), name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(mode.Perm()))
	if err != nil {
		return nil, d.failed("open", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Mkdir makes a folder.
func (d *Dir) Mkdir(name string) error {
	return d.failed("mkdir", name, unix.Mkdirat(d.fd(), name, 0o755))
}

// Symlink makes a symbolic link.
func (d *Dir) Symlink(target, name string) error {
	return d.failed("symlink", name, unix.Symlinkat(target, d.fd(), name))
}

// Readlink returns a link's target.
func (d *Dir) Readlink(name string) (string, error) {
	buffer := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(d.fd(), name, buffer)
	if err != nil {
		return "", d.failed("readlink", name, err)
	}
	return string(buffer[:n]), nil
}

// Remove removes a file or link, or an empty folder.
func (d *Dir) Remove(name string) error {
	err := unix.Unlinkat(d.fd(), name, 0)
	if errors.Is(err, unix.EISDIR) {
		err = unix.Unlinkat(d.fd(), name, unix.AT_REMOVEDIR)
	}
	return d.failed("remove", name, err)
}

// Names lists the folder.
func (d *Dir) Names() ([]string, error) {
	if _, err := d.file.Seek(0, 0); err != nil {
		return nil, err
	}
	return d.file.Readdirnames(-1)
}

// Chtimes sets the modification time of a file or link to t, to the nanosecond.
func (d *Dir) Chtimes(name string, t time.Time) error {
	spec, err := unix.TimeToTimespec(t)
	if err != nil {
		return d.failed("set the time of", name, err)
	}
	times := []unix.Timespec{spec, spec}
	return d.failed("set the time of", name, unix.UtimesNanoAt(d.fd(), name, times, unix.AT_SYMLINK_NOFOLLOW))
}

// Rename moves from's name to to's, replacing a file there.
func Rename(from *Dir, name string, to *Dir, newName string) error {
	return rename(from, name, to, newName, unix.Renameat(from.fd(), name, to.fd(), newName))
}

// RenameNew is Rename that fails with fs.ErrExist rather than replace. Where
// the system lacks that, it looks first: good enough where nobody else writes.
func RenameNew(from *Dir, name string, to *Dir, newName string) error {
	err := unix.Renameat2(from.fd(), name, to.fd(), newName, unix.RENAME_NOREPLACE)
	if !lacking(err) {
		return rename(from, name, to, newName, err)
	}
	if _, err := to.Lstat(newName); err == nil {
		return rename(from, name, to, newName, unix.EEXIST)
	}
	return Rename(from, name, to, newName)
}

// Exchange makes two names change places at once (renameat2(2)). The error is
// errors.ErrUnsupported where the kernel or the file system can't.
func Exchange(from *Dir, name string, to *Dir, newName string) error {
	err := unix.Renameat2(from.fd(), name, to.fd(), newName, unix.RENAME_EXCHANGE)
	if lacking(err) {
		return errors.ErrUnsupported
	}
	return rename(from, name, to, newName, err)
}

// SameMount reports whether names can be renamed between two folders. The
// kernel compares the mounts before it looks at the names, so asking for a
// name that is not there changes nothing. Parts of one mount that can't be
// renamed between (btrfs subvolumes) have different device numbers.
func SameMount(a, b *Dir) (bool, error) {
	const nobody = ".ota-no-such-name"
	if err := unix.Renameat(a.fd(), nobody, b.fd(), nobody); errors.Is(err, unix.EXDEV) {
		return false, nil
	} else if err == nil || !errors.Is(err, unix.ENOENT) {
		return false, rename(a, nobody, b, nobody, err)
	}
	var statA, statB unix.Stat_t
	if err := errors.Join(unix.Fstat(a.fd(), &statA), unix.Fstat(b.fd(), &statB)); err != nil {
		return false, err
	}
	return statA.Dev == statB.Dev, nil
}

func lacking(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP)
}

func (d *Dir) failed(act, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: act, Path: d.file.Name() + "/" + name, Err: err}
}

func rename(from *Dir, name string, to *Dir, newName string, err error) error {
	if err == nil {
		return nil
	}
	return &os.LinkError{Op: "rename", Old: from.file.Name() + "/" + name, New: to.file.Name() + "/" + newName, Err: err}
}

// fileInfo is what fstatat(2) tells, as fs.FileInfo; Sys returns *unix.Stat_t.
type fileInfo struct {
	name string
	stat unix.Stat_t
}

func (i fileInfo) Name() string       { return i.name }
func (i fileInfo) Size() int64        { return i.stat.Size }
func (i fileInfo) IsDir() bool        { return i.Mode().IsDir() }
func (i fileInfo) Sys() any           { return &i.stat }
func (i fileInfo) ModTime() time.Time { return time.Unix(i.stat.Mtim.Unix()) }

func (i fileInfo) Mode() fs.FileMode {
	mode := fs.FileMode(i.stat.Mode & 0o777)
	switch i.stat.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return mode
	case unix.S_IFDIR:
		return mode | fs.ModeDir
	case unix.S_IFLNK:
		return mode | fs.ModeSymlink
	default:
		return mode | fs.ModeIrregular
	}
}
