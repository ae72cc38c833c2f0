//go:build linux

package service

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ota/test/harness"
)

// base is where the system lies that is booted; it is made once.
func base(t *testing.T) string {
	t.Helper()
	harness.NeedRoot(t)
	harness.Need(t, "systemd-nspawn", "nsenter")
	dir := os.Getenv("OTA_TEST_DEBIAN")
	if dir == "" {
		dir = "/var/cache/ota-tests/debian"
	}
	if _, err := os.Stat(filepath.Join(dir, "sbin/init")); err != nil {
		t.Skip("there is no Debian in " + dir + ": debootstrap --variant=minbase --include=systemd-sysv,dbus,python3-minimal bookworm " + dir)
	}
	return dir
}

// machine is a booted system that forgets all when it ends.
type machine struct {
	t    *testing.T
	init string // its first process, as we see it
	said *bytes.Buffer
}

// boot boots one that sees these files and folders: "/here:/there".
func boot(t *testing.T, sees ...string) *machine {
	t.Helper()
	said := new(bytes.Buffer)
	cmd := exec.Command("systemd-nspawn", "--quiet", "--directory="+base(t), "--volatile=overlay", "--private-network", "--register=no", "--keep-unit",
		"--machine=ota-test")
	for _, one := range sees {
		cmd.Args = append(cmd.Args, "--bind-ro="+one)
	}
	cmd.Args = append(cmd.Args, "--boot")
	cmd.Stdout, cmd.Stderr = said, said
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); cmd.Wait() }()
	m := &machine{t: t, said: said}
	t.Cleanup(func() {
		if pid, err := strconv.Atoi(m.init); err == nil {
			syscall.Kill(pid, syscall.SIGKILL) // the machine is off
		}
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(harness.Deadline):
			cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("the machine said:\n%s", said)
		}
	})
	for deadline := time.Now().Add(harness.Deadline); ; {
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid))
		if fields := strings.Fields(string(children)); len(fields) > 0 {
			m.init = fields[len(fields)-1]
			state, _ := m.try("systemctl", "is-system-running")
			if state == "running" || state == "degraded" {
				return m
			}
		}
		select {
		case <-ended:
			harness.Lack(t, "a system can't be booted here: "+said.String())
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("the machine does not come up")
		}
	}
}

// try runs a command in the machine.
func (m *machine) try(argv ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*harness.Deadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--target", m.init, "--all", "--"}, argv...)...)
	cmd.Dir = "/" // which is there, too
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	output, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(output)), err
}

func (m *machine) do(argv ...string) string {
	m.t.Helper()
	output, err := m.try(argv...)
	if err != nil {
		journal, _ := m.try("journalctl", "--no-pager", "-n", "60")
		m.t.Fatalf("%q: %v\n%s\n%s", argv, err, output, journal)
	}
	return output
}

func (m *machine) await(what string, seen func() string, done func(string) bool) {
	m.t.Helper()
	harness.Await(m.t, what, func() bool { return done(seen()) }, func() string {
		journal, _ := m.try("journalctl", "--no-pager", "-n", "60")
		return seen() + "\n" + journal
	})
}

// property asks systemd about the service.
func (m *machine) property(name string) string {
	value, _ := m.try("systemctl", "show", "--value", "--property="+name, "ota@garden.service")
	return value
}

// comesBack waits until a process other than this one runs, and says that it is
// ready.
func (m *machine) comesBack(before string) string {
	m.t.Helper()
	m.await("another ota is running", func() string { return m.property("ActiveState") + " " + m.property("MainPID") }, func(seen string) bool {
		return strings.HasPrefix(seen, "active ") && seen != "active "+before && seen != "active 0"
	})
	return m.property("MainPID")
}

const program = `import time
print("growing", flush=True)
time.sleep(100000)
`

// TestUnderSystemd: from install to uninstall, on a machine of its own.
func TestUnderSystemd(t *testing.T) {
	m := boot(t, harness.Binary()+":/opt/ota")
	m.do("mkdir", "-p", "/srv/garden/main")
	m.do("sh", "-c", "cat >/srv/garden/main/main.py <<'EOF'\n"+program+"EOF")
	m.do("sh", "-c", "printf '[web]\\nlisten = \"off\"\\n' >/srv/garden/ota.toml")
	before := m.do("sh", "-c", listing)

	t.Log(m.do("/opt/ota", "install", "/srv/garden"))
	m.await("the program runs", func() string { return m.property("StatusText") },
		func(seen string) bool { return strings.HasPrefix(seen, "the program is running (pid ") })
	if got := m.do("stat", "-c", "%U", "/srv/garden/main/main.py"); got != "ota" {
		t.Errorf("the program belongs to %s", got)
	}
	second := m.do("/opt/ota", "install", "/srv/garden")
	if strings.Contains(second, "done:") {
		t.Errorf("a second install did something:\n%s", second)
	}
	if got := m.do("systemctl", "is-enabled", "ota@garden"); got != "enabled" {
		t.Error(got)
	}
	security, err := m.try("systemd-analyze", "security", "--no-pager", "ota@garden.service")
	t.Log(security, err)

	m.takeOver()

	pid := m.property("MainPID")
	for range 10 { // more often than the limit of any default
		m.do("sh", "-c", "kill -9 "+pid)
		pid = m.comesBack(pid)
	}
	if got := m.programs(); got != "1" {
		t.Errorf("%s programs run after ota was killed", got)
	}

	m.do("mkdir", "-p", "/run/systemd/system/ota@garden.service.d")
	m.do("sh", "-c", "printf '[Service]\\nWatchdogSec=2\\nTimeoutAbortSec=2\\n' >/run/systemd/system/ota@garden.service.d/test.conf")
	m.do("systemctl", "daemon-reload")
	m.do("systemctl", "restart", "ota@garden")
	pid = m.property("MainPID")
	m.do("sh", "-c", "kill -STOP "+pid)
	m.comesBack(pid)
	if log := m.do("journalctl", "--no-pager", "-u", "ota@garden"); !strings.Contains(log, "Watchdog timeout") {
		t.Error("it was not the watchdog")
	}
	if got := m.programs(); got != "1" {
		t.Errorf("%s programs run after the watchdog", got)
	}
	m.do("rm", "-r", "/run/systemd/system/ota@garden.service.d")
	m.do("systemctl", "daemon-reload")

	m.do("systemctl", "stop", "ota@garden")
	if got := m.property("Result") + " " + m.programs(); got != "success 0" {
		t.Errorf("after a stop: %s", got)
	}
	m.do("systemctl", "start", "ota@garden")

	t.Log(m.do("/opt/ota", "uninstall", "/srv/garden"))
	if got := m.programs(); got != "0" {
		t.Errorf("%s programs run after an uninstall", got)
	}
	if after := m.do("sh", "-c", listing); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if got := m.do("find", "/srv", "!", "-user", "root"); got != "" {
		t.Errorf("not root's: %s", got)
	}
}

// takeOver replaces ota in each way, under the real unit, and its sandbox: the
// process of the program and that of ota stay.
func (m *machine) takeOver() {
	m.t.Helper()
	const installed = "/usr/local/bin/ota"
	alike := func() string {
		return m.property("MainPID") + " " + m.property("NRestarts") + " " + m.property("StatusText")
	}
	before := alike()
	if !strings.Contains(before, " 0 the program is running") {
		m.t.Fatalf("it begins with %q", before)
	}
	check := func(how string) {
		m.t.Helper()
		m.await("the service is as before after "+how, func() string { return m.property("SubState") + " " + alike() },
			func(seen string) bool { return seen == "running "+before })
	}
	for range 3 {
		m.do("systemctl", "reload", "ota@garden")
		check("a reload by systemd")
	}
	m.do(installed, "-C", "/srv/garden", "reload")
	check("a reload")
	m.t.Log(m.do(installed, "reload", "--all"))
	check("a reload of all")

	m.do("cp", "/opt/ota", "/root/ota-next")
	inode := m.do("stat", "-c", "%i", installed)
	said := m.do(installed, "self-update", "/root/ota-next") // not in the folder
	m.t.Log(said)
	if !strings.Contains(said, "taken over in /srv/garden") || m.do("stat", "-c", "%i", installed) == inode {
		m.t.Errorf("nothing was replaced: %s", said)
	}
	check("a self-update from elsewhere")
	m.t.Log(m.do(installed, "-C", "/srv/garden", "self-update", "/root/ota-next"))
	check("a self-update")
	if got := m.do("sh", "-c", "stat -c '%U %a' "+installed+"; ls -A /usr/local/bin; readlink /proc/"+m.property("MainPID")+"/exe"); got != "root 755\nota\n"+installed {
		m.t.Errorf("what was left is %q", got)
	}
	// As a package does it.
	m.do("sh", "-c", "cp /opt/ota "+installed+".dpkg-new && mv "+installed+".dpkg-new "+installed)
	if found, _ := m.try(installed, "-C", "/srv/garden", "doctor"); !strings.Contains(found, "ota-outdated") && !strings.Contains(found, "was replaced") {
		m.t.Errorf("the doctor does not see that another ota is installed: %s", found)
	}
	m.do("systemctl", "reload", "ota@garden")
	check("a package")
	m.do("sh", "-c", "printf '#!/bin/sh\\nexit 1\\n' >/root/bad; chmod +x /root/bad")
	if said, err := m.try(installed, "-C", "/srv/garden", "self-update", "/root/bad"); err == nil {
		m.t.Errorf("a bad file was taken: %s", said)
	}
	check("a bad file")
	log := m.do("sh", "-c", "cat /srv/garden/logs/*.log")
	const takeovers = 8
	if got := strings.Count(log, "ota has taken over"); got != takeovers || strings.Count(log, "MAIN : growing") != 1 {
		m.t.Errorf("%d takeovers, not %d:\n%s", got, takeovers, log)
	}
	m.do("rm", "/root/ota-next", "/root/bad")
}

// listing shows what an install may leave.
const listing = `find /etc /usr/local -not -name '*-' -not -path '/etc/.*' -not -name '.pwd.lock' | sort; getent passwd; getent group`

// programs counts those that run.
func (m *machine) programs() string {
	count, _ := m.try("sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -o 'main[.]py' | wc -l")
	return count
}
