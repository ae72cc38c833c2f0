package service

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ota/internal/kit/hint"
)

var update = flag.Bool("update", false, "write the golden files anew")

// machine is a host that only writes down what it is to do.
type machine struct {
	t     *testing.T
	host  Host
	calls []string
	said  []string
	users map[string]string // lines of passwd(5)
	up    map[string]bool   // "is-active ota@garden.service"
}

func newMachine(t *testing.T, kind kind) *machine {
	t.Helper()
	m := &machine{t: t, users: map[string]string{}, up: map[string]bool{}}
	m.users["pi"] = "pi:x:1000:1000::/home/pi:/bin/bash"
	m.users["1000"] = m.users["pi"]
	binary := filepath.Join(t.TempDir(), "ota")
	if err := os.WriteFile(binary, []byte("this program"), 0o755); err != nil {
		t.Fatal(err)
	}
	m.host = Host{Root: t.TempDir(), Home: "/home/pi", Runtime: "/run/user/1000", Executable: binary, Run: m.run, Chown: m.chown}
	m.mkdir(map[string]bool{"/run/systemd/system": kind == systemd, "/sbin/openrc-run": kind == openRC, "/etc/systemd/system": kind == systemd})
	return m
}

func (m *machine) mkdir(paths map[string]bool) {
	for path, is := range paths {
		if err := os.MkdirAll(filepath.Join(m.host.Root, path), 0o755); is && err != nil {
			m.t.Fatal(err)
		} else if !is {
			os.RemoveAll(filepath.Join(m.host.Root, path))
		}
	}
}

func (m *machine) chown(path string, uid, gid int) error {
	m.calls = append(m.calls, fmt.Sprintf("chown %d:%d %s", uid, gid, filepath.Base(path)))
	return nil
}

var errNo = errors.New("exit status 1")

func (m *machine) run(_ context.Context, argv ...string) (string, error) {
	call := strings.Join(argv, " ")
	last := argv[len(argv)-1]
	switch {
	case argv[0] == "getent" && argv[1] == "passwd":
		if line, is := m.users[last]; is {
			return line + "\n", nil
		}
		return "", errNo
	case argv[0] == "getent":
		return "", map[bool]error{false: errNo}[last == "gpio" || last == "video"]
	case strings.Contains(call, " is-active "), strings.Contains(call, " is-enabled "), argv[0] == "test", strings.HasSuffix(call, " status"):
		return "", map[bool]error{false: errNo}[m.up[call]]
	case argv[0] == "useradd" && last == ownUser:
		m.users[ownUser] = "ota:x:990:980::/:/usr/sbin/nologin"
	case argv[0] == "userdel":
		delete(m.users, last)
	}
	m.calls = append(m.calls, call)
	for _, unit := range strings.Fields(call) {
		if strings.HasPrefix(unit, "ota@") {
			base := strings.Join(argv[:len(argv)-2], " ")
			switch argv[len(argv)-2] {
			case "start", "stop":
				m.up[base+" is-active --quiet "+unit] = argv[len(argv)-2] == "start"
			case "enable", "disable":
				m.up[base+" is-enabled --quiet "+unit] = argv[len(argv)-2] == "enable"
			}
		}
	}
	return "", nil
}

func (m *machine) options(dir string) Options {
	return Options{Dir: dir, Scope: OfSystem, Say: func(done Done, what string) {
		m.said = append(m.said, string(done)+": "+what)
	}}
}

// took returns what was done since, and forgets it.
func (m *machine) took() string {
	all := strings.Join(m.calls, "\n")
	m.calls, m.said = nil, nil
	return all
}

// files returns what is on the machine that was not there at first.
func (m *machine) files() map[string]string {
	found := map[string]string{}
	filepath.WalkDir(m.host.Root, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			text, _ := os.ReadFile(path)
			found[strings.TrimPrefix(path, m.host.Root)] = string(text)
		}
		return nil
	})
	return found
}

// garden is a folder that belongs to this user of the machine.
func garden(t *testing.T, uid int) string {
	t.Helper()
	top, err := os.MkdirTemp("/var/tmp", "ota-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(top) })
	dir := filepath.Join(top, "garden")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Chmod(top, 0o755), os.WriteFile(filepath.Join(dir, "ota.toml"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Lchown(dir, uid, uid)); err != nil {
		t.Skip("needs root: ", err)
	}
	return dir
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got)\n%s", name, diff)
	}
}

// TestOfItsOwner: the service of a folder runs as who owns it; a second install
// does nothing, another program starts it anew, and nothing is left of it.
func TestOfItsOwner(t *testing.T) {
	m, dir := newMachine(t, systemd), garden(t, 1000)
	unit, err := Install(t.Context(), m.host, m.options(dir))
	if err != nil || unit != "ota@garden.service" {
		t.Fatal(unit, err)
	}
	const up = "systemctl daemon-reload\nsystemctl enable ota@garden.service\nsystemctl start ota@garden.service"
	if diff := cmp.Diff(up, m.took()); diff != "" {
		t.Error(diff)
	}
	files := m.files()
	golden(t, "ota@.service", files["/etc/systemd/system/ota@.service"])
	golden(t, "ota.conf", strings.ReplaceAll(files["/etc/systemd/system/ota@garden.service.d/ota.conf"], dir, "/home/pi/garden"))
	golden(t, "garden.json", strings.ReplaceAll(files["/etc/ota/garden.json"], dir, "/home/pi/garden"))
	if files["/usr/local/bin/ota"] != "this program" || len(files) != 4 {
		t.Errorf("files: %v", files)
	}

	again := m.options(dir)
	again.Running = true // by the service
	if _, err := Install(t.Context(), m.host, again); err != nil {
		t.Fatal(err)
	}
	for _, one := range m.said {
		if !strings.HasPrefix(one, string(Already)) {
			t.Errorf("the second time: %s", one)
		}
	}
	if got := m.took(); got != "" {
		t.Errorf("the second time: %s", got)
	}
	if err := os.WriteFile(m.host.Executable, []byte("a newer one"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Install(t.Context(), m.host, again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("systemctl daemon-reload\nsystemctl restart ota@garden.service", m.took()); diff != "" {
		t.Error(diff)
	}

	if err := Uninstall(t.Context(), m.host, m.options(dir)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("systemctl stop ota@garden.service\nsystemctl disable ota@garden.service\nsystemctl daemon-reload", m.took()); diff != "" {
		t.Error(diff)
	}
	if left := m.files(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := os.Stat(filepath.Join(m.host.Root, "etc/systemd/system/ota@garden.service.d")); err == nil {
		t.Error("the folder of the drop-in is left")
	}
}

// TestOfRoot: a folder of root's is given to a user made for it, and back.
func TestOfRoot(t *testing.T) {
	m, dir := newMachine(t, systemd), garden(t, 0)
	if _, err := Install(t.Context(), m.host, m.options(dir)); err != nil {
		t.Fatal(err)
	}
	const useradd = "useradd --system --user-group --no-create-home --home-dir DIR --shell /usr/sbin/nologin --groups gpio,video ota"
	const given = "\nchown 990:980 garden\nchown 990:980 ota.toml\n"
	if got := m.took(); !strings.HasPrefix(got, strings.Replace(useradd, "DIR", dir, 1)+given) {
		t.Error(got)
	}
	second := garden(t, 0)
	unit, err := Install(t.Context(), m.host, m.options(second))
	if err != nil || unit != "ota@garden-2.service" {
		t.Fatal(unit, err)
	}
	if got := m.took(); strings.Contains(got, "useradd") {
		t.Error("the user was made twice")
	}

	if err := Uninstall(t.Context(), m.host, m.options(dir)); err != nil {
		t.Fatal(err)
	}
	if got := m.took(); strings.Contains(got, "userdel") {
		t.Error("the user of the other service is gone")
	}
	if m.files()["/usr/local/bin/ota"] == "" || m.files()["/etc/systemd/system/ota@.service"] == "" {
		t.Error("what the other service needs is gone")
	}
	if err := Uninstall(t.Context(), m.host, m.options(second)); err != nil {
		t.Fatal(err)
	}
	if got := m.took(); !strings.HasSuffix(got, "userdel ota") {
		t.Error(got)
	}
	if left := m.files(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestOfUser(t *testing.T) {
	m, dir := newMachine(t, systemd), garden(t, 1000)
	m.host.UID = 1000
	options := m.options(dir)
	options.Scope = OfUser
	if _, err := Install(t.Context(), m.host, options); err == nil || !strings.Contains(err.Error(), "no systemd of your own is running") {
		t.Error(err)
	}
	if left := m.files(); len(left) != 0 {
		t.Errorf("made all the same: %v", left)
	}
	dry := options
	dry.Dry = true
	if _, err := Install(t.Context(), m.host, dry); err != nil || len(m.said) == 0 || !strings.HasPrefix(m.said[0], string(Would)) {
		t.Errorf("%q, %v", m.said, err)
	}
	if got := m.took(); got != "" || len(m.files()) != 0 {
		t.Errorf("the dry run did %s, %v", got, m.files())
	}
	m.mkdir(map[string]bool{"/run/user/1000/systemd": true})
	if _, err := Install(t.Context(), m.host, options); err != nil {
		t.Fatal(err)
	}
	const up = "systemctl --user daemon-reload\nsystemctl --user enable ota@garden.service\nsystemctl --user start ota@garden.service"
	if diff := cmp.Diff(up, m.took()); diff != "" {
		t.Error(diff)
	}
	golden(t, "ota@.user.service", m.files()["/home/pi/.config/systemd/user/ota@.service"])
	m.mkdir(map[string]bool{"/run/user/1000/systemd": false}) // as from cron, when nobody is logged in
	made := len(m.files())
	if err := Uninstall(t.Context(), m.host, dry); err != nil || len(m.said) == 0 {
		t.Errorf("%q, %v", m.said, err)
	}
	if got := m.took(); got != "" || len(m.files()) != made {
		t.Errorf("the dry run did %s, %v", got, m.files())
	}
	m.mkdir(map[string]bool{"/run/user/1000/systemd": true})
	if err := Uninstall(t.Context(), m.host, options); err != nil {
		t.Fatal(err)
	}
	if left := m.files(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// TestRuntime: the folder is the one that logging in has set, elsewhere on some
// systems; for who has not logged in, the one that it would have set.
func TestRuntime(t *testing.T) {
	usual := fmt.Sprintf("/run/user/%d", os.Getuid())
	for set, want := range map[string]string{"": usual, "/tmp/of pi": "/tmp/of pi"} {
		t.Setenv(runtime, set)
		host, err := ThisHost()
		if err != nil {
			t.Fatal(err)
		}
		told, err := host.Run(t.Context(), "sh", "-c", `printf %s "$XDG_RUNTIME_DIR"`)
		if err != nil || host.Runtime != want || told != want {
			t.Errorf("%q is set: %q, and commands are told %q, %v", set, host.Runtime, told, err)
		}
	}
}

func TestOpenRC(t *testing.T) {
	m, dir := newMachine(t, openRC), garden(t, 1000)
	if _, err := Install(t.Context(), m.host, m.options(dir)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("rc-update add ota.garden default\nrc-service ota.garden start", m.took()); diff != "" {
		t.Error(diff)
	}
	golden(t, "openrc", strings.ReplaceAll(m.files()["/etc/init.d/ota.garden"], dir, "/home/pi/garden"))
	if err := Uninstall(t.Context(), m.host, m.options(dir)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("rc-service ota.garden stop\nrc-update del ota.garden default", m.took()); diff != "" {
		t.Error(diff)
	}
}

// TestDryRun tells all and does nothing.
func TestDryRun(t *testing.T) {
	m, dir := newMachine(t, systemd), garden(t, 0)
	m.host.UID = 1000
	options := m.options(dir)
	options.Dry = true
	if _, err := Install(t.Context(), m.host, options); err != nil {
		t.Fatal(err)
	}
	golden(t, "dry-run", strings.ReplaceAll(strings.Join(m.said, "\n")+"\n", dir, "/home/pi/garden"))
	if got := m.took(); got != "" || len(m.files()) != 0 {
		t.Errorf("it did %s, %v", got, m.files())
	}
}

func TestWhatCannotBe(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*machine, *Options)
		err    string
		hint   string
	}{
		"not root":    {func(m *machine, _ *Options) { m.host.UID = 1 }, "made by root", "--user"},
		"by hand":     {func(_ *machine, o *Options) { o.Running = true }, "started by hand", "Ctrl-C"},
		"nobody":      {func(_ *machine, o *Options) { o.As = "bob" }, "there is no user bob", "useradd"},
		"not its own": {func(m *machine, o *Options) { m.users["eve"], o.As = "eve:x:1001:1001::/:/", "eve" }, "somebody else than eve", "chown -R eve:"},
		"no manager":  {func(m *machine, _ *Options) { m.mkdir(map[string]bool{"/run/systemd/system": false}) }, "neither systemd", "ota run"},
		"both": {func(m *machine, o *Options) {
			m.mkdir(map[string]bool{"/run/user/1000/systemd": true})
			o.As, o.Scope = "pi", OfUser
		}, "don't go together", ""},
		"no own manager": {func(_ *machine, o *Options) { o.Scope = OfUser }, "no systemd of your own", "enable-linger"},
		"control":        {func(_ *machine, o *Options) { o.Dir += "\nUser=root" }, "control characters", ""},
	} {
		t.Run(name, func(t *testing.T) {
			m, dir := newMachine(t, systemd), garden(t, 1000)
			options := m.options(dir)
			test.change(m, &options)
			_, err := Install(t.Context(), m.host, options)
			if err == nil || !strings.Contains(err.Error(), test.err) || !strings.Contains(hint.Of(err), test.hint) {
				t.Errorf("%v; hint: %s", err, hint.Of(err))
			}
			if got := m.took(); got != "" || len(m.files()) != 0 {
				t.Errorf("it did %s, %v", got, m.files())
			}
		})
	}
	m, dir := newMachine(t, systemd), garden(t, 1000)
	if err := Uninstall(t.Context(), m.host, m.options(dir)); err == nil || !strings.Contains(err.Error(), "there is no service for") {
		t.Error(err)
	}
}

// TestUnitsAreUnderstood by systemd itself.
func TestUnitsAreUnderstood(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("needs systemd-analyze")
	}
	for _, template := range []string{systemTemplate, userTemplate} {
		unit := filepath.Join(t.TempDir(), "ota@garden.service")
		settings := filepath.Join(unit+".d", "ota.conf")
		if err := errors.Join(
			os.WriteFile(unit, []byte(strings.ReplaceAll(template, "BINARY", "/bin/true")), 0o644),
			os.Mkdir(filepath.Dir(settings), 0o755),
			os.WriteFile(settings, []byte(dropIn(Record{Name: "garden", Dir: "/var/100% ä", User: "root"}, OfSystem)), 0o644),
		); err != nil {
			t.Fatal(err)
		}
		output, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", unit).CombinedOutput()
		if err != nil || strings.Contains(string(output), unit) {
			t.Errorf("%v: %s", err, output)
		}
	}
}
