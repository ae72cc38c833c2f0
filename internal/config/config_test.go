package config

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ota/internal/kit/glob"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var patternsByText = cmp.Comparer(func(a, b glob.Pattern) bool { return a.String() == b.String() })

// values are told by another test.
var settingsOnly = cmp.Options{patternsByText, cmpopts.IgnoreUnexported(Config{})}

// parse reads the file of a device.
func parse(data []byte) (Config, error) {
	layers, err := ParseLayers("ota.toml", data)
	return layers.Device(), err
}

func TestParse(t *testing.T) {
	got, err := parse([]byte(`
# A garden in the shed.
[program]
command = ["./server", "--port", "80"]
stop_signals = ["sigusr1", "TERM"]
stop_timeouts = ["1m", "0s"]
env_file = "-secrets.env"
user = "pi"
group = 1000
listen = ["0.0.0.0:08000", "[::1]:80", "unix:run//app one.sock"]
restart = "always"
watchdog = "30s"
memory_max = "100MB"
nice = -20

[program.env]
LANG = "C.UTF-8"
EMPTY = ""

[python]
interpreter = "python3.11"
environment = false
isolated = true
index = "file:///srv/wheels"
offline = true
preload = ["numpy", "os.path"]

[check]
imports = false
ignore = ["tests/"]
command = ["python3", "-m", "unittest"]
timeout = "1m"

[update]
quiet = "2m500ms"
ignore = ["*.log", "data/**"]
window = "22:30-05:00"
max_defer = "0s"
no_restart = ["data/**"]
reload_signal = "SIGHUP"

[trial]
period = "1m"
attempts = 3
ready = true
http = "https://[::1]:8443/health?deep=1"
tcp = "localhost:1883"
command = ["python3", "probe.py"]
interval = "100ms"
timeout = "1ns"

[store]
keep = 1
max_bytes = "500MB"

[logs]
max_file = "1 MiB"
max_total = 3000000
`))
	if err != nil {
		t.Fatal(err)
	}
	pattern := func(text string) glob.Pattern {
		p, err := glob.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	user1, ok := signalByName("SIGUSR1")
	if !ok {
		t.Skip("no SIGUSR1 here")
	}
	want := Config{
		Program: Program{
			Command: []string{"./server", "--port", "80"},
			Env:     map[string]string{"LANG": "C.UTF-8", "EMPTY": ""},
			EnvFile: EnvFile{Path: "secrets.env", Optional: true, Origin: Device},
			User:    "pi", Group: "1000",
			Restart:      Always,
			StopSignals:  []syscall.Signal{user1, syscall.SIGTERM, syscall.SIGKILL},
			StopTimeouts: []time.Duration{time.Minute, 0},
			MemoryMax:    100_000_000,
			Nice:         -20,
			Listen:       []Socket{{"tcp", "0.0.0.0:8000", "8000"}, {"tcp", "[::1]:80", "80"}, {"unix", "run/app one.sock", "app_one.sock"}},
			Watchdog:     30 * time.Second,
		},
		Python: Python{
			Interpreter: "python3.11", Isolated: true, Index: "file:///srv/wheels", Offline: true,
			Warm: true, Preload: []string{"numpy", "os.path"},
		},
		Check: Check{Ignore: []glob.Pattern{pattern("tests/")}, Command: []string{"python3", "-m", "unittest"}, Timeout: time.Minute},
		Update: Update{
			Quiet:     2*time.Minute + 500*time.Millisecond,
			Ignore:    []glob.Pattern{pattern("*.log"), pattern("data/**")},
			Window:    Window{22*time.Hour + 30*time.Minute, 5 * time.Hour},
			NoRestart: []glob.Pattern{pattern("data/**")}, ReloadSignal: syscall.SIGHUP,
		},
		Trial: Trial{
			Period: time.Minute, Attempts: 3, Ready: true,
			HTTP: "https://[::1]:8443/health?deep=1", TCP: "localhost:1883", Command: []string{"python3", "probe.py"},
			Interval: 100 * time.Millisecond, Timeout: 1,
		},
		Store:  Store{Keep: 1, MaxBytes: 500_000_000},
		Logs:   Logs{MaxFile: 1 << 20, MaxTotal: 3_000_000},
		Notify: Default().Notify,
		Device: Machine{Threshold: 1},
		Web:    Default().Web,
		MQTT:   Default().MQTT,
		Source: Default().Source,
	}
	if diff := cmp.Diff(want, got, settingsOnly); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for path, want := range map[string]bool{"a/b.log": true, "data/x/y": true, "data": false, "main.py": false} {
		if got.Update.Ignored(path) != want {
			t.Errorf("Ignored(%q) = %v", path, !want)
		}
	}
	if !got.Update.Spared("data/x/y") || got.Update.Spared("main.py") || !got.Check.Ignored("tests/a.py") || got.Check.Ignored("main.py") {
		t.Error("the patterns are those of another key")
	}
}

func TestProblems(t *testing.T) {
	tests := []struct {
		name, file string
		want       []string
	}{
		{"misspelt key", "\n\n[update]\nquite = \"1s\"", []string{`ota.toml:4: unknown key "quite" in [update] (did you mean "quiet"?)`}},
		{"nothing near", "[update]\nzebra = 1", []string{`ota.toml:2: unknown key "zebra" in [update]`}},
		{"misspelt table", "[progam]\ncommand = [\"x\"]", []string{`ota.toml:1: unknown table [progam] (did you mean "program"?)`}},
		{"wrong table", "[logs]\nquiet = \"1s\"", []string{`ota.toml:2: unknown key "quiet" in [logs] (quiet belongs in [update])`}},
		{"outside of the tables", "quiet = \"1s\"\nmax_fil = 1", []string{
			`ota.toml:1: unknown key "quiet" outside of the tables (quiet belongs in [update])`,
			`ota.toml:2: unknown key "max_fil" outside of the tables (did you mean "max_file"?)`}},
		{"case", "[update]\nQuiet = \"1s\"", []string{`ota.toml:2: unknown key "Quiet" in [update] (did you mean "quiet"?)`}},
		{"unknown by dots", "\n[gui.page]\nport = 1", []string{`ota.toml:2: unknown table [gui]`}},
		{"table is none", "update = 3", []string{`ota.toml:1: [update] must be a table, not an integer`}},
		{"table repeated", "[[update]]", []string{`ota.toml:1: [update] must be a table, not an array`}},
		{"in dots", "\nupdate.quiet = 3", []string{`ota.toml:2: quiet must be a duration in quotes such as "2s" or "500ms", not an integer`}},
		{"bad duration", "[update]\nquiet = \"2 secs\"", []string{`ota.toml:2: quiet must be a duration such as "2s" or "500ms", not "2 secs"`}},
		{"negative duration", "[update]\nquiet = \"-1s\"", []string{`ota.toml:2: quiet can't be negative`}},
		{"command as string", "[program]\ncommand = \"main.py\"", []string{`ota.toml:2: command must be an array of strings such as ["a", "b"], not a string`}},
		{"empty command", "[program]\ncommand = []", []string{`ota.toml:2: command names no program; it reads like ["python3", "-u", "main.py"]`}},
		{"command with number", "[program]\ncommand = [\n\"a\",\n1]", []string{`ota.toml:2: command must hold strings in quotes only, and holds an integer`}},
		{"unknown signal", "[program]\nstop_signals = [\"INT\", \"FOO\"]", []string{`ota.toml:2: stop_signals holds the unknown signal "FOO"`}},
		{"signal after kill", "[program]\nstop_signals = [\"KILL\", \"INT\"]", []string{`ota.toml:2: stop_signals holds signals after KILL, when nothing is left that could get them`}},
		{"no signals", "[program]\nstop_signals = []", []string{`ota.toml:2: stop_signals names no signal; it reads like ["INT", "TERM", "KILL"]`}},
		{"env", "[program.env]\nPORT = 80\nOK = \"1\"\nOTA_DIR = \"x\"\n\"A=B\" = \"x\"", []string{
			`ota.toml:2: env: "PORT" must be a string in quotes, not an integer`,
			`ota.toml:4: env: "OTA_DIR" can't be set: variables that begin with OTA_ come from ota`,
			`ota.toml:5: env: "A=B" can't be the name of a variable`}},
		{"env is none", "[program]\nenv = [\"A=B\"]", []string{`ota.toml:2: env must be a table such as { LANG = "C.UTF-8" }, not an array`}},
		{"pattern", "[update]\nignore = [\"[a\"]", []string{`ota.toml:2: ignore holds "[a": "[" has no "]" within the same name; for a bracket itself write "\\["`}},
		{"size", "[logs]\nmax_file = \"10 megs\"\nmax_total = 1.5", []string{
			`ota.toml:2: max_file must be a size such as "10MB" or "512KiB", not "10 megs"`,
			`ota.toml:3: max_total must be a size such as "10MB", or a number of bytes, not a float`}},
		{"size too small", "[logs]\nmax_file = -5", []string{`ota.toml:2: max_file must be at least "1kB"`}},
		{"size too large", "[logs]\nmax_file = \"9999999999TB\"", []string{`ota.toml:2: max_file must be a size such as "10MB" or "512KiB", not "9999999999TB"`}},
		{"file over total", "[logs]\nmax_file = \"100MB\"", []string{`ota.toml:2: max_total must be at least max_file`}},
		{"total under file", "[logs]\nmax_file = \"20MB\"\nmax_total = \"15MB\"", []string{`ota.toml:3: max_total must be at least max_file`}},
		{"window", "[update]\nwindow = \"2-5\"", []string{`ota.toml:2: window must be a part of the day such as "02:00-05:00", not "2-5"`}},
		{"window as number", "[update]\nwindow = 2", []string{`ota.toml:2: window must be a part of the day such as "02:00-05:00", not an integer`}},
		{"window without length", "[update]\nwindow = \"02:00-02:00\"", []string{`ota.toml:2: window opens and closes at the same time`}},
		{"trial, in vain", "[trial]\nperiod = \"0s\"\nattempts = 0\nready = \"yes\"\ninterval = \"10ms\"\ntimeout = \"-1s\"\ncommand = []", []string{
			`ota.toml:2: period can't be 0`,
			`ota.toml:3: attempts must be at least 1`,
			`ota.toml:4: ready must be true or false, without quotes, not a string`,
			`ota.toml:5: interval must be at least "100ms"`,
			`ota.toml:6: timeout can't be negative`,
			`ota.toml:7: command names no program; it reads like ["python3", "probe.py"]`}},
		{"integers", "[trial]\nattempts = \"2\"\n[store]\nkeep = 2147483648", []string{
			`ota.toml:2: attempts must be a whole number such as 2, not a string`,
			`ota.toml:4: keep can't be more than 2147483647`}},
		{"address", "[trial]\nhttp = \"localhost:8080/health\"\ntcp = 1883", []string{
			`ota.toml:2: http must be an address such as "http://localhost:8080/health", not "localhost:8080/health"`,
			`ota.toml:3: tcp must be a host and a port such as "localhost:1883", not an integer`}},
		{"other scheme", "[trial]\nhttp = \"ftp://localhost\"\ntcp = \"localhost\"", []string{
			`ota.toml:2: http must begin with http:// or https://, not "ftp://"`,
			`ota.toml:3: tcp must be a host and a port such as "localhost:1883", not "localhost"`}},
		{"store too small", "[store]\nmax_bytes = 5", []string{`ota.toml:2: max_bytes must be at least "1kB"`}},
		{"ambiguous home", "[logs]\ntimeout = \"1s\"", []string{`ota.toml:2: unknown key "timeout" in [logs] (timeout belongs in [check] or [trial])`}},
		{"of the program, in vain", "[program]\nenv_file = \"-\"\nrestart = \"sometimes\"\nwatchdog = \"10ms\"\nmemory_max = \"100kB\"\nnice = 20", []string{
			`ota.toml:2: env_file must be a path such as "secrets.env", not "-"`,
			`ota.toml:3: restart must be "on-failure", "always" or "never", not "sometimes"`,
			`ota.toml:4: watchdog must be at least "1s", or "0s" for none`,
			`ota.toml:5: memory_max must be at least "1MB"`,
			`ota.toml:6: nice can't be more than 19`}},
		{"of other types", "[program]\nenv_file = 1\nrestart = true\nuser = 1.5\nlisten = \"a:1\"\nnice = \"1\"\n[python]\ninterpreter = 3.11\nindex = 1\npreload = \"numpy\"\n[update]\nreload_signal = 1", []string{
			`ota.toml:2: env_file must be a path such as "secrets.env", not an integer`,
			`ota.toml:3: restart must be "on-failure", "always" or "never", not a boolean`,
			`ota.toml:4: user must be a name or a number such as "pi" or 1000, not a float`,
			`ota.toml:5: listen must be an array of strings such as ["a", "b"], not a string`,
			`ota.toml:6: nice must be a whole number such as 0, not a string`,
			`ota.toml:8: interpreter must be a name or a path such as "python3.11" or "/usr/bin/python3", not a float`,
			`ota.toml:9: index must be an address such as "https://packages.example.com/simple", not an integer`,
			`ota.toml:10: preload must be an array of strings such as ["a", "b"], not a string`,
			`ota.toml:12: reload_signal must be the name of a signal such as "HUP", not an integer`}},
		{"of Python, in vain", "[python]\ninterpreter = \"python3 -u\"\nindex = \"packages.example.com\"\npreload = [\"numpy\", \"-c\"]", []string{
			`ota.toml:2: interpreter must be a name or a path such as "python3.11" or "/usr/bin/python3", not "python3 -u"`,
			`ota.toml:3: index must begin with https://, http:// or file://, not "://"`,
			`ota.toml:4: preload holds "-c", which can't be the name of a module`}},
		{"index without a host", "[python]\nindex = \"https://\"", []string{`ota.toml:2: index must be an address such as "https://packages.example.com/simple", not "https://"`}},
		{"accounts", "[program]\nuser = \"a:b\"\ngroup = 4294967295", []string{
			`ota.toml:2: user must be a name or a number such as "pi" or 1000, not "a:b"`,
			`ota.toml:3: group must be a name or a number such as "pi" or 1000, not 4294967295`}},
		{"reload", "[update]\nreload_signal = \"FOO\"", []string{`ota.toml:2: reload_signal is the unknown signal "FOO"`}},
		{"reload by killing", "[update]\nreload_signal = \"KILL\"", []string{`ota.toml:2: reload_signal can't be KILL, which no program survives`}},
		{"too many timeouts", "[program]\nstop_signals = [\"TERM\"]\nstop_timeouts = [\"1s\", \"2s\"]", []string{
			`ota.toml:3: stop_timeouts holds 2 durations, and between the signals there are 1`}},
		{"timeouts", "[program]\nstop_timeouts = [\"1s\", \"-1s\"]", []string{`ota.toml:2: stop_timeouts holds "-1s", which can't be negative`}},
		{"timeouts in vain", "[program]\nstop_timeouts = [\"soon\"]", []string{`ota.toml:2: stop_timeouts holds "soon", which must be a duration such as "2s" or "500ms", not "soon"`}},
		{"endless timeouts", "[program]\nstop_timeouts = [\"20h\", \"2540400h\"]", []string{`ota.toml:2: stop_timeouts can't be more than a day together`}},
		{"a socket of UDP", "[program]\nlisten = [\"udp:0.0.0.0:53\"]", []string{`ota.toml:2: listen holds "udp:0.0.0.0:53": only TCP and unix sockets can be passed on`}},
		{"a socket twice", "[program]\nlisten = [\"unix:a.sock\", \"unix:./a.sock\"]", []string{`ota.toml:2: listen holds "unix:./a.sock" twice`}},
		{"a socket without a host", "[program]\nlisten = [\":80\"]", []string{`ota.toml:2: listen holds ":80": for all addresses write "0.0.0.0:80", for those of IPv6 too "[::]:80"`}},
		{"several, in order", "[update]\nb = 1\na = 1\n[logs]\nc = 1", []string{
			`ota.toml:2: unknown key "b" in [update]`, `ota.toml:3: unknown key "a" in [update]`, `ota.toml:5: unknown key "c" in [logs]`}},
		{"control characters", "[update]\n\"a\\u001b[2J\" = 1", []string{`ota.toml:2: unknown key "a\x1b[2J" in [update]`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parse([]byte(test.file))
			var list *Error
			if !errors.As(err, &list) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if diff := cmp.Diff(strings.Join(test.want, "\n"), err.Error()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			got.Program.Env, got.Program.StopSignals = Default().Program.Env, Default().Program.StopSignals
			if diff := cmp.Diff(Default(), got, settingsOnly); diff != "" {
				t.Errorf("a refused value was taken\n%s", diff)
			}
		})
	}
}

func TestSyntaxErrorsHaveLines(t *testing.T) {
	for file, line := range map[string]int{
		"[update]\nquiet = ":                   2,
		"[update]\nquiet = \"1s\"\nquiet=\"\"": 3,
		"\x00":                                 1,
		"\n\n[":                                3,
	} {
		_, err := parse([]byte(file))
		var list *Error
		if !errors.As(err, &list) || len(list.Problems) != 1 || list.Problems[0].Line != line {
			t.Errorf("parse(%q): %v, want line %d", file, err, line)
		}
	}
}

// Somebody else's file: what is wrong must not fill the screen.
func TestManyProblemsAreCut(t *testing.T) {
	var file strings.Builder
	file.WriteString("[update]\n")
	for i := range 4000 {
		fmt.Fprintf(&file, "k%d = 1\n", i)
	}
	_, err := parse([]byte(file.String()))
	if lines := strings.Count(err.Error(), "\n") + 1; lines != enough+1 {
		t.Errorf("%d lines, want %d", lines, enough+1)
	}
	if !strings.HasSuffix(err.Error(), "more is wrong than is told here") {
		t.Errorf("no end in %q", err)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	load := func(path string) (Config, error) {
		layers, err := LoadLayers(path)
		return layers.Device(), err
	}
	got, err := load(filepath.Join(dir, "ota.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), got, settingsOnly); diff != "" {
		t.Errorf("without a file (-want +got)\n%s", diff)
	}
	if _, err := load(dir); err == nil {
		t.Error("a folder was read as a file")
	}
	large := filepath.Join(dir, "large.toml")
	if err := os.WriteFile(large, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := load(large); err == nil || !strings.Contains(err.Error(), "larger than 64 KiB") {
		t.Errorf("a large file: %v", err)
	}
	byteOrderMark := filepath.Join(dir, "bom.toml")
	if err := os.WriteFile(byteOrderMark, []byte("\ufeff[update]\r\nquiet = \"3s\"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := load(byteOrderMark); err != nil || got.Update.Quiet != 3*time.Second {
		t.Errorf("a file from Notepad: %v, %v", got.Update.Quiet, err)
	}
}

// The table is what the documentation shows, so its defaults must be the ones
// that hold.
func TestKeysTellTheTruth(t *testing.T) {
	for _, key := range Keys() {
		if key.Type == "" || !strings.HasSuffix(key.Doc, ".") || key.set == nil {
			t.Errorf("%s.%s is not complete", key.Table, key.Name)
		}
		if key.Default == "" {
			continue
		}
		got, err := parse(fmt.Appendf(nil, "[%s]\n%s = %s\n", key.Table, key.Name, key.Default))
		if err != nil {
			t.Errorf("the default of %s.%s: %v", key.Table, key.Name, err)
		}
		if diff := cmp.Diff(Default(), got, settingsOnly, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("the default of %s.%s (-want +got)\n%s", key.Table, key.Name, diff)
		}
	}
}

func TestByteCount(t *testing.T) {
	for value, want := range map[any]int64{
		"10MB": 10_000_000, "10 mb": 10_000_000, "1GiB": 1 << 30, "512KiB": 512 << 10, "100000B": 100_000, "0b": 0, int64(7): 7,
		"9223372036854775807B": math.MaxInt64,
	} {
		if got, err := byteCount(value); err != nil || got != want {
			t.Errorf("byteCount(%v) = %d, %v, want %d", value, got, err, want)
		}
	}
	for _, value := range []any{"", "MB", "10", "-1MB", "1.5MB", "1e3B", "10MBs", "9223372036854775808B", "10\tMB", true} {
		if got, err := byteCount(value); err == nil {
			t.Errorf("byteCount(%v) = %d, want an error", value, got)
		}
	}
}

func TestAddresses(t *testing.T) {
	for table, texts := range map[string][]string{
		"http": {"http://a", "https://a.b/", "http://127.0.0.1:80/x y", "http://user:word@a:1/?q#f", "http://[fe80::1%25eth0]:65535"},
		"tcp":  {"a:1", "127.0.0.1:65535", "[::1]:22", "[fe80::1%eth0]:22"},
	} {
		for _, text := range texts {
			if _, err := parse(fmt.Appendf(nil, "trial.%s = %q", table, text)); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
	for table, texts := range map[string][]string{
		"http": {"", "http://", "http:a", "//a", "/a", "http://:80/", "http://a:0", "http://a:65536", "http://a b/", "http://a\n", "file:///a", "http://[::1"},
		"tcp":  {"", ":1", "a:", "a:0", "a:65536", "a:-1", "a:http", "::1:22", "a b:1", "a/b:1", "\x00:1", "http://a:1"},
	} {
		for _, text := range texts {
			if got, err := parse(fmt.Appendf(nil, "trial.%s = %q", table, text)); err == nil {
				t.Errorf("%s took %q: %+v", table, text, got.Trial)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("[program]\ncommand = [\"a\"]\nenv = {A = \"b\", B = 1}\nstop_signals = [\"INT\"]\n"))
	f.Add([]byte("[update]\nquiet = \"1s\"\nignore = [\"*.[a-z]\", \"a/**\"]\n[logs]\nmax_file = \"1MB\"\nmax_total = 1\n"))
	f.Add([]byte("[update]\nwindow = \"22:00-24:00\"\nmax_defer = \"1h\"\n[store]\nkeep = 3\nmax_bytes = \"1GB\"\n"))
	f.Add([]byte("[trial]\nperiod = \"10s\"\nattempts = 2\nready = true\nhttp = \"http://a:1/\"\ntcp = \"a:1\"\ncommand = [\"a\"]\ninterval = \"1s\"\ntimeout = \"5s\"\n"))
	f.Add([]byte("update.quiet = 3\n[[logs]]\n[x.y.z]\n\"\" = 1979-05-27\n"))
	f.Add([]byte("[program]\nrestart = \"never\"\nlisten = [\"a:1\", \"unix:b\"]\nuser = 1\nstop_timeouts = [\"1s\"]\nnice = 3\nenv_file = \"-a\"\n[python]\nwarm = true\npreload = [\"a.b\"]\n"))
	f.Add([]byte("[web]\nlisten = \"[::1]:0\"\nhosts = [\"a.b\"]\ncert = \"a\"\nkey = \"/b\"\nhide = [\"*.[a-z]\"]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := parse(data)
		if err == nil {
			pasted(t, got)
			if p := got.Program; p.Nice < -20 || p.Nice > 19 || p.Watchdog < 0 || len(p.StopSteps()) != len(p.StopSignals) {
				t.Errorf("accepted %+v", p)
			}
			if got.Logs.MaxFile > got.Logs.MaxTotal || got.Update.Quiet < 0 || len(got.Program.StopSignals) == 0 {
				t.Errorf("accepted %+v", got)
			}
			if trial := got.Trial; trial.Period <= 0 || trial.Attempts < 1 || trial.Interval < shortestInterval || trial.Timeout <= 0 || got.Store.Keep < 1 {
				t.Errorf("accepted %+v and %+v", trial, got.Store)
			}
			if w := got.Web; w.Listen == "" || (w.Cert == "") != (w.Key == "") || !w.Hidden("a/.env") {
				t.Errorf("accepted %+v", w)
			}
			if w := got.Update.Window; w.From < 0 || w.From >= midnight || w.To < 0 || w.To > midnight || w.Set() && w.From == w.To {
				t.Errorf("accepted %+v", w)
			}
			return
		}
		for _, r := range err.Error() {
			if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
				t.Errorf("%U in the error %q", r, err)
			}
		}
	})
}
