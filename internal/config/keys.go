package config

import (
	"slices"
	"time"
)

// Key is one setting that may stand in the file.
type Key struct {
	Table   string
	Name    string
	Type    string // for people: "duration", "array of strings" …
	Default string // as it would be written in the file; empty where leaving it out is the only way
	Doc     string // sentences in Markdown, for an owner of a device

	set setter
}

// setter puts a value, as the TOML parser gives it, into the configuration. Its
// error completes "command …".
type setter func(c *Config, value any) error

// keys is the only place that knows what may stand in ota.toml.
var keys = []Key{
	{"program", "command", "array of strings", "", "The program and its arguments, run in `main/`. Without it: `main.py` with the Python that is found.", command},
	{"program", "env", "table of strings", `{}`, "Variables for the program, besides those that `ota` itself was started with.", environment},
	{"program", "stop_signals", "array of strings", `["INT", "TERM", "KILL"]`, "The signals that stop the program, each sent 5 s after the one before it if something of the program is still there. `KILL` is always the last, written or not.", signals},
	{"update", "quiet", "duration", `"1s"`, "How long nothing in `deposit/` may have changed before an upload counts as complete.", duration(func(c *Config) *time.Duration { return &c.Update.Quiet })},
	{"update", "ignore", "array of strings", `[]`, "Patterns, as in `.gitignore`, of names in `deposit/` that never belong to an upload and stay there.", patterns},
	{"logs", "max_file", "size", `"10MB"`, "How large one log file gets before the next is begun.", size(func(c *Config) *int64 { return &c.Logs.MaxFile })},
	{"logs", "max_total", "size", `"50MB"`, "How large all log files together get before the oldest are deleted.", size(func(c *Config) *int64 { return &c.Logs.MaxTotal })},
}

// Keys returns all settings, in the order in which they are documented.
func Keys() []Key { return slices.Clone(keys) }

func find(table, name string) (Key, bool) {
	for _, key := range keys {
		if key.Table == table && key.Name == name {
			return key, true
		}
	}
	return Key{}, false
}

// tables returns the names of the tables.
func tables() []string {
	var names []string
	for _, key := range keys {
		if !slices.Contains(names, key.Table) {
			names = append(names, key.Table)
		}
	}
	return names
}

// namesIn returns the names of the keys of a table, or of all tables.
func namesIn(table string) []string {
	var names []string
	for _, key := range keys {
		if key.Table == table || table == "" {
			names = append(names, key.Name)
		}
	}
	return names
}

// tableOf returns the table that has a key of this name, or an empty string.
func tableOf(name string) string {
	for _, key := range keys {
		if key.Name == name {
			return key.Table
		}
	}
	return ""
}
