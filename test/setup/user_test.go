//go:build linux

package setup

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ota/test/harness"
)

// TestServiceOfAUser: without root, under a systemd of the user's own that lingers.
// The service stays when nobody is logged in, comes back with the system, and is
// taken back.
func TestServiceOfAUser(t *testing.T) {
	t.Parallel()
	k := harness.NewSSHKeys(t)
	d := boot(t)
	// pam_systemd(8), which is not in the smallest Debian, says where the folder is.
	d.inside(`mkdir /etc/systemd/system/user@.service.d
printf '[Service]\nEnvironment=XDG_RUNTIME_DIR=/run/user/%%i\n' >/etc/systemd/system/user@.service.d/runtime.conf
systemctl daemon-reload`)
	s := harness.ServeSSH(t, k, "", d.letsIn(k, "XDG_RUNTIME_DIR=/run/user/1000"))
	l := newLaptop(t, k, config("device", s, "User root"))
	over := func(command string) string {
		t.Helper()
		return harness.Run(t, "ssh", "-F", filepath.Join(l.dir, "config"), "device", command)
	}

	l.fails("no systemd of pi's own is running on it", "device:garden", "--user")
	if left := over("ls -A"); strings.Contains(left, "garden") || strings.Contains(left, ".local") {
		t.Errorf("something was changed: %s", left)
	}
	d.inside("loginctl enable-linger pi")
	manages := func() bool {
		return exec.Command("nsenter", "--target", d.init, "--all", "--wd=/", "--", "systemctl", "--quiet", "is-active", "user@1000").Run() == nil
	}
	harness.Await(t, "a systemd of pi's own", manages, s.Said)
	first := l.does("device:garden", "--user")
	if first["did"] != "installed" || first["service"] != "user" || first["binary"] != "/home/pi/.local/bin/ota" || first["dir"] != "/home/pi/garden" {
		t.Error(first)
	}
	if again := l.does("device:garden"); again["did"] != "nothing" || again["service"] != "user" {
		t.Error(again)
	}

	// Nobody is logged in now: each ssh was for one command.
	over(`printf 'import time\ntime.sleep(100000)\n' >garden/deposit/main.py`)
	pid := func() int {
		return programIn(t, func() string { return over(".local/bin/ota -C garden status --json || :") })
	}
	running := pid()
	if group := d.inside(fmt.Sprintf("cat /proc/%d/cgroup", running)); !strings.Contains(group, "/user@1000.service/") {
		t.Errorf("it is not looked after by pi's own systemd: %s", group)
	}
	newer := t.TempDir()
	binary, err := os.ReadFile(harness.Binary())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(newer, "ota-linux-amd64"), append(binary, "newer"...), 0o755); err != nil {
		t.Fatal(err)
	}
	if upgraded := l.does("device:garden", "--binaries", newer); upgraded["did"] != "upgraded" || pid() != running {
		t.Errorf("the program was %d and is %d: %v", running, pid(), upgraded)
	}

	// The device starts anew, and pi does not log in.
	d.inside("systemctl restart user@1000")
	if now := pid(); now == running {
		t.Errorf("the program is still %d", now)
	}

	// The ota over there is asked by who has no session: as by su, or from cron.
	over("env -u XDG_RUNTIME_DIR .local/bin/ota install --user garden")
	if removed := l.does("device:garden", "--uninstall"); removed["did"] != "uninstalled" {
		t.Error(removed)
	}
	if left := over("find .local .config -name 'ota*'; ls -d garden/main"); strings.Contains(left, "/ota") {
		t.Errorf("left: %s", left)
	}
}
