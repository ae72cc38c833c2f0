package config

import (
	"fmt"
	"net"
	"net/url"
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
