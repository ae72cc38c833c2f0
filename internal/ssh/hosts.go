package ssh

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Hosts are those that the user's ssh knows by name, sorted: from its config and
// its known hosts, as far as these are not hashed. What can't be read is none.
func Hosts(home string) []string {
	config, _ := os.ReadFile(filepath.Join(home, ".ssh", "config"))
	known, _ := os.ReadFile(filepath.Join(home, ".ssh", "known_hosts"))
	hosts := append(configured(string(config)), met(string(known))...)
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// configured are the hosts of an ssh_config(5).
func configured(text string) (hosts []string) {
	for line := range strings.Lines(text) {
		fields := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\r\n=\"", r) })
		if len(fields) > 0 && strings.EqualFold(fields[0], "host") {
			hosts = append(hosts, slices.DeleteFunc(fields[1:], isPattern)...)
		}
	}
	return hosts
}

// met are the hosts of a known_hosts file (sshd(8)). One with a port of its own
// is named in the config, or can't be offered.
func met(text string) (hosts []string) {
	for line := range strings.Lines(text) {
		names, _, hasKey := strings.Cut(strings.TrimSpace(line), " ")
		if hasKey && !strings.ContainsRune("#@|", rune(names[0])) {
			hosts = append(hosts, slices.DeleteFunc(strings.Split(names, ","), isPattern)...)
		}
	}
	return hosts
}

// isPattern is true for what is no name of one host.
func isPattern(name string) bool {
	return strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune("*?![]|:/", r) }) ||
		name == "" || name[0] == '-'
}
