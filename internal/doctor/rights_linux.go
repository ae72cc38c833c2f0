package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"ota/internal/kit/amount"
	"ota/internal/kit/escape"
)

// lookAtFolders is about the rights of ota's user in the folders that are its
// own.
func (p *patient) lookAtFolders(context.Context) []Finding {
	var found []Finding
	for _, one := range []struct{ path, name, what string }{
		{p.main(), "main/", "no release can be switched in"},
		{p.own(), ".ota", "ota can keep nothing"},
		{p.logs(), "logs/", "there is no log"},
		{p.deposit(), "deposit/", "nothing can be taken out of it"},
	} {
		found = append(found, p.lookAtFolder(one.path, one.name, one.what)...)
	}
	info, err := os.Stat(p.own())
	if err == nil && info.Mode().Perm()&0o066 != 0 {
		what := "others may look into .ota, which has copies of every secret in main/"
		if info.Mode().Perm()&0o022 != 0 {
			what = "others may write to .ota, from which ota takes what it runs"
		}
		found = append(found, notice("folder-secrets", what, "sudo chmod go-rw "+shell(p.own())))
	}
	found = append(found, p.lookAtOwner(info)...)
	return otherwise(found, p.user.name+" may do in main/, deposit/, logs/ and .ota what ota needs")
}

// lookAtOwner is about a folder in which ota was called as root once, by
// mistake: its user can't start it any more.
func (p *patient) lookAtOwner(own fs.FileInfo) []Finding {
	top, err := os.Stat(p.Dir)
	if err != nil || own == nil || p.runs() || p.settings.Program.User != "" || ownerOf(own) != 0 || ownerOf(top) == 0 {
		return nil
	}
	keeper := p.account(ownerOf(top), int(top.Sys().(*syscall.Stat_t).Gid))
	return []Finding{notice("folder-owner", fmt.Sprintf("ota ran here as root, and .ota is root's: %s, whose folder it is, can't start it", keeper.name),
		fmt.Sprintf("sudo chown -R %s: %s  # unless root is to run it", keeper.word(), shell(p.Dir)))}
}

func (p *patient) lookAtFolder(path, name, what string) []Finding {
	mend := fmt.Sprintf("sudo chown %s: %s", p.user.word(), shell(path))
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && exists(path):
		return []Finding{problem("folder-kind", name+" is a link that leads nowhere", "rm "+shell(path)+"  # ota makes the folder")}
	case errors.Is(err, fs.ErrNotExist):
		top, err := os.Stat(p.Dir)
		if err != nil || p.may(p.Dir, top, write|enter) != denied {
			return nil // it is made at the start
		}
		return []Finding{problem("folder-rights", fmt.Sprintf("%s is missing, and %s may not make it", name, p.user.name),
			fmt.Sprintf("sudo install -d -o %s %s", p.user.word(), shell(path)))}
	case err != nil:
		return []Finding{unknown("folder-rights", name+" can't be looked at: "+escape.Name(err.Error()), p.asRoot())}
	case !info.IsDir():
		return []Finding{problem("folder-kind", name+" is no folder: "+what, "mv "+shell(path)+" "+shell(path+".old")+"  # ota makes the folder")}
	case p.may(path, info, read|write|enter) == denied:
		if stat := info.Sys().(*syscall.Stat_t); int(stat.Uid) == p.user.id {
			mend = "sudo chmod u+rwx " + shell(path)
		} else if name == "deposit/" {
			mend = p.share()
		}
		return []Finding{problem("folder-rights", fmt.Sprintf("%s may not write into %s: %s", p.user.name, name, what), mend)}
	}
	return nil
}

// share makes deposit/ a folder of ota's group, in which whatever is made later
// is of that group, too.
func (p *patient) share() string {
	deposit, group := shell(p.deposit()), shell(p.user.group)
	return fmt.Sprintf("sudo chgrp -R %s %s && sudo chmod -R ug+rwX %s && sudo find %s -type d -exec chmod g+s {} +  # and let the uploader's umask be 002",
		group, deposit, deposit, deposit)
}

// looked is how many files of deposit/ are looked at, and named how many that
// are named.
const (
	looked = 50_000
	named  = 3
)

// strays are the files of deposit/ that ota's user can't use.
type strays struct {
	unread, unremoved, sticky, unknown []string // below deposit/
	foreign                            bool     // some are another user's
	files                              int
}

// lookAtDeposit is about what others have put there.
func (p *patient) lookAtDeposit(ctx context.Context) []Finding {
	top, err := os.Stat(p.deposit())
	if err != nil || !top.IsDir() {
		return fine("deposit/ is not there yet") // else it was told already
	}
	var s strays
	s.walk(ctx, p, p.deposit(), top)
	return otherwise(s.findings(p, top), p.user.name+" can read and remove all that is in deposit/")
}

func (s *strays) findings(p *patient, top fs.FileInfo) []Finding {
	var found []Finding
	if len(s.unread) > 0 {
		found = append(found, problem("deposit-read", p.user.name+" can't read "+list(s.unread), p.share()))
	}
	if len(s.unremoved) > 0 {
		found = append(found, problem("deposit-remove", p.user.name+" can't remove what is in "+list(s.unremoved), p.share()))
	}
	if len(s.sticky) > 0 {
		found = append(found, problem("deposit-sticky", fmt.Sprintf("only their owners may remove files from %s, which is sticky", list(s.sticky)),
			fmt.Sprintf("sudo find %s -type d -exec chmod -t {} +", shell(p.deposit()))))
	}
	mode := top.Mode()
	if s.foreign && len(found) == 0 && p.user.id != 0 && (mode.Perm()&0o022 == 0 || mode.Perm()&0o002 == 0 && mode&fs.ModeSetgid == 0) {
		found = append(found, notice("deposit-group", "files of others are in deposit/, and what they put there next may be closed to "+p.user.name, p.share()))
	}
	if len(s.unknown) > 0 {
		found = append(found, unknown("deposit-unknown", "it can't be told what "+p.user.name+" may do with "+list(s.unknown),
			p.asOta("doctor")))
	}
	return found
}

// walk looks at a folder and at what is in it. A link is removed and never
// followed.
func (s *strays) walk(ctx context.Context, p *patient, folder string, info fs.FileInfo) {
	entries, err := os.ReadDir(folder)
	name := p.belowDeposit(folder)
	if err != nil {
		if p.may(folder, info, read|enter) == denied {
			s.unread = append(s.unread, name)
		} else {
			s.unknown = append(s.unknown, name)
		}
		return
	}
	switch rights := p.may(folder, info, read|write|enter); {
	case len(entries) == 0 && rights != denied, rights == granted:
	case rights == undecided:
		s.unknown = append(s.unknown, name)
	case p.may(folder, info, read|enter) == denied:
		s.unread = append(s.unread, name)
	default:
		s.unremoved = append(s.unremoved, name)
	}
	isSticky := info.Mode()&fs.ModeSticky != 0 && p.user.id != 0 && ownerOf(info) != p.user.id
	for _, entry := range entries {
		if s.files++; s.files > looked || ctx.Err() != nil {
			return
		}
		below, err := entry.Info()
		if err != nil {
			continue // it has gone, or was told with its folder
		}
		path := filepath.Join(folder, entry.Name())
		if ownerOf(below) != p.user.id {
			s.foreign = true
			if isSticky {
				s.sticky = append(s.sticky, name)
				isSticky = false // once
			}
		}
		switch {
		case below.IsDir():
			s.walk(ctx, p, path, below)
		case below.Mode().IsRegular():
			s.file(p, path, below)
		}
	}
}

func (s *strays) file(p *patient, path string, info fs.FileInfo) {
	switch p.may(path, info, read) {
	case denied:
		s.unread = append(s.unread, p.belowDeposit(path))
	case undecided:
		s.unknown = append(s.unknown, p.belowDeposit(path))
	}
}

func ownerOf(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }

// belowDeposit is how a path in deposit/ is called.
func (p *patient) belowDeposit(path string) string {
	below, err := filepath.Rel(p.deposit(), path)
	if err != nil || below == "." {
		return "deposit/"
	}
	return "deposit/" + escape.Name(below)
}

// list names the first of several paths.
func list(paths []string) string {
	if len(paths) <= named {
		return strings.Join(paths, ", ")
	}
	return strings.Join(paths[:named], ", ") + " and " + amount.Count(len(paths)-named, "other", "others")
}
