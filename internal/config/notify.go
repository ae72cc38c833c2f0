package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Notify says who is told what happens on the device. Where neither Webhook nor
// Command is set nobody is.
type Notify struct {
	Webhook string   // an address that takes a POST; empty: none
	Command []string // nil: none
	On      []string // of what: words of [Happenings]
}

// Happenings are the words that may stand in [notify] on.
var Happenings = []string{"failed", "rolled-back", "crash-looping", "recovered", "held", "confirmed"}

// graveHappenings are those of which an owner is told where nothing is set.
const graveHappenings = 3

func webhook(c *Config, value any) error {
	const looks = `an address such as "https://example.com/hook"`
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("must be %s, not %s", looks, kind(value))
	}
	parsed, err := url.Parse(text)
	if err != nil || !isHost(parsed.Hostname()) || parsed.Port() != "" && !isPort(parsed.Port()) {
		return fmt.Errorf("must be %s, not %s", looks, quote(hidden)) // what is there may be a secret
	}
	if parsed.Scheme != "http" && parsed.Scheme != "https" {
		return fmt.Errorf("must begin with http:// or https://, not %s", quote(parsed.Scheme+"://"))
	}
	c.Notify.Webhook = text
	return nil
}

func happenings(c *Config, value any) error {
	words, err := stringArray(value)
	if err != nil {
		return err
	}
	for i, word := range words {
		if !slices.Contains(Happenings, word) {
			return fmt.Errorf(`holds %s; it may hold "%s"`, quote(word), strings.Join(Happenings, `", "`))
		}
		if slices.Contains(words[:i], word) {
			return fmt.Errorf("holds %s twice", quote(word))
		}
	}
	c.Notify.On = words
	return nil
}

// withoutPath hides all of an address but its host: who knows the rest of that
// of a webhook may post there.
func withoutPath(value any) any {
	text, _ := value.(string)
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" {
		return hidden
	}
	return parsed.Scheme + "://" + parsed.Host + "/" + hidden
}
