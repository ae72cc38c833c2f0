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

// shortestInterval keeps a probe from being the load that it is to find.
const shortestInterval = 100 * time.Millisecond

// keys is the only place that knows what may stand in ota.toml.
var keys = []Key{
	{"program", "command", "array of strings", "", "The program and its arguments, run in `main/`. Without it: `main.py` with the Python that is found.", command(`["python3", "-u", "main.py"]`, func(c *Config) *[]string { return &c.Program.Command })},
	{"program", "env", "table of strings", `{}`, "Variables for the program, besides those that `ota` itself was started with.", environment},
	{"program", "stop_signals", "array of strings", `["INT", "TERM", "KILL"]`, "The signals that stop the program, each sent 5 s after the one before it if something of the program is still there. `KILL` is always the last, written or not.", signals},
	{"update", "quiet", "duration", `"1s"`, "How long nothing in `deposit/` may have changed before an upload counts as complete.", duration(0, func(c *Config) *time.Duration { return &c.Update.Quiet })},
	{"update", "ignore", "array of strings", `[]`, "Patterns, as in `.gitignore`, of names in `deposit/` that never belong to an upload and stay there.", patterns},
	{"update", "window", "part of the day", `""`, "When a new release may be switched in, as in `\"02:00-05:00\"`: local time, and it may pass midnight. An upload that is ready earlier waits in `deposit/`. Empty: always.", window},
	{"update", "max_defer", "duration", `"1h"`, "How long a program that says it must not be interrupted (`OTA_BUSY`, `ota busy`) can put a switch off. After that it is stopped all the same.", duration(0, func(c *Config) *time.Duration { return &c.Update.MaxDefer })},
	{"trial", "period", "duration", `"10s"`, "How long a release is on trial after a switch. It is confirmed when it has run for this long and the probes below agree; or earlier, when it says `READY=1` (as to systemd, `sd_notify`) and the probes agree. It has failed when it crashes `attempts` times within this time, when a probe calls it bad until the end, or when it promised `READY=1` and that did not come in time.", duration(1, func(c *Config) *time.Duration { return &c.Trial.Period })},
	{"trial", "attempts", "integer", `2`, "With how many crashes within the period a release has failed. It has failed too when the device has gone down as many times during its trial.", integer(1, func(c *Config) *int { return &c.Trial.Attempts })},
	{"trial", "ready", "boolean", `false`, "`true` promises that the program says `READY=1` when it is ready. A release that does not say it within the period has failed.", boolean(func(c *Config) *bool { return &c.Trial.Ready })},
	{"trial", "http", "address", "", "A probe: an address that the program must answer well, as in `\"http://localhost:8080/health\"`.", address(func(c *Config) *string { return &c.Trial.HTTP })},
	{"trial", "tcp", "host and port", "", "A probe: a port on which the program must accept connections, as in `\"localhost:1883\"`.", hostAndPort(func(c *Config) *string { return &c.Trial.TCP })},
	{"trial", "command", "array of strings", "", "A probe: a command that must end with exit code 0 while the program runs well, as in `[\"python3\", \"probe.py\"]`.", command(`["python3", "probe.py"]`, func(c *Config) *[]string { return &c.Trial.Command })},
	{"trial", "interval", "duration", `"1s"`, "How long a probe pauses between two looks, at least `\"100ms\"`.", duration(shortestInterval, func(c *Config) *time.Duration { return &c.Trial.Interval })},
	{"trial", "timeout", "duration", `"5s"`, "How long one look of a probe may take.", duration(1, func(c *Config) *time.Duration { return &c.Trial.Timeout })},
	{"store", "keep", "integer", `10`, "How many of the last releases are kept, besides the current one, the last confirmed one and those that are pinned.", integer(1, func(c *Config) *int { return &c.Store.Keep })},
	{"store", "max_bytes", "size", "", "How large the store of releases may get before older ones are dropped, as in `\"500MB\"`. Without it: as large as `keep` makes it.", size(func(c *Config) *int64 { return &c.Store.MaxBytes })},
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
