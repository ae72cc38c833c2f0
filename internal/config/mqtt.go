package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// MQTT says to which broker the device tells how things stand, and as what.
type MQTT struct {
	Broker       string // "mqtt://host:port" or "mqtts://host:port"; empty: none
	User         string
	PasswordFile string // paths as they were written
	CA           string
	Name         string // empty: one that is made from the names of host and folder
	Prefix       string // of the topics for Home Assistant; empty: it is told nothing
	Topic        string // under which all else is
	Control      bool   // whether an install may be asked for
}

// secureScheme is that of a broker which is spoken to with TLS.
const secureScheme = "mqtts"

var brokerPorts = map[string]string{"mqtt": "1883", secureScheme: "8883"}

func broker(c *Config, value any) error {
	const looks = `an address such as "mqtt://homeassistant.local:1883", or "mqtts://…" for TLS`
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("must be %s, not %s", looks, kind(value))
	}
	if text == "" {
		c.MQTT.Broker = ""
		return nil
	}
	if strings.Contains(text, "@") { // and is not shown: there may be a password in it
		return errors.New("can't hold a name or a password: they belong in user and password_file")
	}
	parsed, err := url.Parse(text)
	if err != nil {
		return fmt.Errorf("must be %s, not %s", looks, quote(text))
	}
	port, known := brokerPorts[parsed.Scheme]
	switch {
	case !known:
		return fmt.Errorf("must begin with mqtt:// or mqtts://, not %s", quote(parsed.Scheme+"://"))
	case !isHost(parsed.Hostname()) || parsed.Port() != "" && !isPort(parsed.Port()):
		return fmt.Errorf("must be %s, not %s", looks, quote(text))
	case parsed.Path != "" && parsed.Path != "/" || parsed.RawQuery != "" || parsed.Fragment != "":
		return fmt.Errorf("must end after the port, and not like %s", quote(text))
	}
	if parsed.Port() != "" {
		port = parsed.Port()
	}
	c.MQTT.Broker = parsed.Scheme + "://" + net.JoinHostPort(parsed.Hostname(), port)
	return nil
}

// longestName leaves room in what is made of it.
const longestName = 64

func mqttName(c *Config, value any) error {
	text, ok := value.(string)
	switch {
	case !ok:
		return fmt.Errorf(`must be a name such as "garden", not %s`, kind(value))
	case text == "" || len(text) > longestName || strings.ContainsFunc(text, func(r rune) bool { return !isOfName(r) }):
		return fmt.Errorf("can't be %s: it is made of at most %d letters, digits, - and _", quote(text), longestName)
	}
	c.MQTT.Name = text
	return nil
}

func isOfName(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
}

// MQTTName makes a name from words in which anything may stand.
func MQTTName(words ...string) string {
	var parts []string
	for _, word := range words {
		made := strings.Trim(strings.Map(func(r rune) rune {
			if isOfName(r) {
				return r
			}
			return '-'
		}, word), "-")
		if made != "" && (len(parts) == 0 || parts[len(parts)-1] != made) {
			parts = append(parts, made)
		}
	}
	name := strings.Join(parts, "-")
	return name[:min(len(name), longestName)]
}

// topic takes the beginning of names of topics; what may be left empty says so.
func topic(example string, mayBeEmpty bool, field func(*Config) *string) setter {
	return func(c *Config, value any) error {
		text, ok := value.(string)
		if !ok {
			return fmt.Errorf("must be the beginning of a topic such as %q, not %s", example, kind(value))
		}
		levels := strings.Split(text, "/")
		wrong := len(text) > longestName || strings.HasPrefix(text, "$")
		for _, level := range levels {
			wrong = wrong || level == "" || strings.ContainsFunc(level, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '+' || r == '#' })
		}
		if wrong && !(text == "" && mayBeEmpty) {
			return fmt.Errorf("can't be %s: it reads like %q, without blanks, + and #", quote(text), example)
		}
		*field(c) = text
		return nil
	}
}

func mqttUser(c *Config, value any) error {
	text, ok := value.(string)
	switch {
	case !ok:
		return fmt.Errorf(`must be a name such as "garden", not %s`, kind(value))
	case text == "" || len(text) > 1024 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fmt.Errorf("can't be %s: a user's name is one line of text", quote(text))
	}
	c.MQTT.User = text
	return nil
}
