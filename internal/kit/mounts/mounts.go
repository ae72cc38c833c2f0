// Package mounts knows what is mounted where.
//
// In: the kernel's table of mounts. Out: the type of the file system that an
// open folder is on, whether the kernel tells of all changes there, and when
// the table changes. Never: a mount of our own.
package mounts

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Mount is a line of the table.
type Mount struct {
	ID    int
	Point string // where it is mounted, any bytes
	Type  string // of the file system, as "ext4" or "fuse.sshfs"
	// Device is the number of the disk, as "8:1".
	Device string
}

// Distant reports whether files on this type of file system can be changed
// without the kernel telling of it (inotify): they are on another machine, or
// below a layer. The name is all there is to go by: what statfs(2) tells may
// be the type of the host's file system.
func Distant(fsType string) bool {
	for _, prefix := range []string{"fuse", "nfs"} {
		if strings.HasPrefix(fsType, prefix) {
			return true
		}
	}
	return slices.Contains(distant, fsType)
}

var distant = []string{
	"9p", "afs", "aufs", "ceph", "cifs", "drvfs", "overlay", "prl_fs",
	"smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs",
}

// Parse reads /proc/self/mountinfo (proc_pid_mountinfo(5)).
func Parse(table string) ([]Mount, error) {
	var mounts []Mount
	for line := range strings.Lines(table) {
		mount, err := parseLine(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, err
		}
		mounts = append(mounts, mount)
	}
	return mounts, nil
}

// parseLine reads "36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/x rw":
// any number of optional fields stands before the single hyphen.
func parseLine(line string) (Mount, error) {
	fields := strings.Split(line, " ")
	const beforeOptional = 6
	if len(fields) < beforeOptional {
		return Mount{}, fmt.Errorf("%q is not a line of a mount table", line)
	}
	hyphen := slices.Index(fields[beforeOptional:], "-") + beforeOptional
	if hyphen < beforeOptional || hyphen+1 >= len(fields) {
		return Mount{}, fmt.Errorf("%q does not tell the type of the file system", line)
	}
	id, err := strconv.Atoi(fields[0])
	if err != nil {
		return Mount{}, fmt.Errorf("%q does not begin with a number", line)
	}
	return Mount{id, unescape(fields[4]), unescape(fields[hyphen+1]), fields[2]}, nil
}

// unescape turns the kernel's \ooo for space, tab, newline and backslash back.
func unescape(field string) string {
	if !strings.Contains(field, `\`) {
		return field
	}
	var plain strings.Builder
	for len(field) > 0 {
		if len(field) >= 4 && field[0] == '\\' {
			if code, err := strconv.ParseUint(field[1:4], 8, 8); err == nil {
				plain.WriteByte(byte(code))
				field = field[4:]
				continue
			}
		}
		plain.WriteByte(field[0])
		field = field[1:]
	}
	return plain.String()
}
