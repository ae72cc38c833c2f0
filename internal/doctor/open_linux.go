package doctor

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// lookAtOpen is about what every user of the machine may change: who can write
// into deposit/ decides what runs, and who can write to the rest does so past
// every check. The folder .ota, which others may not even read, is told with the
// rights of folders.
func (p *patient) lookAtOpen(ctx context.Context) []Finding {
	var found []Finding
	if open, foreign := p.openInDeposit(ctx); len(open) > 0 {
		advice := p.close("-R ", p.deposit())
		if foreign { // whoever has put it there is to be let in by the group, then
			advice += " && " + p.share()
		}
		found = append(found, notice("open-deposit", "anybody on this machine can put a program into "+list(open), p.advise(p.deposit(), advice)))
	}
	for _, one := range []struct{ path, name, what string }{
		{p.Dir, "the folder", "can put another main/ or ota.toml in its place"},
		{p.main(), "main/", "can change the program past every check"},
		{filepath.Join(p.Dir, "ota.toml"), "ota.toml", "can decide what runs, and as whom"},
	} {
		if info, err := os.Stat(one.path); err == nil && isOpen(info) && p.isReached(one.path) {
			found = append(found, notice("open-folder", "everybody may write to "+one.name+": anybody on this machine "+one.what, p.advise(one.path, p.close("", one.path))))
		}
	}
	return otherwise(found, "nobody but their owners and groups can change deposit/, main/ and ota.toml")
}

func (p *patient) close(option, path string) string {
	return "sudo chmod " + option + "o-w " + shell(path)
}

// advise is a command, where the file system keeps what it does.
func (p *patient) advise(path, command string) string {
	if d, err := p.disk(path); err == nil && slices.Contains(simple, d.kind) {
		return "mount it with umask=022, and uid= of " + p.user.name + "; see /etc/fstab"
	}
	return command
}

// openInDeposit returns what in deposit/ everybody may write to, and whether
// some of what is there is another user's.
func (p *patient) openInDeposit(ctx context.Context) (open []string, foreign bool) {
	top, err := filepath.EvalSymlinks(p.deposit())
	if err != nil || !p.isReached(top) {
		return nil, false
	}
	seen := 0
	// What can't be looked into is told with the rights of deposit/.
	_ = filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if seen++; seen > looked || ctx.Err() != nil {
			return fs.SkipAll
		}
		info, err := entryInfo(entry, err)
		if err != nil {
			return nil
		}
		foreign = foreign || ownerOf(info) != p.user.id
		if isOpen(info) {
			open = append(open, p.belowDeposit(filepath.Join(p.deposit(), strings.TrimPrefix(path, top))))
		}
		if entry.IsDir() && info.Mode().Perm()&0o001 == 0 {
			return fs.SkipDir // nobody else gets at what is in it
		}
		return nil
	})
	return open, foreign
}

func entryInfo(entry fs.DirEntry, err error) (fs.FileInfo, error) {
	if err != nil {
		return nil, err
	}
	return entry.Info()
}

// isOpen reports whether everybody may write to a file or a folder. A sticky
// folder is no better: anybody may add a file.
func isOpen(info fs.FileInfo) bool {
	return (info.Mode().IsRegular() || info.IsDir()) && info.Mode().Perm()&0o002 != 0
}

// isReached reports whether everybody gets as far as a file: all folders above
// let them through.
func (p *patient) isReached(path string) bool {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false
	}
	for path != "/" {
		path = filepath.Dir(path)
		var stat syscall.Stat_t
		if syscall.Stat(path, &stat) != nil || stat.Mode&0o001 == 0 {
			return false
		}
	}
	return true
}
