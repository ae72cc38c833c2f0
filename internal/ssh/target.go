package ssh

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// DefaultDir is the folder on a device where none is named, in the user's home.
const DefaultDir = "ota"

// Target is a folder on another machine.
type Target struct {
	User string // empty: as ssh has it
	Host string // a name, an address, or any Host of ssh's config
	Port int    // 0: as ssh has it
	Dir  string // as given; empty: none was named
}

// ParseTarget reads [USER@]HOST[:DIR] or ssh://[USER@]HOST[:PORT][/DIR]. An IPv6
// address is in brackets where something follows it. In the second form DIR is
// absolute, but for /~/DIR.
func ParseTarget(text string) (Target, error) {
	t, err := parse(text)
	if err == nil {
		err = t.check()
	}
	if err != nil {
		return Target{}, fmt.Errorf("%q is no [USER@]HOST[:DIR]: %w", text, err)
	}
	return t, nil
}

func parse(text string) (Target, error) {
	if strings.HasPrefix(text, "ssh://") {
		return parseURL(text)
	}
	login, rest := text, ""
	if open := strings.IndexByte(text, '['); open >= 0 && !strings.ContainsAny(text[:open], ":/") {
		end := strings.IndexByte(text[open:], ']')
		if end < 0 {
			return Target{}, errors.New("a bracket is not closed")
		}
		login, rest = text[:open]+text[open+1:open+end], text[open+end+1:]
		if rest != "" && rest[0] != ':' {
			return Target{}, errors.New("a colon has to follow the bracket")
		}
		rest = strings.TrimPrefix(rest, ":")
	} else if strings.Count(text, ":") < 2 || !isAddress(text) {
		login, rest, _ = strings.Cut(text, ":")
	}
	t := Target{Host: login, Dir: rest}
	if at := strings.LastIndexByte(login, '@'); at >= 0 {
		t.User, t.Host = login[:at], login[at+1:]
		if t.User == "" {
			return Target{}, errors.New("there is no user before the @")
		}
	}
	return t, nil
}

// isAddress is true for a bare IPv6 address, also behind a user.
func isAddress(text string) bool {
	_, after, hasUser := strings.Cut(text, "@")
	if !hasUser {
		after = text
	}
	_, err := netip.ParseAddr(after)
	return err == nil
}

func parseURL(text string) (Target, error) {
	address, err := url.Parse(text)
	if err != nil {
		return Target{}, errors.New("it is no address")
	}
	if address.RawQuery != "" || address.Fragment != "" {
		return Target{}, errors.New("? and # are written %3F and %23 there")
	}
	t := Target{Host: address.Hostname(), User: address.User.Username(), Dir: address.Path}
	if _, isSet := address.User.Password(); isSet {
		return Target{}, errors.New("a password has no place there: ssh asks for it")
	}
	if port := address.Port(); port != "" {
		if t.Port, err = strconv.Atoi(port); err != nil || t.Port < 1 || t.Port > 65535 {
			return Target{}, fmt.Errorf("there is no port %s", port)
		}
	}
	if t.Dir == "/" {
		t.Dir = ""
	}
	if strings.HasPrefix(t.Dir, "/~") {
		t.Dir = t.Dir[1:]
	}
	return t, nil
}

// check refuses what ssh would take for an option, and what no one types.
func (t Target) check() error {
	switch {
	case t.Host == "":
		return errors.New("there is no host")
	case t.Host[0] == '-' || strings.HasPrefix(t.User, "-"):
		return errors.New("it begins like an option")
	case strings.ContainsAny(t.Host, "/@ ") || strings.ContainsAny(t.User, "/ "):
		return errors.New("a host and a user have no blank and no slash")
	case strings.ContainsFunc(t.User+t.Host+t.Dir, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("it has control characters")
	case strings.HasPrefix(t.Dir, "~") && t.Dir != "~" && !strings.HasPrefix(t.Dir, "~/"):
		return errors.New("the home of another user is named by its path")
	}
	return nil
}

// Login is USER@HOST, or HOST alone.
func (t Target) Login() string {
	if t.User == "" {
		return t.Host
	}
	return t.User + "@" + t.Host
}

// RemoteDir is the folder for a command that starts in the user's home: a path
// that is no option and needs no shell to be understood.
func (t Target) RemoteDir() string {
	dir := t.Dir
	if dir == "" {
		dir = DefaultDir
	}
	if dir == "~" {
		return "."
	}
	dir = strings.TrimLeft(strings.TrimPrefix(dir, "~/"), "/")
	if strings.HasPrefix(t.Dir, "/") {
		return "/" + dir
	}
	return "./" + dir
}

// SCP is what scp takes for a path on the target, unquoted.
func (t Target) SCP(path string) string {
	host := t.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if t.User != "" {
		host = t.User + "@" + host
	}
	return host + ":" + path
}
