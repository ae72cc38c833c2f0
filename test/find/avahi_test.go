//go:build linux

package find

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ota/test/harness"
)

// bus lets anybody who is root do anything: it is there for one test.
const bus = `<busconfig>
<type>system</type>
<listen>unix:path=%s</listen>
<auth>EXTERNAL</auth>
<policy context="default">
<allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
</policy>
</busconfig>
`

const avahiSettings = `[server]
host-name=greenhouse
allow-interfaces=eth0
[wide-area]
enable-wide-area=no
`

// avahi is a daemon that runs on the same machine, and its commands.
type avahi struct {
	t   *testing.T
	env []string
}

func startAvahi(t *testing.T) *avahi {
	t.Helper()
	harness.Need(t, "avahi-daemon", "avahi-browse", "avahi-resolve", "dbus-daemon")
	// There can be only one that has its number in /run, and one of the machine may
	// run, or have left it there.
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount("/run", unix.MNT_DETACH) })
	dir := t.TempDir()
	socket := filepath.Join(dir, "bus")
	harness.Tree{
		"bus.conf":   harness.File(fmt.Sprintf(bus, socket)),
		"avahi.conf": harness.File(avahiSettings),
	}.Write(t, dir)
	a := &avahi{t, append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS=unix:path="+socket, "LC_ALL=C.UTF-8")}
	a.start("dbus-daemon", "--config-file="+filepath.Join(dir, "bus.conf"), "--nofork")
	harness.Await(t, "the bus", func() bool {
		_, err := os.Stat(socket)
		return err == nil
	}, func() string { return socket })
	a.start("avahi-daemon", "-f", filepath.Join(dir, "avahi.conf"), "--no-drop-root", "--no-chroot", "--no-rlimits")
	a.await("avahi to know its own name", func(said string) bool { return strings.Contains(said, hereText) }, "avahi-resolve", "-4", "-n", "greenhouse.local")
	return a
}

func (a *avahi) start(program string, args ...string) {
	a.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = a.env
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() {
		cmd.Process.Signal(unix.SIGTERM)
		cmd.Wait()
	})
}

// await asks by a command until the answer is as it should be.
func (a *avahi) await(what string, done func(said string) bool, program string, args ...string) string {
	a.t.Helper()
	said := ""
	harness.Await(a.t, what, func() bool {
		cmd := exec.CommandContext(a.t.Context(), program, args...)
		cmd.Env = a.env
		bytes, _ := cmd.CombinedOutput()
		said = string(bytes)
		return done(said)
	}, func() string { return said })
	return said
}

// TestBesideAvahi: both share the port; avahi keeps the name of the machine, and
// finds, resolves and loses the device as any other.
func TestBesideAvahi(t *testing.T) {
	network(t)
	a := startAvahi(t)
	d := device(t, "garden", "")
	all := awaitFound(t, "garden")
	browse := []string{"-r", "-t", "-p", "_ota._tcp"}
	said := a.await("avahi to find the device", func(said string) bool {
		return strings.Contains(said, "=;eth0;IPv4;"+all.Devices[0].Name) && strings.Contains(said, `"release=1"`)
	}, "avahi-browse", browse...)
	host := strings.Split(said[strings.Index(said, "=;eth0;IPv4;"):], ";")[6]
	if !strings.HasPrefix(host, "ota-") {
		t.Errorf("its addresses are those of %q", host)
	}
	for _, name := range []string{host, "greenhouse.local"} {
		a.await(name+" to be resolved", func(said string) bool { return strings.Contains(said, hereText) }, "avahi-resolve", "-4", "-n", name)
	}
	d.Stop()
	a.await("avahi to have heard the good-bye", func(said string) bool { return !strings.Contains(said, "garden") }, "avahi-browse", browse[1:]...)
}

// question asks for a type of service.
func question(service string) []byte {
	return []byte("\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" + string(rune(len(service))) + service + "\x04_tcp\x05local\x00\x00\x0c\x00\x01")
}

// TestWhatOthersSayWakesNobody: in a network in which somebody asks for printers
// all the time, the kernel drops that before ota has to look at it.
func TestWhatOthersSayWakesNobody(t *testing.T) {
	network(t)
	device(t, "garden", "")
	awaitFound(t, "garden")
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInet4Addr(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, here); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 200_000}); err != nil {
		t.Fatal(err)
	}
	say := func(packet []byte) {
		t.Helper()
		if err := unix.Sendto(fd, packet, 0, &unix.SockaddrInet4{Port: 5353, Addr: [4]byte{224, 0, 0, 251}}); err != nil {
			t.Fatal(err)
		}
	}
	// While it asks for its names it hears all, as when the interface gets its
	// address of IPv6, a second or two after that of IPv4.
	const many = 500
	number := 0
	harness.Await(t, "all packets for others to be dropped", func() bool {
		before := dropped(t)
		for range many {
			say(question("_ipp"))
		}
		number = dropped(t) - before
		return number >= many
	}, func() string { return fmt.Sprintf("%d of %d", number, many) })
	said := ""
	harness.Await(t, "an answer to a question for us", func() bool {
		say(question("_ota"))
		answer := make([]byte, 9000)
		size, _, err := unix.Recvfrom(fd, answer, 0)
		said = fmt.Sprintf("%q, %v", answer[:max(size, 0)], err)
		return strings.Contains(said, "garden")
	}, func() string { return said })
}

// dropped is how many packets the kernel has not brought to the sockets of the
// group; proc_net_udp(5).
func dropped(t *testing.T) (sum int) {
	t.Helper()
	for line := range lines(t, "/proc/self/net/udp") {
		fields := strings.Fields(line)
		if slices.Contains(fields, "FB0000E0:14E9") {
			number, err := strconv.Atoi(fields[len(fields)-1])
			if err != nil {
				t.Fatal(err)
			}
			sum += number
		}
	}
	return sum
}
