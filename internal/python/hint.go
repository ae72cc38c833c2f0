package python

import (
	"os"
	"os/exec"
	"strings"
)

// installers are the commands that install Python, by the identifier of the
// system in os-release(5) and by the program that does it.
var installers = []struct {
	systems []string
	program string
	command string
}{
	{[]string{"debian", "ubuntu", "raspbian"}, "apt", "apt install python3"},
	{[]string{"alpine"}, "apk", "apk add python3"},
	{[]string{"fedora", "rhel", "centos"}, "dnf", "dnf install python3"},
	{[]string{"arch"}, "pacman", "pacman -S python"},
	{[]string{"suse", "opensuse"}, "zypper", "zypper install python3"},
	{[]string{"void"}, "xbps-install", "xbps-install python3"},
	{[]string{"openwrt"}, "opkg", "opkg install python3"},
}

func installHint() string {
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		release, _ = os.ReadFile("/usr/lib/os-release") // without both the programs are looked for
	}
	has := func(program string) bool {
		_, err := exec.LookPath(program)
		return err == nil
	}
	return hintFor(string(release), has, os.Geteuid() == 0)
}

func hintFor(osRelease string, has func(program string) bool, root bool) string {
	sudo := "sudo "
	if root {
		sudo = ""
	}
	for _, id := range systemIDs(osRelease) {
		for _, one := range installers {
			for _, system := range one.systems {
				if id == system {
					return "install it with `" + sudo + one.command + "`"
				}
			}
		}
	}
	for _, one := range installers {
		if has(one.program) {
			return "install it with `" + sudo + one.command + "`"
		}
	}
	return "install Python 3 from https://www.python.org/downloads/"
}

// systemIDs returns ID, then those of ID_LIKE, the nearest first.
func systemIDs(osRelease string) []string {
	var id, like []string
	for line := range strings.Lines(osRelease) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "ID":
			id = strings.Fields(strings.Trim(value, `"'`))
		case "ID_LIKE":
			like = strings.Fields(strings.Trim(value, `"'`))
		}
	}
	return append(id, like...)
}
