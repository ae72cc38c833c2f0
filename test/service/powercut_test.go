//go:build linux

package service

import (
	"errors"
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

// TestFromPowerToProgram: a device that has no clock and no network is switched
// on, and its program runs; the power is cut, and comes back; and it is started
// anew as a person does it. On a kernel of its own, which has a clock of its own.
//
// The promise is ten seconds from the first process of the system to the first
// line of the program: it is what an owner waits for beside a machine that has
// lost its power, and a unit that waits for a network or a clock that don't come
// takes minutes. A machine inside this one is slow, and others run beside it; so
// what the system itself needs until ordinary services may start is the measure:
// 3 s on a Pi Zero 2. Who needs longer has as many times longer.
func TestFromPowerToProgram(t *testing.T) {
	kernel := os.Getenv("OTA_TEST_KERNEL")
	if kernel == "" {
		kernel = "/var/cache/ota-tests/linux.uml"
	}
	debian := base(t)
	if _, err := os.Stat(kernel); err != nil {
		t.Skip("there is no kernel that runs as a process: unpack Debian's user-mode-linux, and name its linux.uml in OTA_TEST_KERNEL")
	}
	harness.Need(t, "mke2fs", "debugfs")
	m := &device{t: t, kernel: kernel, dir: harness.FastDir(t)}
	m.make(debian, filepath.Join(harness.Packages(t, "0.1.0", harness.ThisMachine), "ota_0.1.0_amd64.deb"))

	cut := m.powerOn()
	m.comesUp("installed")
	cut() // at once: what was told to be done is done
	cut = m.powerOn()
	m.comesUp("after a power cut")
	m.reboot()
	m.comesUp("after a reboot")
	cut()
}

const (
	powerToProgram = 10 * time.Second
	usualStart     = 3 * time.Second // until ordinary services may start
)

// device is a machine with a disk that outlives its power.
type device struct {
	t           *testing.T
	kernel, dir string
	boots       int
}

// first is the first process: the clock stands where one without a battery
// does, and what comes from outside is where the system finds it.
const first = `#!/bin/sh
mount -t hostfs none /mnt -o DIR/shared
date -s @100 >/dev/null
[ -e /srv/garden ] || sh /mnt/prepare
exec /sbin/init
`

// prepare makes of a Debian the device of the test. systemd takes the day on
// which it was built for the earliest that can be; so the clock is put back
// once more, before anything of ours is started.
const prepare = `
mkdir -p /srv/garden/main
cp /mnt/main.py /srv/garden/main/
printf '[web]\nlisten = "off"\n' >/srv/garden/ota.toml
cat >/etc/systemd/system/noclock.service <<'END'
[Unit]
DefaultDependencies=no
Before=sysinit.target
[Service]
Type=oneshot
ExecStart=date -s @200
END
cat >/etc/systemd/system/report.service <<'END'
[Unit]
After=sysinit.target
[Service]
ExecStart=sh /mnt/report
StandardOutput=append:/mnt/said
StandardError=append:/mnt/said
END
cd /etc/systemd/system
mkdir -p sysinit.target.wants multi-user.target.wants
ln -s ../noclock.service sysinit.target.wants/
ln -s ../report.service multi-user.target.wants/
# What no test needs, and costs seconds here.
rm -f timers.target.wants/* getty.target.wants/* multi-user.target.wants/e2scrub_reap.service
for unit in systemd-logind systemd-user-sessions systemd-modules-load systemd-update-utmp systemd-update-utmp-runlevel; do
	ln -s /dev/null $unit.service
done
`

// report installs ota the first time, waits for the program of this boot and
// says how long all took. What is asked for comes by a file.
const report = `
[ -e /usr/bin/ota ] || { dpkg -i /mnt/ota.deb && ota install /srv/garden; } || exit
boot=$(cat /proc/sys/kernel/random/boot_id)
until grep -qs $boot /srv/garden/main/up; do sleep 0.05; done
ota -C /srv/garden status
systemctl is-enabled ota@garden
since() { systemctl show --value --property=$1 $2; }
echo "REPORT $(cat /srv/garden/main/up) $(since UserspaceTimestampMonotonic) $(since ActiveEnterTimestampMonotonic basic.target)"
until [ -e /mnt/reboot ]; do sleep 0.05; done
rm /mnt/reboot
systemctl reboot
`

const says = `import os, time
up = time.clock_gettime(time.CLOCK_MONOTONIC)
print("growing", flush=True)
boot = open("/proc/sys/kernel/random/boot_id").read().strip()
with open("up.new", "w") as to:
    to.write("%s %d %s" % (boot, up * 1e6, time.strftime("%Y")))
os.rename("up.new", "up")
time.sleep(100000)
`

// make lays out the disk and what the machine sees of us.
func (m *device) make(debian, deb string) {
	m.t.Helper()
	shared := filepath.Join(m.dir, "shared")
	text, err := os.ReadFile(deb)
	if err := errors.Join(err, os.Mkdir(shared, 0o755)); err != nil {
		m.t.Fatal(err)
	}
	for path, content := range map[string]string{
		"first": strings.ReplaceAll(first, "DIR", m.dir), "shared/prepare": prepare, "shared/report": report,
		"shared/main.py": says, "shared/ota.deb": string(text),
		"files": "write first first-process\nset_inode_field first-process mode 0100755\n",
	} {
		if err := os.WriteFile(filepath.Join(m.dir, path), []byte(content), 0o755); err != nil {
			m.t.Fatal(err)
		}
	}
	for _, argv := range [][]string{
		{"mke2fs", "-q", "-t", "ext4", "-d", debian, "disk", "600M"},
		{"debugfs", "-w", "-f", "files", "disk"},
	} {
		cmd := exec.CommandContext(m.t.Context(), argv[0], argv[1:]...)
		cmd.Dir = m.dir
		if said, err := cmd.CombinedOutput(); err != nil {
			m.t.Fatalf("%q: %v\n%s", argv, err, said)
		}
	}
}

// powerOn starts the machine. What it returns cuts the power: what the machine
// has not written to its disk is lost.
func (m *device) powerOn() (cut func()) {
	m.t.Helper()
	cmd := exec.Command(m.kernel, "ubd0="+filepath.Join(m.dir, "disk"), "root=/dev/ubda", "rw", "mem=512M", "con=null", "con0=null,fd:1", "quiet",
		"init=/first-process", "uml_dir="+m.dir, "umid=machine")
	console, err := os.Create(filepath.Join(m.dir, "console"))
	if err != nil {
		m.t.Fatal(err)
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = m.dir, console, console
	cmd.Env = append(os.Environ(), "TMPDIR="+m.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	off := false
	cut = func() {
		if !off {
			off = true
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			cmd.Wait()
			console.Close()
		}
	}
	m.t.Cleanup(cut)
	return cut
}

// reboot asks the machine to start itself anew.
func (m *device) reboot() {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, "shared", "reboot"), nil, 0o644); err != nil {
		m.t.Fatal(err)
	}
}

func (m *device) read(name string) string {
	text, _ := os.ReadFile(filepath.Join(m.dir, name))
	return string(text)
}

// comesUp waits for the report of this boot and judges it.
func (m *device) comesUp(how string) {
	m.t.Helper()
	m.boots++
	harness.Await(m.t, "the program runs: "+how,
		func() bool { return strings.Count(m.read("shared/said"), "\nREPORT ") == m.boots },
		func() string { return m.read("shared/said") + "\n" + m.read("console") })
	said := m.read("shared/said")
	fields := strings.Fields(said[strings.LastIndex(said, "\nREPORT "):])
	if len(fields) != 6 {
		m.t.Fatalf("not understood: %q", fields)
	}
	at := func(field int) time.Duration {
		n, err := strconv.ParseInt(fields[field], 10, 64)
		if err != nil {
			m.t.Fatalf("%q: %v", fields, err)
		}
		return time.Duration(n) * time.Microsecond
	}
	program, userspace, basic := at(2), at(4), at(5)
	m.t.Logf("%s, in the year %s: the program's first line %v after the first process of the system, of which the system needed %v",
		how, fields[3], (program - userspace).Round(time.Millisecond), (basic - userspace).Round(time.Millisecond))
	if fields[3] != "1970" {
		m.t.Errorf("the clock was to know nothing, and says %s", fields[3])
	}
	if m.boots == 1 {
		return // that was an installation
	}
	limit := powerToProgram
	if slow := basic - userspace; slow > usualStart {
		limit = time.Duration(float64(limit) * float64(slow) / float64(usualStart))
	}
	if program-userspace > limit {
		m.t.Errorf("%s: the program's first line came %v after the first process of the system, and not within %v\n%s", how, program-userspace, limit, said)
	}
	for _, want := range []string{"release  1", "\nenabled\n"} {
		if last := said[strings.LastIndex(said[:strings.LastIndex(said, "\nREPORT ")], "\nota "):]; !strings.Contains(last, want) {
			m.t.Errorf("%s: no %q in\n%s", how, want, last)
		}
	}
}
