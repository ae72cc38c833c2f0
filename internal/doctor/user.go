package doctor

import (
	"strings"

	"ota/internal/kit/owner"
)

// user is whom ota runs as, or would.
type user struct {
	id     int
	name   string // or "user 1000"
	group  string // name or number of the main group
	groups []int  // the main group is among them
	owner  *owner.Owner
}

// runAs is whom commands run as that an upload has a say in: whoever uploads is
// no more than that user, also where root calls the doctor. What an ota says of
// itself is not believed here, as whoever can put a file into .ota can say it.
func (p *patient) runAs() *owner.Owner {
	switch {
	case p.uid != 0:
		return nil // it needs root to become another
	case p.Program != nil && p.Program.UID != 0:
		return p.Program
	}
	return p.keeper().owner
}

// word is the user as chown takes it.
func (u user) word() string {
	if strings.HasPrefix(u.name, "user ") {
		return strings.TrimPrefix(u.name, "user ")
	}
	return shell(u.name)
}

// asRoot is how to call the doctor with more rights.
func (p *patient) asRoot() string { return "sudo ota -C " + shell(p.Dir) + " doctor" }

// asOta is a command of ota, called as the user that it runs as.
func (p *patient) asOta(command string) string {
	ota := "ota -C " + shell(p.Dir) + " " + command
	name := p.user.word()
	switch {
	case p.user.id == p.uid:
		return ota
	case p.user.id == 0:
		return "sudo " + ota
	case strings.HasPrefix(p.user.name, "user "):
		name = "'#" + name + "'"
	}
	return "sudo -u " + name + " " + ota
}

// ask is a command of ota that root may call as well.
func (p *patient) ask(command string) string {
	if p.uid == 0 {
		return "ota -C " + shell(p.Dir) + " " + command
	}
	return p.asOta(command)
}
