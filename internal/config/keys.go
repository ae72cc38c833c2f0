package config

import (
	"math"
	"slices"
	"time"

	"ota/internal/kit/glob"
)

// Scope says in which file a key counts.
type Scope string

// The scopes. What an upload must never decide counts on the device only: as
// whom the program runs, where it listens, and what belongs to the device
// itself.
const (
	Anywhere Scope = "anywhere"
	OnDevice Scope = "on the device"
)

// Key is one setting that may stand in the files.
type Key struct {
	Table   string
	Name    string
	Counts  Scope
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

// shortestWatchdog leaves a busy device the time to say that it is alive.
const shortestWatchdog = time.Second

// Sizes below these are slips of the keyboard ("10" for "10MB"). They would make
// a file for every line, or a program that can't start.
const (
	smallest       = 1_000
	smallestMemory = 1_000_000
)

// keys is the only place that knows what may stand in the files.
var keys = []Key{
	{"program", "command", Anywhere, "array of strings", "", "The program and its arguments, run in `main/`. Without it: `main.py` with the Python that is found.", command(`["python3", "-u", "main.py"]`, func(c *Config) *[]string { return &c.Program.Command })},
	{"program", "env", Anywhere, "table of strings", `{}`, "Variables for the program, besides those that `ota` itself was started with. The two files are merged name by name.", environment},
	{"program", "env_file", Anywhere, "path", "", "A file with more of them, one `NAME=value` a line, read at each start of the program (see below). In `main/ota.toml`: below `main/`; in the device's file: below the folder of `ota.toml`, or absolute. With a `-` before it, as in `\"-secrets.env\"`, it may be missing.", envFile},
	{"program", "user", OnDevice, "name or number", "", "As whom the program runs, and its checks, probes and installers, where `ota` runs as root. Without it: as `ota`.", account(func(c *Config) *string { return &c.Program.User })},
	{"program", "group", OnDevice, "name or number", "", "With which group it runs then. Without it: that of `user`.", account(func(c *Config) *string { return &c.Program.Group })},
	{"program", "listen", OnDevice, "array of addresses", `[]`, "Sockets that `ota` opens and passes on to the program, as systemd does (`LISTEN_FDS`), so that no connection is refused during a switch: `\"0.0.0.0:8000\"`, `\"[::1]:80\"`, `\"unix:app.sock\"` (below `main/`). In `LISTEN_FDNAMES` they are called by their port, or by the name of the file: `8000`, `80`, `app.sock`.", listen},
	{"program", "restart", Anywhere, "word", `"on-failure"`, "When a program that has ended is started again: `on-failure` after a crash, `always` also after it ended by itself with exit code 0, `never` not before the next release or `ota start`.", restart},
	{"program", "watchdog", Anywhere, "duration", `"0s"`, "How long the program may be silent: it must say `WATCHDOG=1` (as to systemd, `sd_notify`) more often than that, or it counts as hanging and is started again. At least `\"1s\"`; `\"0s\"`: it need not say anything.", durationOrNone(shortestWatchdog, func(c *Config) *time.Duration { return &c.Program.Watchdog })},
	{"program", "memory_max", Anywhere, "size", "", "How much memory the program and all that it starts may use, as in `\"100MB\"`, where the system can limit it. Without it: no limit.", size(smallestMemory, func(c *Config) *int64 { return &c.Program.MemoryMax })},
	{"program", "nice", Anywhere, "integer", `0`, "How much the program leaves the processor to others, from -20 (to nobody, where `ota` runs as root) to 19.", integer(-20, 19, func(c *Config) *int { return &c.Program.Nice })},
	{"program", "stop_signals", Anywhere, "array of strings", `["INT", "TERM", "KILL"]`, "The signals that stop the program, each sent 5 s after the one before it if something of the program is still there. `KILL` is always the last, written or not.", signals},
	{"program", "stop_timeouts", Anywhere, "array of durations", "", "How long after each of `stop_signals` the next one is sent, as in `[\"30s\", \"5s\"]`. Those that are not there are 5 s.", timeouts},
	{"python", "interpreter", Anywhere, "name or path", "", "The Python that checks the program, makes its environment and runs it, as in `\"python3.11\"`. A path is absolute or below `main/`. Without it: the `python3` that is found.", interpreter},
	{"python", "environment", Anywhere, "boolean", `true`, "`false`: no virtual environment is made, whatever `main/` says it requires.", boolean(func(c *Config) *bool { return &c.Python.Environment })},
	{"python", "isolated", Anywhere, "boolean", `false`, "`true`: the program's environment does not see the packages of the system.", boolean(func(c *Config) *bool { return &c.Python.Isolated })},
	{"python", "index", Anywhere, "address", "", "Where packages come from, as in `\"https://packages.example.com/simple\"`. Without it: where pip is set to.", index},
	{"python", "offline", Anywhere, "boolean", `false`, "`true`: nothing is fetched; packages come from `main/wheels/`, or are those of the system.", boolean(func(c *Config) *bool { return &c.Python.Offline })},
	{"python", "warm", Anywhere, "boolean", `false`, "`true`: the interpreter for a new release is started while the old one still runs. It waits before the first line of the program.", boolean(func(c *Config) *bool { return &c.Python.Warm })},
	{"python", "preload", Anywhere, "array of modules", `[]`, "What that interpreter imports while it waits, as in `[\"numpy\", \"cv2\"]`. Alone it turns `warm` on.", modules},
	{"check", "imports", Anywhere, "boolean", `true`, "`false`: the imports of the program are not followed; its files are still compiled.", boolean(func(c *Config) *bool { return &c.Check.Imports })},
	{"check", "ignore", Anywhere, "array of strings", `[]`, "Patterns, as in `.gitignore`, of names in `main/` that are neither compiled nor followed.", patterns(func(c *Config) *[]glob.Pattern { return &c.Check.Ignore })},
	{"check", "command", Anywhere, "array of strings", "", "A check of your own, as in `[\"python3\", \"-m\", \"unittest\"]`. An upload with which it ends with another exit code than 0 is held.", command(`["python3", "-m", "unittest"]`, func(c *Config) *[]string { return &c.Check.Command })},
	{"check", "timeout", Anywhere, "duration", `"5m"`, "How long that command may take.", duration(1, func(c *Config) *time.Duration { return &c.Check.Timeout })},
	{"update", "quiet", Anywhere, "duration", `"1.5s"`, "How long nothing in `deposit/` may have changed before an upload counts as complete.", duration(0, func(c *Config) *time.Duration { return &c.Update.Quiet })},
	{"update", "ignore", Anywhere, "array of strings", `[]`, "Patterns, as in `.gitignore`, of names in `deposit/` that never belong to an upload and stay there.", patterns(func(c *Config) *[]glob.Pattern { return &c.Update.Ignore })},
	{"update", "window", Anywhere, "part of the day", `""`, "When a new release may be switched in, as in `\"02:00-05:00\"`: local time, and it may pass midnight. An upload that is ready earlier waits in `deposit/`. Empty: always.", window},
	{"update", "max_defer", Anywhere, "duration", `"1h"`, "How long a program that says it must not be interrupted (`OTA_BUSY`, `ota busy`) can put a switch off. After that it is stopped all the same.", duration(0, func(c *Config) *time.Duration { return &c.Update.MaxDefer })},
	{"update", "no_restart", Anywhere, "array of strings", `[]`, "Patterns, as in `.gitignore`, of names in `main/` for which the program need not be started again, as in `[\"data/**\"]`. An upload that has nothing else is put in place while the program runs.", patterns(func(c *Config) *[]glob.Pattern { return &c.Update.NoRestart })},
	{"update", "reload_signal", Anywhere, "string", `""`, "The signal that tells the program of such an upload, as in `\"HUP\"`. Empty: none.", reloadSignal},
	{"update", "usb", OnDevice, "boolean", `false`, "`true`: the newest packed release (`*.ota`) at the top of a USB stick that is mounted goes into `deposit/`, once. See [packed.md](packed.md).", boolean(func(c *Config) *bool { return &c.Update.USB })},
	{"trial", "period", Anywhere, "duration", `"10s"`, "How long a release is on trial after a switch. It is confirmed when it has run for this long and the probes below agree; or earlier, when it says `READY=1` (as to systemd, `sd_notify`) and the probes agree. It has failed when it crashes `attempts` times within this time, when a probe calls it bad until the end, or when it promised `READY=1` and that did not come in time.", duration(1, func(c *Config) *time.Duration { return &c.Trial.Period })},
	{"trial", "attempts", Anywhere, "integer", `2`, "With how many crashes within the period a release has failed. It has failed too when the device has gone down as many times during its trial.", integer(1, math.MaxInt32, func(c *Config) *int { return &c.Trial.Attempts })},
	{"trial", "ready", Anywhere, "boolean", `false`, "`true` promises that the program says `READY=1` when it is ready. A release that does not say it within the period has failed.", boolean(func(c *Config) *bool { return &c.Trial.Ready })},
	{"trial", "http", Anywhere, "address", "", "A probe: an address that the program must answer well, as in `\"http://localhost:8080/health\"`.", address(func(c *Config) *string { return &c.Trial.HTTP })},
	{"trial", "tcp", Anywhere, "host and port", "", "A probe: a port on which the program must accept connections, as in `\"localhost:1883\"`.", hostAndPort(func(c *Config) *string { return &c.Trial.TCP })},
	{"trial", "command", Anywhere, "array of strings", "", "A probe: a command that must end with exit code 0 while the program runs well, as in `[\"python3\", \"probe.py\"]`.", command(`["python3", "probe.py"]`, func(c *Config) *[]string { return &c.Trial.Command })},
	{"trial", "interval", Anywhere, "duration", `"1s"`, "How long a probe pauses between two looks, at least `\"100ms\"`.", duration(shortestInterval, func(c *Config) *time.Duration { return &c.Trial.Interval })},
	{"trial", "timeout", Anywhere, "duration", `"5s"`, "How long one look of a probe may take.", duration(1, func(c *Config) *time.Duration { return &c.Trial.Timeout })},
	{"store", "keep", OnDevice, "integer", `10`, "How many of the last releases are kept, besides the current one, the last confirmed one and those that are pinned.", integer(1, math.MaxInt32, func(c *Config) *int { return &c.Store.Keep })},
	{"store", "max_bytes", OnDevice, "size", "", "How large the store of releases may get before older ones are dropped, as in `\"500MB\"`. Without it: as large as `keep` makes it.", size(smallest, func(c *Config) *int64 { return &c.Store.MaxBytes })},
	{"logs", "max_file", OnDevice, "size", `"10MB"`, "How large one log file gets before the next is begun.", size(smallest, func(c *Config) *int64 { return &c.Logs.MaxFile })},
	{"logs", "max_total", OnDevice, "size", `"50MB"`, "How large all log files together get before the oldest are deleted.", size(smallest, func(c *Config) *int64 { return &c.Logs.MaxTotal })},
	{"notify", "webhook", OnDevice, "address", "", "Where a message is sent when something has happened that `on` names, as in `\"https://example.com/hook\"`: a POST with JSON. See [notify.md](notify.md).", webhook},
	{"notify", "command", OnDevice, "array of strings", "", "A command that is run then, as in `[\"sh\", \"notify.sh\"]`, in the folder of `ota.toml`, as the user that the program runs as. It gets the same JSON on its standard input, and the commonest of it in variables.", command(`["sh", "notify.sh"]`, func(c *Config) *[]string { return &c.Notify.Command })},
	{"notify", "on", OnDevice, "array of words", `["failed", "rolled-back", "crash-looping"]`, "Of what somebody is told: `failed`, a release failed its trial; `rolled-back`, an earlier release is in `main/` again; `crash-looping`, the program crashes again and again; `recovered`, it has run for a minute since; `held`, an upload is held; `confirmed`, a release has proved itself.", happenings},
	{"web", "listen", OnDevice, "address", `"127.0.0.1:8484"`, "Where the page is: a host and a port. `\"0.0.0.0:8484\"` is every address of the device, and then the page speaks TLS. At port 0 the system chooses one. `\"off\"`: there is no page.", webListen},
	{"web", "announce", OnDevice, "boolean", `true`, "Whether the local network is told that the device is there, so that `ota find` lists it, if `listen` is an address that the network can reach; of a page that only the machine itself reaches nobody is told. See [find.md](find.md).", boolean(func(c *Config) *bool { return &c.Web.Announce })},
	{"web", "hosts", OnDevice, "array of names", `[]`, "Further names by which browsers may reach the page, as in `[\"garden.example.com\"]`, besides those that the device gives itself.", webHosts},
	{"web", "cert", OnDevice, "path", "", "The certificate of the page, a PEM file, absolute or below the folder of `ota.toml`; with `key`. Without both, `ota` makes one itself where it is needed.", webFile("cert.pem", func(c *Config) *string { return &c.Web.Cert })},
	{"web", "key", OnDevice, "path", "", "The key of that certificate, a PEM file, in the same way.", webFile("key.pem", func(c *Config) *string { return &c.Web.Key })},
	{"web", "hide", OnDevice, "array of strings", `[]`, "Patterns, as in `.gitignore` but without regard to case, of names in `main/` and `deposit/` that nobody can look into or take away over the network, as in `[\"*.pem\", \"private/\"]`. `.env`, `.env.local` and the like, and the `env_file` are always such.", patterns(func(c *Config) *[]glob.Pattern { return &c.Web.Hide })},
	{"mqtt", "broker", OnDevice, "address", `""`, "The MQTT broker that is told how things stand, as in `\"mqtt://homeassistant.local:1883\"`, or `\"mqtts://…:8883\"` for TLS. Empty: none; `docs/home.md` has more.", broker},
	{"mqtt", "user", OnDevice, "name", "", "As whom the broker knows this device. Without it: as anybody.", mqttUser},
	{"mqtt", "password_file", OnDevice, "path", "", "A file with the password, which nobody but ota's user should be able to read (`chmod 600`), absolute or below the folder of `ota.toml`. It is read at each connection.", webFile("mqtt.password", func(c *Config) *string { return &c.MQTT.PasswordFile })},
	{"mqtt", "ca", OnDevice, "path", "", "The certificate of the authority that vouches for the broker, a PEM file, in the same way; with `mqtts://`. Without it: those that the system trusts.", webFile("ca.pem", func(c *Config) *string { return &c.MQTT.CA })},
	{"mqtt", "name", OnDevice, "name", "", "What the device is called there, of letters, digits, `-` and `_`. Each device of a broker needs another one. Without it: the name of the host and that of the folder, as in `raspberrypi-garden`.", mqttName},
	{"mqtt", "prefix", OnDevice, "topic", `"homeassistant"`, "Where Home Assistant looks for new devices. Empty: it is not told of this one.", topic("homeassistant", true, func(c *Config) *string { return &c.MQTT.Prefix })},
	{"mqtt", "topic", OnDevice, "topic", `"ota"`, "Where all other topics are, as in `ota/NAME/state`.", topic("ota", false, func(c *Config) *string { return &c.MQTT.Topic })},
	{"mqtt", "control", OnDevice, "boolean", `true`, "`false`: the device only tells; that what is in `deposit/` be installed can't be asked for over MQTT.", boolean(func(c *Config) *bool { return &c.MQTT.Control })},
	{"device", "app", OnDevice, "name", `""`, "The program that this device runs, as in `\"garden\"`: a packed release of another program is held. Empty: any. See [packed.md](packed.md).", app},
	{"device", "threshold", OnDevice, "integer", `1`, "How many people have to have signed a packed release, where there is a file `allowed_signers`.", integer(1, 16, func(c *Config) *int { return &c.Device.Threshold })},
	{"source", "url", OnDevice, "address", "", "Where releases are fetched from: an archive of `ota pack` on a web server, in a bucket or on a page of releases, as in `\"https://example.com/garden.ota\"`. See [sources.md](sources.md).", urlSource},
	{"source", "git", OnDevice, "address", "", "Or a git repository, as in `\"https://example.com/garden.git#main\"`: behind the `#` a branch or tag and, after a colon, a folder. Also `ssh://`, `file://` and `git@host:path`.", gitSource},
	{"source", "token_file", OnDevice, "path", "", "A file with a token that may read there, which nobody but ota's user should be able to read (`chmod 600`), absolute or below the folder of `ota.toml`. It is read at each look.", webFile("source.token", func(c *Config) *string { return &c.Source.TokenFile })},
	{"source", "poll", OnDevice, "duration", `"15m"`, "About how long it is between two looks, a fifth more or less; at least `\"1m\"`. `\"0s\"`: only when asked by `ota fetch` or over the network.", durationOrNone(shortestPoll, func(c *Config) *time.Duration { return &c.Source.Poll })},
	{"source", "only_signed_commits", OnDevice, "boolean", `false`, "`true`: only commits are taken that a key in `allowed_signers` has signed.", boolean(func(c *Config) *bool { return &c.Source.OnlySigned })},
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

// tablesOf returns the tables that have a key of this name.
func tablesOf(name string) []string {
	var names []string
	for _, key := range keys {
		if key.Name == name {
			names = append(names, key.Table)
		}
	}
	return names
}

// countsOnDevice tells whether no key of the table counts anywhere else.
func countsOnDevice(table string) bool {
	return !slices.ContainsFunc(keys, func(k Key) bool { return k.Table == table && k.Counts != OnDevice })
}
