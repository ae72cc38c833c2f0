package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// address takes the URL of something that answers HTTP.
func address(field func(*Config) *string) setter {
	return func(c *Config, value any) error {
		const looks = `an address such as "http://localhost:8080/health"`
		text, ok := value.(string)
		if !ok {
			return fmt.Errorf("must be %s, not %s", looks, kind(value))
		}
		parsed, err := url.Parse(text)
		if err != nil || !isHost(parsed.Hostname()) || parsed.Port() != "" && !isPort(parsed.Port()) {
			return fmt.Errorf("must be %s, not %s", looks, quote(text))
		}
		if parsed.Scheme != "http" && parsed.Scheme != "https" {
			return fmt.Errorf("must begin with http:// or https://, not %s", quote(parsed.Scheme+"://"))
		}
		*field(c) = text
		return nil
	}
}

// index takes the URL of a package index, or of a folder with the pages of one.
func index(c *Config, value any) error {
	const looks = `an address such as "https://packages.example.com/simple"`
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("must be %s, not %s", looks, kind(value))
	}
	parsed, err := url.Parse(text)
	if err != nil {
		return fmt.Errorf("must be %s, not %s", looks, quote(text))
	}
	switch parsed.Scheme {
	case "http", "https":
		if !isHost(parsed.Hostname()) || parsed.Port() != "" && !isPort(parsed.Port()) {
			return fmt.Errorf("must be %s, not %s", looks, quote(text))
		}
	case "file":
	default:
		return fmt.Errorf("must begin with https://, http:// or file://, not %s", quote(parsed.Scheme+"://"))
	}
	c.Python.Index = text
	return nil
}

// hostAndPort takes the place of something that listens.
func hostAndPort(field func(*Config) *string) setter {
	return func(c *Config, value any) error {
		const looks = `a host and a port such as "localhost:1883"`
		text, ok := value.(string)
		if !ok {
			return fmt.Errorf("must be %s, not %s", looks, kind(value))
		}
		host, port, err := net.SplitHostPort(text)
		if err != nil || !isHost(host) || !isPort(port) {
			return fmt.Errorf("must be %s, not %s", looks, quote(text))
		}
		*field(c) = text
		return nil
	}
}

// isHost is true for names and for numeric addresses of both kinds, with a zone
// or without. Whether there is such a host only the network knows.
func isHost(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune(`/\@?#"'<>`, r)
	})
}

func isPort(text string) bool {
	number, err := strconv.ParseUint(text, 10, 16)
	return err == nil && number > 0
}

// Socket is one on which ota listens for the program.
type Socket struct {
	Network string // "tcp" or "unix"
	Address string // host:port; or a path, absolute or below main/
	Name    string // for LISTEN_FDNAMES, which sd_listen_fds(3) parts with colons
}

// longestSocket leaves room, in the 108 bytes that unix(7) has for the name of a
// socket, for a zero byte.
const longestSocket = 100

func listen(c *Config, value any) error {
	texts, err := stringArray(value)
	if err != nil {
		return err
	}
	var list []Socket
	for _, text := range texts {
		socket, err := socketOf(text)
		if err != nil {
			return fmt.Errorf("holds %s: %w", quote(text), err)
		}
		if slices.Contains(list, socket) {
			return fmt.Errorf("holds %s twice", quote(text))
		}
		list = append(list, socket)
	}
	c.Program.Listen = list
	return nil
}

func socketOf(text string) (Socket, error) {
	if name, ok := strings.CutPrefix(text, "unix:"); ok {
		return unixSocket(name)
	}
	if strings.HasPrefix(text, "udp:") {
		return Socket{}, errors.New("only TCP and unix sockets can be passed on")
	}
	host, port, err := net.SplitHostPort(text)
	switch {
	case err == nil && host == "" && isPort(port):
		return Socket{}, fmt.Errorf(`for all addresses write "0.0.0.0:%s", for those of IPv6 too "[::]:%s"`, port, port)
	case err != nil || !isHost(host) || !isPort(port):
		return Socket{}, errors.New(`a socket reads like "0.0.0.0:8000", "[::1]:80" or "unix:app.sock"`)
	}
	port = strings.TrimLeft(port, "0")
	return Socket{"tcp", net.JoinHostPort(host, port), port}, nil
}

func unixSocket(name string) (Socket, error) {
	switch {
	case name == "" || strings.HasSuffix(name, "/") || strings.ContainsRune(name, 0):
		return Socket{}, errors.New(`it must name a file, as in "unix:app.sock"`)
	case len(name) > longestSocket:
		return Socket{}, fmt.Errorf("the path of a socket can't be longer than %d bytes", longestSocket)
	}
	name = path.Clean(name)
	called := strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || r == ':' {
			return '_'
		}
		return r
	}, path.Base(name))
	return Socket{"unix", name, called}, nil
}
