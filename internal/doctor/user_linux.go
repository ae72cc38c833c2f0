package doctor

import (
	"io/fs"
	"os"
	osuser "os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"ota/internal/kit/escape"
	"ota/internal/kit/owner"
)

// whoseOta is the user of the process that looks after the folder, else of what
// one has left there, else of the folder.
func (p *patient) whoseOta() user {
	paths := []string{p.own(), p.Dir}
	if p.runs() && p.Told.PID != 0 {
		paths = append([]string{p.below(filepath.Join("proc", strconv.Itoa(p.Told.PID)))}, paths...)
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil {
			stat := info.Sys().(*syscall.Stat_t)
			return p.account(int(stat.Uid), int(stat.Gid))
		}
	}
	return p.account(os.Geteuid(), os.Getegid())
}

// keeper is whose folder it is: the first owner of it and of what ota keeps that
// is not root; the zero user if there is none.
func (p *patient) keeper() user {
	for _, path := range []string{p.own(), p.Dir} {
		if info, err := os.Stat(path); err == nil && ownerOf(info) != 0 {
			return p.account(ownerOf(info), int(info.Sys().(*syscall.Stat_t).Gid))
		}
	}
	return user{}
}

// environment is that of the ota that runs, which finds Python with it, else our
// own. That of a process of another user than runs what is found would be given
// away.
func (p *patient) environment() []string {
	runner := p.uid
	if as := p.runAs(); as != nil {
		runner = int(as.UID)
	}
	process := p.below(filepath.Join("proc", strconv.Itoa(p.Told.PID)))
	info, err := os.Stat(process)
	if p.Told.Presence != Answers || err != nil || ownerOf(info) != runner {
		return p.Env
	}
	text, err := os.ReadFile(filepath.Join(process, "environ"))
	if err != nil || len(text) == 0 {
		return p.Env
	}
	return strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
}

// lookUp is what is known of a user; gid is a group of his if it is nothing.
func lookUp(uid, gid int) user {
	found := user{id: uid, name: "user " + strconv.Itoa(uid), group: strconv.Itoa(gid)}
	account, err := osuser.LookupId(strconv.Itoa(uid))
	if err == nil {
		found.name = escape.Name(account.Username)
		if main, err := strconv.Atoi(account.Gid); err == nil {
			gid = main
		}
		found.group = account.Gid
		if group, err := osuser.LookupGroupId(account.Gid); err == nil {
			found.group = group.Name
		}
	}
	found.groups = []int{gid}
	if account != nil {
		ids, _ := account.GroupIds()
		for _, text := range ids {
			if id, err := strconv.Atoi(text); err == nil && id != gid {
				found.groups = append(found.groups, id)
			}
		}
	}
	found.owner = &owner.Owner{UID: uint32(uid), GID: uint32(gid)}
	for _, id := range found.groups {
		found.owner.Groups = append(found.owner.Groups, uint32(id))
	}
	return found
}

// The rights of a mode, as access(2) has them.
const (
	read  = unix.R_OK
	write = unix.W_OK
	enter = unix.X_OK
)

// access is whether somebody may do something.
type access string

const (
	granted   access = "granted"
	denied    access = "denied"
	undecided access = "undecided" // there is a list of rights beside the mode
)

// may tells what ota's user may do with a file or a folder. For ourselves the
// kernel is asked; for another the mode is read, as acl(5) does it without a
// list.
func (p *patient) may(path string, info fs.FileInfo, want uint32) access {
	if p.user.id == p.uid {
		err := unix.Faccessat(unix.AT_FDCWD, path, want, unix.AT_EACCESS)
		if err == unix.EROFS { // told with the mounts; no right would help
			err = unix.Faccessat(unix.AT_FDCWD, path, want&^write, unix.AT_EACCESS)
		}
		if err == nil {
			return granted
		}
		return denied
	}
	if p.user.id == 0 {
		return granted
	}
	if n, err := unix.Lgetxattr(path, "system.posix_acl_access", nil); err == nil && n > 0 {
		return undecided
	}
	stat := info.Sys().(*syscall.Stat_t)
	bits := stat.Mode & 7
	switch {
	case int(stat.Uid) == p.user.id:
		bits = stat.Mode >> 6 & 7
	case slices.Contains(p.user.groups, int(stat.Gid)):
		bits = stat.Mode >> 3 & 7
	}
	if bits&want == want {
		return granted
	}
	return denied
}
