package config

import (
	"fmt"
	"strings"
)

// Machine says what the device is, for packed releases.
type Machine struct {
	App       string // the program that it runs; empty: any
	Threshold int    // how many people have to sign a release, at least 1
}

// longestApp is what the manifest of a release has room for.
const longestApp = 64

func app(c *Config, value any) error {
	const looks = `a name of letters, digits and . _ + -, such as "garden"`
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("must be %s, not %s", looks, kind(value))
	}
	other := strings.IndexFunc(text, func(c rune) bool {
		isLetter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		return !isLetter && !strings.ContainsRune("._+-", c)
	})
	if other >= 0 || len(text) > longestApp {
		return fmt.Errorf("must be %s, not %s", looks, quote(text))
	}
	c.Device.App = text
	return nil
}
