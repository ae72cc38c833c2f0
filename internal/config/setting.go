package config

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode"

	"github.com/BurntSushi/toml"
)

// Setting is one value in force.
type Setting struct {
	Table, Name string
	Entry       string // of a table such as env, whose entries are settings of their own; or empty
	Value       any    // as it is written: string, int64, bool, []any …; nil: not set
	Origin      Origin
}

// Settings returns all values in force, in the order of [Keys].
func (c Config) Settings() []Setting {
	var list []Setting
	for _, key := range keys {
		list = append(list, c.settingsOf(key)...)
	}
	return list
}

func (c Config) settingsOf(key Key) []Setting {
	var list []Setting
	for at, v := range c.values {
		if at.table == key.Table && at.name == key.Name {
			list = append(list, Setting{at.table, at.name, at.entry, v.value, v.origin})
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Entry < list[j].Entry })
	if len(list) == 0 {
		list = append(list, Setting{Table: key.Table, Name: key.Name, Value: key.standard(), Origin: ByDefault})
	}
	return list
}

// standard is the value of a key that is written nowhere, nil if it has none.
func (k Key) standard() any {
	var file map[string]any
	if _, err := toml.Decode("value = "+k.Default, &file); err != nil {
		return nil // no Default
	}
	return file["value"]
}

// Key is the key of the setting as it is written in its table: env.LANG.
func (s Setting) Key() string {
	if s.Entry == "" {
		return s.Name
	}
	if bare := strings.Trim(s.Entry, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == ""; bare {
		return s.Name + "." + s.Entry
	}
	return s.Name + "." + tomlString(s.Entry)
}

// TOML is the setting as a line of its table; one that is not set, as a comment.
func (s Setting) TOML() string {
	if s.Value == nil {
		return "# " + s.Key() + " is not set"
	}
	return s.Key() + " = " + tomlOf(s.Value)
}

// secretWords are in the names of variables that nobody should read over
// somebody's shoulder.
var secretWords = []string{"SECRET", "TOKEN", "KEY", "PASSWORD", "PASSWD", "PASSPHRASE", "PASSCODE", "CREDENTIAL", "BEARER", "COOKIE"}

// secretParts are too short for that: a part of the name has to be one, as in
// DB_PASS, and not in COMPASS.
var secretParts = []string{"PASS", "PW", "PWD", "PSK", "AUTH"}

// hidden stands for what is not shown.
const hidden = "…"

// Masked is the setting without what looks like a secret: by the name of a
// variable, as the password in an address, or as the path of a webhook.
func (s Setting) Masked() Setting {
	if s.Table == "notify" && s.Name == "webhook" && s.Value != nil {
		s.Value = withoutPath(s.Value)
	} else if s.Table == "source" && s.Name == "url" && s.Value != nil {
		s.Value = withoutQuery(s.Value)
	} else if soundsSecret(strings.ToUpper(s.Entry)) {
		s.Value = hidden
	} else {
		s.Value = masked(s.Value)
	}
	return s
}

func soundsSecret(name string) bool {
	parts := strings.FieldsFunc(name, func(letter rune) bool { return letter < 'A' || letter > 'Z' })
	return slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) }) ||
		slices.ContainsFunc(parts, func(part string) bool { return slices.Contains(secretParts, part) }) && name != "PWD"
}

func masked(value any) any {
	switch value := value.(type) {
	case string:
		return withoutPassword(value)
	case []any:
		list := make([]any, len(value))
		for i, one := range value {
			list[i] = masked(one)
		}
		return list
	}
	return value
}

// withoutPassword hides what RFC 3986 has between a scheme and a host after the
// first colon.
func withoutPassword(text string) string {
	before, rest, _ := strings.Cut(text, "://")
	end := strings.IndexAny(rest, "/?# \t")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@')
	if at < 0 {
		return text
	}
	user, _, has := strings.Cut(rest[:at], ":")
	if !has {
		return text
	}
	return before + "://" + user + ":" + hidden + withoutPassword(rest[at:])
}

// tomlOf writes a value as it may stand in a file.
func tomlOf(value any) string {
	switch value := value.(type) {
	case string:
		return tomlString(value)
	case []any:
		texts := make([]string, len(value))
		for i, one := range value {
			texts[i] = tomlOf(one)
		}
		return "[" + strings.Join(texts, ", ") + "]"
	case map[string]any:
		texts := make([]string, 0, len(value))
		for _, name := range slices.Sorted(maps.Keys(value)) {
			texts = append(texts, tomlString(name)+" = "+tomlOf(value[name]))
		}
		return "{" + strings.Join(texts, ", ") + "}"
	default:
		return fmt.Sprint(value) // integers and booleans: nothing else is taken
	}
}

var tomlEscapes = map[rune]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\t': `\t`, '\n': `\n`, '\f': `\f`, '\r': `\r`}

// tomlString writes a basic string, in which nothing can touch a terminal.
func tomlString(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		escaped, special := tomlEscapes[r]
		switch {
		case special:
			b.WriteString(escaped)
		case strconv.IsPrint(r) && r != unicode.ReplacementChar:
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08X`, r)
		default:
			fmt.Fprintf(&b, `\u%04X`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
