package config

import (
	"errors"
	"fmt"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"

	"ota/internal/kit/glob"
)

// WebOff is [Web].Listen where there is no page.
const WebOff = "off"

// Web says where the page is, and what it does not show.
type Web struct {
	Listen    string         // host:port, or WebOff
	Hide      []glob.Pattern // see Hidden
	Hosts     []string       // in lower case, without a port
	Cert, Key string         // paths as they were written; both or neither
	Announce  bool           // whether the local network is told of a page that it can reach
}

// envName is that of a file with secrets in nearly every program that has one;
// others are called .env.local, .env.production and the like.
const envName = ".env"

// envModels say what such a file is to hold, and hold none of it.
var envModels = []string{".env.example", ".env.sample", ".env.template", ".env.dist"}

func isEnv(name string) bool {
	name = strings.ToLower(name)
	return name == envName || strings.HasPrefix(name, envName+".") && !slices.Contains(envModels, name)
}

// Hidden tells whether nobody may look into a path below main/ or deposit/ over
// the network. What lies in a hidden folder is hidden too. Upper and lower case
// are the same here: on some file systems they are.
func (w Web) Hidden(at string) bool {
	for name := range strings.SplitSeq(at, "/") {
		if isEnv(name) {
			return true
		}
	}
	return slices.ContainsFunc(w.Hide, func(p glob.Pattern) bool { return p.MatchFold(at) })
}

func webListen(c *Config, value any) error {
	const looks = `a host and a port such as "127.0.0.1:8484", or "off"`
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("must be %s, not %s", looks, kind(value))
	}
	if text == WebOff {
		c.Web.Listen = text
		return nil
	}
	host, port, err := net.SplitHostPort(text)
	number, portErr := strconv.ParseUint(port, 10, 16)
	switch {
	case err == nil && host == "" && portErr == nil:
		return fmt.Errorf(`names no host: for all addresses write "0.0.0.0:%s", for those of IPv6 too "[::]:%s"`, port, port)
	case err != nil || portErr != nil || !isHost(host):
		return fmt.Errorf("must be %s, not %s", looks, quote(text))
	}
	c.Web.Listen = net.JoinHostPort(host, strconv.FormatUint(number, 10))
	return nil
}

func webHosts(c *Config, value any) error {
	names, err := stringArray(value)
	if err != nil {
		return err
	}
	var hosts []string
	for _, name := range names {
		if !isHost(name) || strings.ContainsAny(name, "*%[]") || strings.Contains(name, ":") && net.ParseIP(name) == nil {
			return fmt.Errorf(`holds %s: a name reads like "garden.example.com", without a port`, quote(name))
		}
		hosts = append(hosts, strings.ToLower(name))
	}
	c.Web.Hosts = hosts
	return nil
}

// webFile takes the path of a file that belongs to the device; example is what
// one reads like.
func webFile(example string, field func(*Config) *string) setter {
	return func(c *Config, value any) error {
		text, ok := value.(string)
		switch {
		case !ok:
			return fmt.Errorf("must be a path such as %q, not %s", example, kind(value))
		case text == "" || strings.HasSuffix(text, "/"):
			return fmt.Errorf("must be a path such as %q, not %s", example, quote(text))
		case strings.ContainsRune(text, 0):
			return errors.New("can't hold a zero byte")
		}
		*field(c) = path.Clean(text)
		return nil
	}
}
