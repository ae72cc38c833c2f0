//go:build linux

package service

import (
	"path/filepath"
	"strings"
	"testing"

	"ota/test/harness"
)

// TestPackage: the life of the .deb on a Debian: installed, replaced by the next
// one under a program that runs, removed, there again, and purged.
func TestPackage(t *testing.T) {
	harness.Need(t, "dpkg-deb")
	first := harness.Packages(t, "0.1.0", harness.ThisMachine)
	second := harness.Packages(t, "0.2.0", harness.ThisMachine)
	m := boot(t, first+":/opt/first", second+":/opt/second")
	m.do("useradd", "--create-home", "pi")
	m.do("sh", "-c", "mkdir -p /home/pi/garden/main && cat >/home/pi/garden/main/main.py <<'EOF'\n"+program+"EOF")
	m.do("sh", "-c", "printf '[web]\\nlisten = \"off\"\\n' >/home/pi/garden/ota.toml; chown -R pi: /home/pi/garden")
	before := m.do("sh", "-c", everything)

	m.apt("install", "/opt/first/ota_0.1.0_amd64.deb")
	m.isWhole("0.1.0")
	if got, _ := m.try("systemctl", "list-units", "--plain", "--no-legend", "ota@*"); got != "" {
		t.Errorf("the package has started something: %s", got)
	}
	m.completes(t)

	m.do("ota", "install", "/home/pi/garden")
	m.runs(t)
	if got := m.property("FragmentPath"); !strings.HasSuffix(got, "/lib/systemd/system/ota@.service") || strings.HasPrefix(got, "/etc") {
		t.Errorf("the service is by %s", got)
	}
	if got, err := m.try("ls", "/usr/local/bin/ota", "/etc/systemd/system/ota@.service"); err == nil {
		t.Errorf("there twice: %s", got)
	}

	m.upgrade(t)

	m.apt("remove", "ota")
	if got := m.programs(); got != "0" {
		t.Errorf("%s programs run after a removal", got)
	}
	m.do("test", "-e", "/etc/ota/garden.json")
	m.apt("install", "/opt/second/ota_0.2.0_amd64.deb")
	m.do("systemctl", "start", "ota@garden") // as the next boot does
	m.runs(t)
	m.do("systemctl", "is-enabled", "--quiet", "ota@garden")

	m.apt("purge", "ota")
	if got := m.programs(); got != "0" {
		t.Errorf("%s programs run after a purge", got)
	}
	if after := m.do("sh", "-c", everything); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	m.do("test", "-e", "/home/pi/garden/main/main.py", "-a", "-d", "/home/pi/garden/deposit", "-a", "-d", "/home/pi/garden/.ota")
}

// upgrade brings the next version, under a program that runs.
func (m *machine) upgrade(t *testing.T) {
	t.Helper()
	const which = `grep -l 'main[.]py' /proc/[0-9]*/cmdline`
	pid := m.do("sh", "-c", which)
	m.apt("install", "/opt/second/ota_0.2.0_amd64.deb")
	m.isWhole("0.2.0")
	m.await("the new ota looks after the program", func() string {
		status, _ := m.try("ota", "-C", "/home/pi/garden", "status")
		return status
	}, func(seen string) bool { return strings.HasPrefix(seen, "ota 0.2.0 is running") })
	if got := m.do("sh", "-c", which); got != pid {
		t.Errorf("the upgrade has made program %s of program %s", got, pid)
	}
	m.do("cp", "/usr/bin/ota", "/root/another")
	if said := m.do("ota", "-C", "/home/pi/garden", "self-update", "/root/another"); !strings.Contains(said, "belongs to a package") {
		t.Errorf("a file of the package was replaced without a word: %s", said)
	}
	m.do("rm", "/root/another")
	if said := m.do("ota", "install", "/home/pi/garden"); strings.Contains(said, "done:") {
		t.Errorf("an install after the upgrade did something:\n%s", said)
	}
}

// everything lists what a package and its services could leave behind.
const everything = `find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /opt -o -path /home/pi/garden \
	-o -path /var/log -o -path /var/cache -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/lib/systemd \) -prune -o -print | sort; getent passwd`

func (m *machine) apt(args ...string) {
	m.t.Helper()
	m.do(append([]string{"env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--yes", "--quiet", "--no-install-recommends"}, args...)...)
}

// isWhole looks whether the package is as it was packed, with its version.
func (m *machine) isWhole(version string) {
	m.t.Helper()
	if got := m.do("dpkg", "--verify", "ota"); got != "" {
		m.t.Errorf("dpkg --verify: %s", got)
	}
	if got := m.do("ota", "version"); !strings.Contains(got, version) {
		m.t.Errorf("this is %s, not %s", got, version)
	}
	for _, page := range []string{"man1/ota.1", "man1/ota-web-token.1", "man5/ota.toml.5"} {
		path := filepath.Join("/usr/share/man", page) + ".gz"
		if got := m.do("sh", "-c", "zcat "+path+" | head -n 1"); !strings.HasPrefix(got, ".TH OTA") {
			m.t.Errorf("%s is no page of the manual: %s", path, got)
		}
	}
}

// completes looks whether bash finds what completes commands, where it looks
// for it by itself.
func (m *machine) completes(t *testing.T) {
	t.Helper()
	got := m.do("bash", "-c", ". /usr/share/bash-completion/completions/ota; complete -p ota")
	if !strings.Contains(got, "__start_ota") {
		t.Errorf("bash completes by %s", got)
	}
	m.do("grep", "-q", "^#compdef ota", "/usr/share/zsh/vendor-completions/_ota")
	m.do("grep", "-q", "complete -c ota", "/usr/share/fish/vendor_completions.d/ota.fish")
}

func (m *machine) runs(t *testing.T) {
	t.Helper()
	m.await("the program runs", func() string { return m.property("StatusText") },
		func(seen string) bool { return strings.HasPrefix(seen, "the program is running (pid ") })
	if got := m.programs(); got != "1" {
		t.Errorf("%s programs run", got)
	}
}
