//go:build linux

// Package find looks at devices in a network from outside: the real ota on each,
// the real `ota find`, and a client of Multicast DNS that shares no line with
// either. All of it in a network of its own.
//
// In: folders that ota looks after. Out: what is heard of them. Never: a packet
// that leaves this machine.
package find

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ota/test/harness"
)

// inside is set in the process that has a network, and mounts, of its own.
const inside = "OTA_TEST_NETWORK"

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 || os.Getenv(inside) != "" {
		harness.Main(m) // which does not return
	}
	again := exec.Command(os.Args[0], os.Args[1:]...)
	again.Env = append(os.Environ(), inside+"=yes")
	again.Stdout, again.Stderr = os.Stdout, os.Stderr
	again.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	if err := again.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// alone makes a network in which nothing is but the loopback interface, or ends
// the test if that can't be had.
func alone(t *testing.T) {
	t.Helper()
	harness.NeedRoot(t)
	set(t, "lo", func(face *unix.Ifreq) error {
		face.SetUint16(unix.IFF_UP | unix.IFF_LOOPBACK)
		return ioctl(unix.SIOCSIFFLAGS, face)
	})
}

// here is the address of this machine in the network.
var here = [4]byte{192, 168, 77, 1}

const hereText = "192.168.77.1"

// network is alone, and one more interface.
func network(t *testing.T) card {
	t.Helper()
	alone(t)
	eth0 := plug(t, "eth0", here)
	t.Cleanup(eth0.unplug)
	return eth0
}

func set(t *testing.T, name string, change func(*unix.Ifreq) error) {
	t.Helper()
	face, err := unix.NewIfreq(name)
	if err == nil {
		err = change(face)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func ioctl(request uint, face *unix.Ifreq) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.IoctlIfreq(fd, request, face)
}

// card is an interface that was plugged in.
type card struct{ fd int }

func (c card) unplug() { unix.Close(c.fd) }

// connect plugs a cable into it, or out of it.
func (c card) connect(t *testing.T, is bool) {
	t.Helper()
	carrier := 0
	if is {
		carrier = 1
	}
	if err := unix.IoctlSetPointerInt(c.fd, unix.TUNSETCARRIER, carrier); err != nil {
		t.Fatal(err)
	}
}

// plug makes an interface with an address, as a wifi that has come up.
func plug(t *testing.T, name string, address [4]byte) card {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		harness.Lack(t, "there is no /dev/net/tun: "+err.Error())
	}
	set(t, name, func(face *unix.Ifreq) error {
		face.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		return unix.IoctlIfreq(fd, unix.TUNSETIFF, face)
	})
	set(t, name, func(face *unix.Ifreq) error {
		if err := face.SetInet4Addr(address[:]); err != nil {
			return err
		}
		return ioctl(unix.SIOCSIFADDR, face)
	})
	set(t, name, func(face *unix.Ifreq) error {
		if err := face.SetInet4Addr([]byte{255, 255, 255, 0}); err != nil {
			return err
		}
		return ioctl(unix.SIOCSIFNETMASK, face)
	})
	set(t, name, func(face *unix.Ifreq) error {
		face.SetUint16(unix.IFF_UP | unix.IFF_MULTICAST | unix.IFF_BROADCAST)
		return ioctl(unix.SIOCSIFFLAGS, face)
	})
	return card{fd}
}

// listening are the interfaces on which somebody has joined the groups of
// Multicast DNS.
func listening(t *testing.T) (names []string) {
	t.Helper()
	name := ""
	for line := range lines(t, "/proc/self/net/igmp") {
		if fields := strings.Fields(line); !strings.HasPrefix(line, "\t") {
			name = fields[1]
		} else if fields[0] == "FB0000E0" {
			names = append(names, name)
		}
	}
	for line := range lines(t, "/proc/self/net/igmp6") {
		if fields := strings.Fields(line); fields[2] == "ff0200000000000000000000000000fb" {
			names = append(names, fields[1])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func lines(t *testing.T, file string) iter.Seq[string] {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Lines(string(text))
}

// ear hears what is said to all.
type ear int

func listen(t *testing.T) ear {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	group := [4]byte{224, 0, 0, 251}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1),
		unix.SetsockoptIPMreq(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreq{Multiaddr: group, Interface: here}),
		unix.Bind(fd, &unix.SockaddrInet4{Port: 5353, Addr: group}),
	)
	if err != nil {
		t.Fatal(err)
	}
	return ear(fd)
}

// await waits for a packet that holds all of these bytes.
func (e ear) await(t *testing.T, what string, parts ...string) {
	t.Helper()
	heard := 0
	harness.Await(t, what, func() bool {
		packet := make([]byte, 9000)
		size, _, err := unix.Recvfrom(int(e), packet, unix.MSG_DONTWAIT)
		if err != nil {
			return false
		}
		heard++
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(string(packet[:size]), part) })
	}, func() string { return fmt.Sprintf("%d other packets were heard", heard) })
}

// goodBye is the begin of what a device says that is gone: that there is a service
// is true for no more seconds.
const goodBye = "\x04_ota\x04_tcp\x05local\x00\x00\x0c\x00\x01\x00\x00\x00\x00"

const program = "import time\nprint('runs', flush=True)\nwhile True:\n    time.sleep(1)\n"

// device starts an ota in a folder that is called so, with a page that the
// network can reach unless other settings are given.
func device(t *testing.T, name, settings string) *harness.Device {
	t.Helper()
	dir := filepath.Join(harness.FastDir(t), name)
	if settings == "" {
		settings = "[web]\nlisten = \"0.0.0.0:0\"\n"
	}
	d := harness.NewDevice(t, mkdir(t, dir), harness.Tree{"main.py": harness.File(program)}, settings)
	d.Start()
	return d
}

func mkdir(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// found is what these tests read of `ota find --json`.
type found struct {
	Devices []told `json:"devices"`
}

// told is a device, as it says of itself.
type told struct {
	Name        string   `json:"name"`
	URL         string   `json:"url"`
	Addresses   []string `json:"addresses"`
	Host        string   `json:"host"`
	Release     string   `json:"release"`
	State       string   `json:"state"`
	Version     string   `json:"version"`
	Certificate string   `json:"certificate"`
}

// names are those of the devices, without that of the machine before them.
func (f found) names() (list []string) {
	for _, one := range f.Devices {
		list = append(list, strings.TrimPrefix(one.Name, hostname()+"-"))
	}
	return list
}

func hostname() string {
	name, _ := os.Hostname()
	return name
}

// find runs `ota find --json`.
func find(t *testing.T) found {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), harness.Binary(), "find", "--json", "--timeout", "300ms")
	said, err := cmd.Output()
	var all found
	if wrong := json.Unmarshal(said, &all); wrong != nil {
		t.Fatalf("ota find: %v, %v: %s", err, wrong, said)
	}
	if (cmd.ProcessState.ExitCode() == 0) != (len(all.Devices) > 0) {
		t.Errorf("exit code %d with %d devices", cmd.ProcessState.ExitCode(), len(all.Devices))
	}
	return all
}

// awaitFound waits until exactly these are found, and have told their release.
func awaitFound(t *testing.T, names ...string) found {
	t.Helper()
	slices.Sort(names)
	var all found
	harness.Await(t, fmt.Sprintf("%v to be found", names), func() bool {
		all = find(t)
		return slices.Equal(all.names(), names) && !slices.ContainsFunc(all.Devices, func(d told) bool { return d.Release == "" })
	}, func() string { return fmt.Sprintf("found: %+v", all) })
	return all
}

// announced is the name that `ota status` tells.
func announced(t *testing.T, d *harness.Device) string {
	t.Helper()
	var status struct {
		Web struct {
			Announced   string `json:"announced"`
			Fingerprint string `json:"fingerprint"`
		} `json:"web"`
	}
	if err := json.Unmarshal([]byte(d.Say("status", "--json")), &status); err != nil {
		t.Fatal(err)
	}
	return status.Web.Announced
}

// TestDevices of one network are found, each by its own name, and each says
// good-bye when it ends.
func TestDevices(t *testing.T) {
	network(t)
	ear := listen(t)
	north, south, quiet := device(t, "north", ""), device(t, "south", ""), device(t, "quiet", "[web]\nlisten = \"0.0.0.0:0\"\nannounce = false\n")
	all := awaitFound(t, "north", "south")
	for i, d := range []*harness.Device{north, south} {
		one := all.Devices[i]
		if announced(t, d) != one.Name || !strings.Contains(d.Say("status"), "announced in the network as "+one.Name) {
			t.Errorf("%s says that it is announced as %q", one.Name, announced(t, d))
		}
		if one.Host != hostname() || one.Release != "1" || one.State != "adopted" || one.Version == "" || !strings.HasPrefix(one.URL, "https://"+hereText+":") {
			t.Errorf("told: %+v", one)
		}
		if !strings.Contains(d.Say("status"), one.Certificate) {
			t.Errorf("%s tells another certificate", one.Name)
		}
	}
	if name := announced(t, quiet); name != "" {
		t.Errorf("announced in spite of announce = false: %q", name)
	}
	north.Stop()
	ear.await(t, "the good-bye of north", goodBye, "north")
	awaitFound(t, "south")
	south.Stop()
	ear.await(t, "the good-bye of south", goodBye, "south")
	awaitFound(t)
}

// TestTwoOfOneName: the second one is called another thing.
func TestTwoOfOneName(t *testing.T) {
	network(t)
	first := device(t, "garden", "")
	awaitFound(t, "garden")
	second := device(t, "garden", "")
	awaitFound(t, "garden", "garden-2")
	if a, b := announced(t, first), announced(t, second); a+"-2" != b {
		t.Errorf("the first one is %q, the second %q", a, b)
	}
}

// TestNothingIsAnnouncedUnlessAskedFor: by default no port of Multicast DNS is
// open, and nobody is found.
func TestNothingIsAnnouncedUnlessAskedFor(t *testing.T) {
	network(t)
	d := device(t, "garden", "[web]\nlisten = \"127.0.0.1:0\"\n")
	d.Await("the program to run", func(s harness.Status) bool { return s.Program.State == "running" })
	if name := announced(t, d); name != "" {
		t.Errorf("announced as %q", name)
	}
	awaitFound(t)
	for _, file := range []string{"/proc/self/net/udp", "/proc/self/net/udp6"} {
		if open, err := os.ReadFile(file); err != nil || strings.Contains(string(open), ":14E9") {
			t.Errorf("a port is open (%v):\n%s", err, open)
		}
	}
}

// TestOnlyThePagesNetworkIsListenedTo: with a page at one address, on the link of
// that one.
func TestOnlyThePagesNetworkIsListenedTo(t *testing.T) {
	network(t)
	defer plug(t, "eth1", [4]byte{192, 168, 78, 1}).unplug()
	device(t, "garden", "[web]\nlisten = \""+hereText+":0\"\n")
	awaitFound(t, "garden")
	if names := listening(t); !slices.Equal(names, []string{"eth0"}) {
		t.Errorf("somebody listens on %q", names)
	}
}

// TestACableThatIsPluggedInAgain may lead elsewhere: without one nobody listens,
// and with it the device asks whether its name is free.
func TestACableThatIsPluggedInAgain(t *testing.T) {
	cable := network(t)
	device(t, "garden", "")
	awaitFound(t, "garden")
	cable.connect(t, false)
	harness.Await(t, "nobody to listen", func() bool { return len(listening(t)) == 0 }, func() string { return fmt.Sprint(listening(t)) })
	ear := listen(t)
	cable.connect(t, true)
	ear.await(t, "a question whether the name is free", "garden\x04_ota\x04_tcp\x05local\x00\x00\xff\x00\x01")
	awaitFound(t, "garden")
}

// TestANewRelease is told as soon as it is there.
func TestANewRelease(t *testing.T) {
	network(t)
	d := device(t, "garden", "[trial]\nperiod = \"200ms\"\n[web]\nlisten = \"0.0.0.0:0\"\n")
	awaitFound(t, "garden")
	harness.Tree{"main.py": harness.File(program + "# new\n")}.Write(t, d.Deposit())
	var all found
	harness.Await(t, "release 2 to be told", func() bool {
		all = find(t)
		return len(all.Devices) == 1 && all.Devices[0].Release == "2" && all.Devices[0].State == "confirmed"
	}, func() string { return fmt.Sprintf("%+v", all) })
}

// TestNetworksThatComeAndGo: a device that was started without a network is found
// when there is one, and a new address with it.
func TestNetworksThatComeAndGo(t *testing.T) {
	alone(t)
	d := device(t, "garden", "")
	d.Await("the program to run", func(s harness.Status) bool { return s.Program.State == "running" })
	wifi := plug(t, "wifi0", here)
	awaitFound(t, "garden")
	defer plug(t, "wifi1", [4]byte{192, 168, 78, 1}).unplug()
	awaitAddresses := func(want ...string) {
		t.Helper()
		var all found
		harness.Await(t, fmt.Sprintf("the addresses %v", want), func() bool {
			all = find(t)
			return len(all.Devices) == 1 && slices.Equal(ofIPv4(all.Devices[0].Addresses), want)
		}, func() string { return fmt.Sprintf("%+v", all) })
	}
	awaitAddresses(hereText, "192.168.78.1")
	wifi.unplug()
	awaitAddresses("192.168.78.1")
}

// ofIPv4 leaves out what the system makes of an interface's own number.
func ofIPv4(addresses []string) (list []string) {
	for _, one := range addresses {
		if !strings.Contains(one, ":") {
			list = append(list, one)
		}
	}
	return list
}

// TestItIsFoundAfterATakeover, by the same name.
func TestItIsFoundAfterATakeover(t *testing.T) {
	network(t)
	d := device(t, "garden", "")
	before := awaitFound(t, "garden")
	d.Say("reload")
	after := awaitFound(t, "garden")
	if before.Devices[0].URL != after.Devices[0].URL {
		t.Errorf("before: %+v\nafter: %+v", before, after)
	}
}
