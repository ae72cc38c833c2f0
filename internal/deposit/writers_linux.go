package deposit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ota/internal/kit/beneath"
)

// use is whether a program has a file open for writing.
type use string

const (
	idle    use = "idle"
	inUse   use = "in use"
	unknown use = "unknown"
)

// inode is what an open file is known by.
type inode struct{ dev, ino uint64 }

// findWriters asks the kernel about every file of the upload. A file that is
// gone or that we may not read has no writer as far as this is concerned: it
// will be noticed when the upload is sealed.
func findWriters(ctx context.Context, dir string, upload *tree) writers {
	top, err := beneath.Open(dir)
	if err != nil {
		return writers{sight: blind}
	}
	defer top.Close()
	found := writers{sight: sighted}
	doubtful := map[inode]string{}
	var before string
	for i := range upload.items {
		file := &upload.items[i]
		if file.kind != KindFile || ctx.Err() != nil {
			continue
		}
		before = Leave(top, before, parentOf(file.path))
		switch useOf(top, file.path) {
		case inUse:
			found.paths = append(found.paths, file.path)
		case unknown:
			doubtful[inode{file.id.dev, file.id.ino}] = file.path
		}
	}
	if len(doubtful) > 0 {
		open, everywhere := openForWriting(doubtful)
		found.paths = append(found.paths, open...)
		if !everywhere {
			found.sight = blind
		}
	}
	return found
}

// useOf opens the file at path and asks who else has it open.
func useOf(top *beneath.Tree, at string) use {
	parent, name, err := top.Parent(at)
	var file *os.File
	if err == nil {
		file, err = openToRead(parent, name)
	}
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return inUse // somebody has a lease: smbd, for a client that caches
	case errors.Is(changedIfGone(err), ErrChanged):
		return idle
	case err != nil:
		return unknown
	}
	defer file.Close()
	return useOfOpen(file)
}

// openToRead opens a file that a walk has seen as one. Should it be another
// thing by now, or be leased, opening it does not wait.
func openToRead(parent *beneath.Dir, name string) (*os.File, error) {
	return parent.OpenFile(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
}

// useOfOpen takes a read lease for a moment: there is none while anybody has
// the file open for writing or mapped writable, by whatever name (fcntl(2),
// "Leases"). It needs our uid to be the file's, or CAP_LEASE.
func useOfOpen(file *os.File) use {
	_, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	if errors.Is(err, unix.EAGAIN) {
		return inUse
	}
	if err != nil {
		return unknown
	}
	// Should this fail, closing the file ends the lease.
	_, _ = unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
	return idle
}

// openForWriting goes through all processes in search of these files, where a
// lease can't be had. everywhere is false if a process could not be looked at.
func openForWriting(files map[inode]string) (paths []string, everywhere bool) {
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(processes) == 0 {
		return nil, false
	}
	everywhere = true
	for _, process := range processes {
		descriptors, err := os.ReadDir(process + "/fd")
		if err != nil {
			everywhere = everywhere && errors.Is(err, os.ErrNotExist)
			continue
		}
		for _, descriptor := range descriptors {
			var stat unix.Stat_t
			if unix.Stat(process+"/fd/"+descriptor.Name(), &stat) != nil {
				continue
			}
			if path, meant := files[inode{stat.Dev, stat.Ino}]; meant && isForWriting(process, descriptor.Name()) {
				paths = append(paths, path)
				delete(files, inode{stat.Dev, stat.Ino})
			}
		}
	}
	return paths, everywhere
}

// isForWriting reads how a descriptor was opened (proc_pid_fdinfo(5)).
func isForWriting(process, descriptor string) bool {
	info, err := os.ReadFile(process + "/fdinfo/" + descriptor)
	if err != nil {
		return false
	}
	lines := bufio.NewScanner(bytes.NewReader(info))
	for lines.Scan() {
		octal, found := strings.CutPrefix(lines.Text(), "flags:")
		if !found {
			continue
		}
		flags, err := strconv.ParseUint(strings.TrimSpace(octal), 8, 64)
		return err == nil && flags&unix.O_ACCMODE != unix.O_RDONLY
	}
	return false
}
