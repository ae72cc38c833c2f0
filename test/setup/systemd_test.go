//go:build linux

package setup

import (
	"bytes"
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

// debian is a machine with systemd that was booted.
type debian struct {
	t    *testing.T
	init string // its first process
}

// inside runs a script there, as root.
func (d debian) inside(script string) string {
	d.t.Helper()
	return harness.Run(d.t, "nsenter", "--target", d.init, "--all", "--wd=/", "--", "sh", "-ec", script)
}

// letsIn makes a user pi there, and returns the settings of an sshd here that lets
// who logs in be pi there, with these variables in the environment.
func (d debian) letsIn(k harness.SSHKeys, variables string) (settings string) {
	d.t.Helper()
	d.inside("useradd --uid 1000 --create-home --shell /bin/sh pi")
	enter := filepath.Join(k.Dir, "enter")
	text := "#!/bin/sh\nexec nsenter --target " + d.init + " --all --wd=/ -- env -i PATH=/usr/local/bin:/usr/bin:/bin" +
		" setpriv --reuid pi --regid pi --init-groups env HOME=/home/pi USER=pi " + variables +
		` sh -c 'cd; exec sh -c "$1"' sh "$SSH_ORIGINAL_COMMAND"` + "\n"
	if err := os.WriteFile(enter, []byte(text), 0o755); err != nil {
		d.t.Fatal(err)
	}
	return "ForceCommand " + enter
}

// boot boots a Debian that forgets all when it ends. It sees these files:
// "/here:/there".
func boot(t *testing.T, sees ...string) debian {
	t.Helper()
	harness.Need(t, "systemd-nspawn", "nsenter")
	dir := os.Getenv("OTA_TEST_DEBIAN")
	if dir == "" {
		dir = "/var/cache/ota-tests/debian"
	}
	if _, err := os.Stat(filepath.Join(dir, "sbin/init")); err != nil {
		harness.Lack(t, "there is no Debian in "+dir)
	}
	cmd := exec.Command("systemd-nspawn", "--quiet", "--directory="+dir, "--volatile=overlay", "--private-network", "--register=no", "--keep-unit",
		"--machine=ota-setup-test")
	for _, one := range sees {
		cmd.Args = append(cmd.Args, "--bind-ro="+one)
	}
	cmd.Args = append(cmd.Args, "--boot")
	said := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = said, said, time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); cmd.Wait() }()
	var init string
	t.Cleanup(func() {
		if pid, err := strconv.Atoi(init); err == nil {
			syscall.Kill(pid, syscall.SIGKILL) // the machine is off
		}
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(harness.Deadline):
			cmd.Process.Kill()
			<-ended
		}
	})
	harness.Await(t, "the machine is up", func() bool {
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid))
		if fields := strings.Fields(string(children)); len(fields) > 0 {
			init = fields[len(fields)-1]
			state, _ := exec.Command("nsenter", "--target", init, "--all", "--", "systemctl", "is-system-running").Output()
			return strings.HasPrefix(string(state), "running") || strings.HasPrefix(string(state), "degraded")
		}
		return false
	}, func() string { return "" })
	return debian{t, init}
}

// TestUnderSystemd: from nothing to a service, to a newer ota while the program
// runs on, and back, by a user with sudo.
func TestUnderSystemd(t *testing.T) {
	t.Parallel()
	k := harness.NewSSHKeys(t)
	sudo := filepath.Join(k.Dir, "sudo")
	harness.Run(t, "env", "CGO_ENABLED=0", "go", "build", "-o", sudo, "./sudo")
	if err := os.Chmod(sudo, 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	d := boot(t, sudo+":/usr/bin/sudo")
	s := harness.ServeSSH(t, k, "", d.letsIn(k, ""))
	l := newLaptop(t, k, config("device", s, "User root"))

	d.inside("touch /etc/sudo-asks")
	l.fails("sudo asks for a password there", "device:the garden")
	l.typing("secret\n", "device:the garden")
	d.inside("rm /etc/sudo-asks; /usr/local/bin/ota uninstall '/home/pi/the garden'")

	first := l.does("device:/srv/the garden")
	if first["did"] != "installed" || first["dir"] != "/srv/the garden" || first["service"] != "system" || first["binary"] != "/usr/local/bin/ota" {
		t.Error(first)
	}
	if got := d.inside(`systemctl is-active 'ota@the\x20garden' ota@the-garden ota@the_garden 2>/dev/null || :; stat -c %U "/srv/the garden/deposit" /usr/local/bin/ota`); !strings.Contains(got, "\nactive\n") && !strings.HasPrefix(got, "active\n") || !strings.HasSuffix(got, "pi\nroot\n") {
		t.Error(got)
	}
	if left := d.inside("ls -A /home/pi"); strings.Contains(left, "setup") {
		t.Error(left)
	}
	if again := l.does("device:/srv/the garden"); again["did"] != "nothing" {
		t.Error(again)
	}

	// A program, and another ota: it goes on as the same process.
	d.inside(`cd "/srv/the garden/deposit" && printf 'import time\ntime.sleep(100000)\n' >main.py && chown pi main.py`)
	pid := func() int {
		return programIn(t, func() string { return d.inside(`/usr/local/bin/ota -C "/srv/the garden" status --json || :`) })
	}
	running := pid()
	newer := t.TempDir()
	binary, err := os.ReadFile(harness.Binary())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(newer, "ota-linux-amd64"), append(binary, "newer"...), 0o755); err != nil {
		t.Fatal(err)
	}
	upgraded := l.does("device:/srv/the garden", "--binaries", newer)
	if upgraded["did"] != "upgraded" || upgraded["before"] == nil {
		t.Error(upgraded)
	}
	if got := pid(); got != running {
		t.Errorf("the program was %d and is %d", running, got)
	}
	if got := d.inside("tail -c 5 /usr/local/bin/ota"); !strings.HasSuffix(got, "newer") {
		t.Error(got)
	}

	if removed := l.does("device:/srv/the garden", "--uninstall"); removed["did"] != "uninstalled" {
		t.Error(removed)
	}
	if got := d.inside(`ls /usr/local/bin /etc/systemd/system; ls "/srv/the garden"`); strings.Contains(got, "ota@") || strings.Contains(got, "\nota\n") || !strings.Contains(got, "main") {
		t.Error(got)
	}

	if got := s.Logins(); got != 6 {
		t.Errorf("ssh logged in %d times for 6 calls", got)
	}
}
