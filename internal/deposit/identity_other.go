//go:build !linux

package deposit

import (
	"errors"
	"io/fs"
	"os"

	"ota/internal/kit/beneath"
)

// identify makes do with what every system tells; inodes and change times are
// left out, as devices run Linux.
func identify(info fs.FileInfo) identity {
	return identity{
		size:  info.Size(),
		mtime: info.ModTime().UnixNano(),
		mode:  uint32(info.Mode()),
	}
}

// identifyOpen is identify for an open file.
func identifyOpen(file *os.File) (identity, error) {
	info, err := file.Stat()
	if err != nil {
		return identity{}, err
	}
	return identify(info), nil
}

// describe says what is neither file nor folder nor link.
func (i identity) describe() string { return "neither a file nor a folder nor a link" }

// special reports which of the bits that are never taken a file has.
func (i identity) special() []string {
	var found []string
	for _, one := range []struct {
		bit  fs.FileMode
		name string
	}{{fs.ModeSetuid, "setuid"}, {fs.ModeSetgid, "setgid"}, {fs.ModeSticky, "sticky"}} {
		if fs.FileMode(i.mode)&one.bit != 0 {
			found = append(found, one.name)
		}
	}
	return found
}

// gone are the errors for a path that is not what it was when it was listed.
var gone = []error{fs.ErrNotExist, beneath.ErrInTheWay}

// errOtherMount is the error of a rename to another mount, for which there is
// no common name.
var errOtherMount = errors.New("another mount")

// removeFolder removes an empty folder.
func removeFolder(parent *beneath.Dir, name string) error { return parent.Remove(name) }
