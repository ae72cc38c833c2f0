package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// layersOf are those of a device with this file.
func layersOf(t *testing.T, device string) Layers {
	t.Helper()
	layers, err := ParseLayers("ota.toml", []byte(device))
	if err != nil {
		t.Fatal(err)
	}
	return layers
}

// with lays a file of the device over one that travels.
func with(t *testing.T, device, travelling string) Config {
	t.Helper()
	got, warnings, err := layersOf(t, device).With("main/ota.toml", []byte(travelling))
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	return got
}

func TestDeviceWins(t *testing.T) {
	layers := layersOf(t, `
[program]
env = { LANG = "de", TZ = "UTC" }
nice = 5
[trial]
period = "20s"
`)
	const travelling = `
[program]
command = ["python3", "app.py"]
env = { LANG = "C", PORT = "80" }
nice = 10
[trial]
period = "1m"
http = "http://localhost/"
[update]
quiet = "2s"
`
	got, warnings, err := layers.With("ota.toml", []byte(travelling))
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	want := Default()
	want.Program.Command = []string{"python3", "app.py"}
	want.Program.Env = map[string]string{"LANG": "de", "TZ": "UTC", "PORT": "80"}
	want.Program.Nice = 5
	want.Trial.Period, want.Trial.HTTP = 20*time.Second, "http://localhost/"
	want.Update.Quiet = 2 * time.Second
	if diff := cmp.Diff(want, got, settingsOnly); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, test := range []struct {
		got, want Origin
	}{
		{got.Origin("program", "command"), Travelling},
		{got.Origin("program", "nice"), Device},
		{got.Origin("program", "env"), Device},
		{got.EnvOrigin("LANG"), Device},
		{got.EnvOrigin("TZ"), Device},
		{got.EnvOrigin("PORT"), Travelling},
		{got.EnvOrigin("HOME"), ByDefault},
		{got.Origin("trial", "period"), Device},
		{got.Origin("trial", "http"), Travelling},
		{got.Origin("trial", "tcp"), ByDefault},
	} {
		if test.got != test.want {
			t.Errorf("origin %q, want %q", test.got, test.want)
		}
	}
	again, _, err := layers.With("ota.toml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(layers.Device(), again, settingsOnly); diff != "" {
		t.Errorf("something of an earlier release is left\n%s", diff)
	}
	if again.EnvOrigin("PORT") != ByDefault {
		t.Error("the origins of an earlier release are left")
	}
}

func TestTravellingProblems(t *testing.T) {
	tests := []struct {
		name, file, want string
	}{
		{"store", "[store]\nkeep = 3", `main/ota.toml:1: [store] counts only in the device's ota.toml, beside deposit/`},
		{"logs", "\n[logs]\nmax_file = \"1kB\"", `main/ota.toml:2: [logs] counts only in the device's ota.toml, beside deposit/`},
		{"unknown", "[program]\nusr = \"root\"", `main/ota.toml:2: unknown key "usr" in [program] (did you mean "user"?)`},
		{"env_file above main/", "[program]\nenv_file = \"-../secrets.env\"", `main/ota.toml:2: env_file must lie below main/, not at "../secrets.env"`},
		{"env_file elsewhere", "[program]\n\nenv_file = \"/etc/passwd\"", `main/ota.toml:3: env_file must lie below main/, not at "/etc/passwd"`},
		{"value", "[program]\nrestart = 3", `main/ota.toml:2: restart must be "on-failure", "always" or "never", not an integer`},
		{"syntax", "[program", `main/ota.toml:1: expected '.' or ']' to end table name, but got '\x00' instead`},
		{"timeouts", "[program]\nstop_timeouts = [\"1s\", \"1s\", \"1s\"]", `main/ota.toml:2: stop_timeouts holds 3 durations, and between the signals there are 2`},
		{"large", strings.Repeat("#", maxFile+1), `main/ota.toml: the file is larger than 64 KiB`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, _, err := layersOf(t, "[program]\nnice = 3").With("main/ota.toml", []byte(test.file))
			if err == nil || err.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
			if got.Program.Nice != 3 {
				t.Error("the device's own settings do not count")
			}
		})
	}
}

// Whoever may upload must not choose as whom the program runs.
func TestSecurityTravelsNot(t *testing.T) {
	got, warnings, err := layersOf(t, "[program]\nlisten = [\"a:1\"]").With("main/ota.toml",
		[]byte("[program]\nuser = \"root\"\nlisten = [\"0.0.0.0:22\"]\n\ngroup = 0\nnice = 1"))
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, warning := range warnings {
		texts = append(texts, warning.String())
	}
	want := []string{
		"main/ota.toml:2: user counts only in the device's ota.toml, beside deposit/",
		"main/ota.toml:3: listen counts only in the device's ota.toml, beside deposit/",
		"main/ota.toml:5: group counts only in the device's ota.toml, beside deposit/",
	}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	program := got.Program
	if program.User != "" || program.Group != "" || program.Nice != 1 || len(program.Listen) != 1 || program.Listen[0].Address != "a:1" {
		t.Errorf("got %+v", program)
	}
}

func TestPreloadTurnsWarmOn(t *testing.T) {
	for _, test := range []struct {
		device, travelling string
		want               bool
		origin             Origin
	}{
		{"", "", false, ByDefault},
		{"", `preload = ["numpy"]`, true, Travelling},
		{`preload = ["numpy"]`, "", true, Device},
		{"warm = false", `preload = ["numpy"]`, false, Device},
		{`preload = ["numpy"]`, "warm = false", true, Device},
		{"warm = false\npreload = [\"numpy\"]", "", false, Device},
		{"preload = []", `preload = ["numpy"]`, false, ByDefault},
	} {
		got := with(t, "[python]\n"+test.device, "[python]\n"+test.travelling)
		if got.Python.Warm != test.want || got.Origin("python", "warm") != test.origin {
			t.Errorf("%q over %q: %v from %s", test.device, test.travelling, got.Python.Warm, got.Origin("python", "warm"))
		}
	}
}

func TestStopSteps(t *testing.T) {
	second := time.Second
	for _, test := range []struct {
		device, travelling string
		want               []StopStep
	}{
		{"", "", []StopStep{{syscall.SIGINT, 0}, {syscall.SIGTERM, 5 * second}, {syscall.SIGKILL, 10 * second}}},
		{"", `stop_timeouts = ["30s"]`, []StopStep{{syscall.SIGINT, 0}, {syscall.SIGTERM, 30 * second}, {syscall.SIGKILL, 35 * second}}},
		{`stop_signals = ["TERM"]`, `stop_timeouts = ["1s", "2s"]`, []StopStep{{syscall.SIGTERM, 0}, {syscall.SIGKILL, second}}},
		{`stop_timeouts = ["1s", "0s"]`, "", []StopStep{{syscall.SIGINT, 0}, {syscall.SIGTERM, second}, {syscall.SIGKILL, second}}},
		{`stop_timeouts = ["1s", "2s"]`, `stop_signals = ["TERM"]`, []StopStep{{syscall.SIGTERM, 0}, {syscall.SIGKILL, second}}},
	} {
		got := with(t, "[program]\n"+test.device, "[program]\n"+test.travelling)
		if diff := cmp.Diff(test.want, got.Program.StopSteps()); diff != "" {
			t.Errorf("%q over %q (-want +got)\n%s", test.device, test.travelling, diff)
		}
	}
}

func TestLoadTravelling(t *testing.T) {
	dir := t.TempDir()
	main := filepath.Join(dir, "main")
	layers := layersOf(t, "[program]\nnice = 3")
	if got, _, err := layers.Load(main); err != nil || got.Program.Nice != 3 {
		t.Errorf("without a folder: %+v, %v", got.Program, err)
	}
	if err := os.Mkdir(main, 0o700); err != nil {
		t.Fatal(err)
	}
	if got, _, err := layers.Load(main); err != nil || got.Program.Nice != 3 {
		t.Errorf("without a file: %+v, %v", got.Program, err)
	}
	write(t, filepath.Join(main, "ota.toml"), "[trial]\nattempts = 7")
	if got, _, err := layers.Load(main); err != nil || got.Trial.Attempts != 7 {
		t.Errorf("with a file: %+v, %v", got.Trial, err)
	}
	if err := os.Remove(filepath.Join(main, "ota.toml")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "outside.toml"), "[trial]\nattempts = 9")
	if err := os.Symlink("../outside.toml", filepath.Join(main, "ota.toml")); err != nil {
		t.Skip(err)
	}
	if got, _, err := layers.Load(main); err == nil || got.Trial.Attempts != 2 || got.Program.Nice != 3 {
		t.Errorf("through a link: %+v, %v", got.Trial, err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSockets(t *testing.T) {
	for text, want := range map[string]Socket{
		"localhost:65535":      {"tcp", "localhost:65535", "65535"},
		"[fe80::1%eth0]:22":    {"tcp", "[fe80::1%eth0]:22", "22"},
		"unix:/run/a:b.sock":   {"unix", "/run/a:b.sock", "a_b.sock"},
		"unix:../é.sock":       {"unix", "../é.sock", "_.sock"},
		"unix:" + long(100):    {"unix", long(100), long(100)},
		"[::]:0080":            {"tcp", "[::]:80", "80"},
		"unix:udp:1":           {"unix", "udp:1", "udp_1"},
		"xn--bcher-kva.de:443": {"tcp", "xn--bcher-kva.de:443", "443"},
	} {
		if got, err := socketOf(text); err != nil || got != want {
			t.Errorf("socketOf(%q) = %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "80", "a:0", "a:65536", "a:http", "::1:80", "a b:80", "a:", ":", ":0", "unix:", "unix:a/", "unix:\x00",
		"unix:" + long(101), "udp:", "http://a:80",
	} {
		if got, err := socketOf(text); err == nil {
			t.Errorf("took %q: %+v", text, got)
		}
	}
}

func long(n int) string { return strings.Repeat("x", n) }

func TestAccounts(t *testing.T) {
	for text, want := range map[string]bool{
		"root": true, "www-data": true, "_apt": true, "müller": true, "machine$": true, "0": true, "65534": true, "DOMAIN\\me": true,
		"": false, "-g": false, "a b": false, "a:b": false, "1st": false, "4294967295": false, "4294967296": false, "a/b": false, "\x00": false,
	} {
		if isAccount(text) != want {
			t.Errorf("isAccount(%q) = %v", text, !want)
		}
	}
}

// pasted checks that what is printed means the same when it is read again.
func pasted(t *testing.T, config Config) {
	t.Helper()
	table, text := "", strings.Builder{}
	for _, one := range config.Settings() {
		if one.Table != table {
			table = one.Table
			fmt.Fprintf(&text, "[%s]\n", table)
		}
		text.WriteString(one.TOML() + " # " + string(one.Origin) + "\n")
	}
	got, err := parse([]byte(text.String()))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text.String())
	}
	config.Program.EnvFile.Origin, got.Program.EnvFile.Origin = "", ""
	if diff := cmp.Diff(config, got, settingsOnly, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got)\n%s\n%s", diff, text.String())
	}
}

func TestSettingsCanBePasted(t *testing.T) {
	pasted(t, Default())
	pasted(t, with(t, `
[program]
env = { "a b" = "q\"\\\u0007\U0001F600", "é" = "\u202e\u009b", LANG = "C" }
stop_timeouts = []
memory_max = 5000000
[python]
warm = false
preload = ["a", "b"]
`, `
[program]
env = { LANG = "de", PORT = "\t" }
command = ["a", "b # c", ""]
env_file = "-x"
`))
}

func TestMasked(t *testing.T) {
	got := with(t, `
[program]
env = { API_TOKEN = "1", "db.password" = "2", SSHKEY = "3", LANG = "C", DB_PASS = "4", smtp_pw2 = "5", WIFI-PSK = "6", COMPASS = "0x1e", PWD = "/srv", URL = "postgres://me:word@db/x?a:b@c", PLAIN = "http://me@a/b:c" }
command = ["a", "http://u:p@a and b://v:q@r"]
[python]
index = "https://u:pw@a/simple"
[notify]
webhook = "https://u:pw@hooks.example.com/services/T0/B0/secret?key=1"
`, "")
	var lines []string
	for _, one := range got.Settings() {
		if one.Origin != ByDefault {
			lines = append(lines, one.Masked().TOML())
		}
	}
	want := []string{
		`command = ["a", "http://u:…@a and b://v:…@r"]`,
		`env.API_TOKEN = "…"`, `env.COMPASS = "0x1e"`, `env.DB_PASS = "…"`, `env.LANG = "C"`, `env.PLAIN = "http://me@a/b:c"`, `env.PWD = "/srv"`, `env.SSHKEY = "…"`, `env.URL = "postgres://me:…@db/x?a:b@c"`, `env.WIFI-PSK = "…"`,
		`env."db.password" = "…"`, `env.smtp_pw2 = "…"`, `index = "https://u:…@a/simple"`,
		`webhook = "https://hooks.example.com/…"`,
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEnvFileIsFound(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "main"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "a.env"), "A=device")
	write(t, filepath.Join(dir, "main", "a.env"), "A=program\nB=program")
	write(t, filepath.Join(dir, "bad.env"), "\nno")
	absolute := filepath.Join(dir, "a.env")
	link := filepath.Join(dir, "main", "out.env")
	if err := os.Symlink("../a.env", link); err != nil {
		t.Skip(err)
	}
	for _, test := range []struct {
		file EnvFile
		want map[string]string
		err  string
	}{
		{EnvFile{}, nil, ""},
		{EnvFile{"a.env", false, Device}, map[string]string{"A": "device"}, ""},
		{EnvFile{absolute, false, Device}, map[string]string{"A": "device"}, ""},
		{EnvFile{"./a.env", false, Travelling}, map[string]string{"A": "program", "B": "program"}, ""},
		{EnvFile{"none.env", true, Device}, nil, ""},
		{EnvFile{"none.env", true, Travelling}, nil, ""},
		{EnvFile{"none.env", false, Device}, nil, "cannot read the env_file: "},
		{EnvFile{"none.env", false, Travelling}, nil, "cannot read the env_file: "},
		{EnvFile{"out.env", true, Travelling}, nil, "cannot read the env_file: "},
		{EnvFile{"main", true, Device}, nil, "is not a file"},
		{EnvFile{"bad.env", true, Device}, nil, "bad.env:2: a line must read NAME=value"},
	} {
		got, err := test.file.Load(dir)
		if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%+v (-want +got)\n%s", test.file, diff)
		}
		if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%+v: %v, want %q", test.file, err, test.err)
		}
	}
}

func TestEnvironment(t *testing.T) {
	file := map[string]string{"A": "file", "F": "file"}
	for _, test := range []struct {
		name, device, travelling string
		want                     map[string]string
	}{
		{"both of the device", "env = { A = \"env\" }\nenv_file = \"x\"", "", map[string]string{"A": "env", "F": "file"}},
		{"both of the program", "", "env = { A = \"env\" }\nenv_file = \"x\"", map[string]string{"A": "env", "F": "file"}},
		{"the device's secrets", "env_file = \"x\"", "env = { A = \"env\", B = \"env\" }", map[string]string{"A": "file", "B": "env", "F": "file"}},
		{"the program's settings", "env = { A = \"env\" }", "env_file = \"x\"", map[string]string{"A": "env", "F": "file"}},
	} {
		got := with(t, "[program]\n"+test.device, "[program]\n"+test.travelling).Environment(file)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", test.name, diff)
		}
	}
	if got := Default().Environment(nil); got == nil || len(got) > 0 {
		t.Errorf("got %v", got)
	}
}
