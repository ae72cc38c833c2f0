package config

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	"ota/internal/kit/escape"
	"ota/internal/kit/glob"
)

// entryError is what is wrong with one entry of a table of strings. It has a
// line of its own.
type entryError struct {
	name string
	err  error
}

func (e *entryError) Error() string { return e.name + " " + e.err.Error() }

// command takes a program and its arguments; example is what one reads like.
func command(example string, field func(*Config) *[]string) setter {
	return func(c *Config, value any) error {
		words, err := stringArray(value)
		if err != nil {
			return err
		}
		if len(words) == 0 || words[0] == "" {
			return fmt.Errorf("names no program; it reads like %s", example)
		}
		for _, word := range words {
			if strings.ContainsRune(word, 0) {
				return errors.New("can't hold a zero byte")
			}
		}
		*field(c) = words
		return nil
	}
}

// environment lays the variables over those that are there.
func environment(c *Config, value any) error {
	table, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("must be a table such as { LANG = \"C.UTF-8\" }, not %s", kind(value))
	}
	env, wrong := maps.Clone(c.Program.Env), []error{}
	for name, value := range table {
		text, err := variable(name, value)
		if err != nil {
			wrong = append(wrong, &entryError{name, err})
			continue
		}
		env[name] = text
	}
	c.Program.Env = env
	return errors.Join(wrong...)
}

func variable(name string, value any) (string, error) {
	text, ok := value.(string)
	switch {
	case name == "" || strings.ContainsAny(name, "=\x00"):
		return "", errors.New("can't be the name of a variable")
	case strings.HasPrefix(name, "OTA_"):
		return "", errors.New("can't be set: variables that begin with OTA_ come from ota")
	case !ok:
		return "", fmt.Errorf("must be a string in quotes, not %s", kind(value))
	case strings.ContainsRune(text, 0):
		return "", errors.New("can't hold a zero byte")
	}
	return text, nil
}

func patterns(field func(*Config) *[]glob.Pattern) setter {
	return func(c *Config, value any) error {
		texts, err := stringArray(value)
		if err != nil {
			return err
		}
		list := make([]glob.Pattern, 0, len(texts))
		for _, text := range texts {
			pattern, err := glob.Parse(text)
			if err != nil {
				return fmt.Errorf("holds %s: %w", quote(text), err)
			}
			list = append(list, pattern)
		}
		*field(c) = list
		return nil
	}
}

func duration(least time.Duration, field func(*Config) *time.Duration) setter {
	return func(c *Config, value any) error {
		d, err := durationOf(value)
		switch {
		case err != nil:
			return err
		case d == 0 && least > 0:
			return errors.New("can't be 0")
		case d < least:
			return fmt.Errorf("must be at least %q", least)
		}
		*field(c) = d
		return nil
	}
}

// durationOrNone takes 0 too, which turns something off.
func durationOrNone(least time.Duration, field func(*Config) *time.Duration) setter {
	return func(c *Config, value any) error {
		d, err := durationOf(value)
		switch {
		case err != nil:
			return err
		case d != 0 && d < least:
			return fmt.Errorf(`must be at least %q, or "0s" for none`, least)
		}
		*field(c) = d
		return nil
	}
}

func durationOf(value any) (time.Duration, error) {
	text, ok := value.(string)
	if !ok {
		return 0, fmt.Errorf(`must be a duration in quotes such as "2s" or "500ms", not %s`, kind(value))
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf(`must be a duration such as "2s" or "500ms", not %s`, quote(text))
	case d < 0:
		return 0, errors.New("can't be negative")
	}
	return d, nil
}

func integer(least, most int, field func(*Config) *int) setter {
	return func(c *Config, value any) error {
		number, ok := value.(int64)
		switch {
		case !ok:
			return fmt.Errorf("must be a whole number such as %d, not %s", *field(new(Default())), kind(value))
		case number < int64(least):
			return fmt.Errorf("must be at least %d", least)
		case number > int64(most):
			return fmt.Errorf("can't be more than %d", most)
		}
		*field(c) = int(number)
		return nil
	}
}

func boolean(field func(*Config) *bool) setter {
	return func(c *Config, value any) error {
		answer, ok := value.(bool)
		if !ok {
			return fmt.Errorf("must be true or false, without quotes, not %s", kind(value))
		}
		*field(c) = answer
		return nil
	}
}

func size(least int64, field func(*Config) *int64) setter {
	return func(c *Config, value any) error {
		bytes, err := byteCount(value)
		if err != nil {
			return err
		}
		if bytes < least {
			return fmt.Errorf("must be at least %q", sizeText(least))
		}
		*field(c) = bytes
		return nil
	}
}

var units = map[string]int64{
	"b":  1,
	"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}

func byteCount(value any) (int64, error) {
	switch value := value.(type) {
	case int64:
		return value, nil
	case string:
		digits := len(value) - len(strings.TrimLeft(value, "0123456789"))
		count, err := strconv.ParseInt(value[:digits], 10, 64)
		unit, known := units[strings.ToLower(strings.TrimLeft(value[digits:], " "))]
		if err != nil || !known || count > math.MaxInt64/unit {
			return 0, fmt.Errorf(`must be a size such as "10MB" or "512KiB", not %s`, quote(value))
		}
		return count * unit, nil
	}
	return 0, fmt.Errorf(`must be a size such as "10MB", or a number of bytes, not %s`, kind(value))
}

// sizeText writes a size as it may stand in the file.
func sizeText(bytes int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	for bytes >= 1000 && bytes%1000 == 0 && len(units) > 1 {
		bytes, units = bytes/1000, units[1:]
	}
	return strconv.FormatInt(bytes, 10) + units[0]
}

func stringArray(value any) ([]string, error) {
	array, ok := value.([]any)
	if !ok {
		return nil, fmt.Errorf(`must be an array of strings such as ["a", "b"], not %s`, kind(value))
	}
	texts := make([]string, len(array))
	for i, element := range array {
		if texts[i], ok = element.(string); !ok {
			return nil, fmt.Errorf("must hold strings in quotes only, and holds %s", kind(element))
		}
	}
	return texts, nil
}

// kind names a value's type in the words of the TOML specification.
func kind(value any) string {
	switch value.(type) {
	case string:
		return "a string"
	case int64:
		return "an integer"
	case float64:
		return "a float"
	case bool:
		return "a boolean"
	case time.Time:
		return "a date or time"
	case []any, []map[string]any:
		return "an array"
	default:
		return "a table"
	}
}

// quote shows a value from the file; what is long is cut.
func quote(text string) string {
	const enough = 60
	if runes := []rune(text); len(runes) > enough {
		text = string(runes[:enough]) + "…"
	}
	return `"` + escape.Name(text) + `"`
}
