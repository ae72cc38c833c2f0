package doctor

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"ota/internal/kit/escape"
)

// whoHas tells which other process listens where the page is to be; empty:
// none.
func (p *patient) whoHas(listen string) string {
	for _, name := range []string{"proc/net/tcp", "proc/net/tcp6"} {
		table, err := os.ReadFile(p.below(name))
		if err != nil {
			continue // without IPv6 there is no tcp6
		}
		for _, one := range listeners(string(table)) {
			if !one.inTheWay(listen) {
				continue
			}
			pid, command := p.holderOf(one.inode)
			switch {
			case pid == 0 && p.Told.Presence == Answers && strings.HasSuffix(strings.TrimSuffix(p.Told.Page, "/"), ":"+strconv.Itoa(int(one.address.Port()))):
				return "" // it is ours
			case pid == 0 && p.runs() && p.Told.Presence != Answers:
				return "" // it may be ours
			case pid == 0:
				return "a process of another user"
			case pid != p.Told.PID:
				return command + " (pid " + strconv.Itoa(pid) + ")"
			}
		}
	}
	return ""
}

// holderOf finds the process that has a socket open, among those that we may
// look at.
func (p *patient) holderOf(inode string) (pid int, command string) {
	links, _ := filepath.Glob(p.below("proc/[0-9]*/fd/*")) // the pattern is right
	for _, link := range links {
		if target, err := os.Readlink(link); err != nil || target != "socket:["+inode+"]" {
			continue
		}
		process := filepath.Dir(filepath.Dir(link))
		name, err := os.ReadFile(filepath.Join(process, "comm"))
		pid, _ := strconv.Atoi(filepath.Base(process))
		if err != nil {
			return pid, "a process"
		}
		return pid, escape.Name(strings.TrimSpace(string(name)))
	}
	return 0, ""
}
