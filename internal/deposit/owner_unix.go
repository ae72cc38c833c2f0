//go:build unix

package deposit

import (
	"io/fs"
	"os"
	"syscall"

	"ota/internal/kit/beneath"
)

// Owner is to whom files in deposit/ belong: whoever uploads must be able to
// write over what ota puts back.
type Owner struct {
	uid, gid int
	shared   fs.FileMode // bits that a folder shared by a group adds
}

// OwnerOf takes the folder's owner, and its group where the folder is one that
// a group writes into (setgid).
func OwnerOf(folder string) Owner {
	info, err := os.Stat(folder)
	if err != nil {
		return Owner{uid: -1, gid: -1}
	}
	stat := info.Sys().(*syscall.Stat_t)
	found := Owner{uid: int(stat.Uid), gid: int(stat.Gid)}
	if info.Mode()&fs.ModeSetgid != 0 && info.Mode()&0o020 != 0 {
		found.shared = 0o060
	}
	return found
}

// Give sets mode and owner. Only root may give a file away; for others it stays
// theirs.
func (o Owner) Give(file *os.File, mode fs.FileMode) error {
	if os.Geteuid() == 0 && o.uid >= 0 {
		if err := file.Chown(o.uid, o.gid); err != nil {
			return err
		}
	}
	return file.Chmod(mode | o.shared)
}

// GiveFolder gives a folder away that root has made.
func (o Owner) GiveFolder(dir *beneath.Dir) error {
	if os.Geteuid() != 0 || o.uid <= 0 {
		return nil
	}
	file, err := dir.OpenFile(".", os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 {
		return err
	}
	return file.Chown(o.uid, o.gid)
}
