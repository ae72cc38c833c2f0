package device

import (
	"cmp"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tree is the folder in which /proc, /sys and /run are.
type tree string

// Bounds for what is read.
const (
	textBytes = 4 << 10
	entries   = 1000 // of a folder; a big PC has hundreds of cooling devices
	sensors   = 64
)

func (t tree) at(path string) string { return filepath.Join(string(t), filepath.FromSlash(path)) }

// text returns the beginning of a file.
func (t tree) text(path string) (string, bool) {
	// What is there instead of a file of the kernel must not make us wait.
	file, err := os.OpenFile(t.at(path), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", false
	}
	defer file.Close()
	var buffer [textBytes]byte
	n, err := io.ReadFull(file, buffer[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", false // also for an empty file
	}
	return string(buffer[:n]), true
}

func (t tree) has(path string) bool {
	_, err := os.Stat(t.at(path))
	return err == nil
}

// list returns what is in a folder below dir and begins so, in the order of the
// numbers at the end.
func (t tree) list(dir, prefix string) []string {
	folder, err := os.Open(t.at(dir))
	if err != nil {
		return nil
	}
	defer folder.Close()
	names, _ := folder.Readdirnames(entries) // fewer, where reading fails
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, prefix) })
	sort.Slice(names, func(i, j int) bool {
		return cmp.Or(cmp.Compare(len(names[i]), len(names[j])), cmp.Compare(names[i], names[j])) < 0
	})
	names = names[:min(len(names), sensors)]
	for i, name := range names {
		names[i] = dir + "/" + name
	}
	return names
}

func (t tree) name() string {
	text, _ := t.text("proc/sys/kernel/hostname")
	return clean(text)
}

// model is told by the device tree, on a PC by its firmware.
func (t tree) model() string {
	for _, path := range []string{"proc/device-tree/model", "sys/firmware/devicetree/base/model", "sys/class/dmi/id/product_name"} {
		text, _ := t.text(path)
		if model := clean(text); !isFiller(model) {
			return model
		}
	}
	return ""
}

// temperature is that of the zone that is most likely the processor's
// (Documentation/driver-api/thermal/sysfs-api.rst).
func (t tree) temperature() *float64 {
	var found *float64
	best := 0
	for _, zone := range t.list("sys/class/thermal", "thermal_zone") {
		kind, _ := t.text(zone + "/type")
		rank := rank(kind)
		if found != nil && rank >= best {
			continue
		}
		text, _ := t.text(zone + "/temp")
		if value, ok := degrees(text); ok {
			found, best = &value, rank
		}
	}
	return found
}

// throttled returns what a Raspberry Pi tells of its power, as the bits of
// get_throttled. Who may not ask the firmware has two files. The driver rpi_volt
// asks the firmware every two seconds and clears what has occurred, so that its
// alarm is about these; it tells of under-voltage alone
// (drivers/hwmon/raspberrypi-hwmon.c). The file get_throttled tells more, but the
// first to read it makes the kernel write a warning with a backtrace
// ("deprecated, use hwmon sysfs instead", drivers/firmware/raspberrypi.c in
// github.com/raspberrypi/linux), so it is read only where there is no other way.
func (t tree) throttled() (bits uint32, known bool) {
	if bits, known := askFirmware(t.at("dev/vcio")); known {
		return bits, true
	}
	for _, sensor := range t.list("sys/class/hwmon", "hwmon") {
		if name, _ := t.text(sensor + "/name"); strings.TrimSpace(name) != "rpi_volt" {
			continue
		}
		alarm, _ := t.text(sensor + "/in0_lcrit_alarm")
		switch strings.TrimSpace(alarm) {
		case "0":
			return 0, true
		case "1":
			return 1, true
		}
	}
	folders := []string{"sys/devices/platform/soc/soc:firmware"}
	folders = append(folders, t.list("sys/bus/platform/drivers/raspberrypi-firmware", "soc")...)
	for _, folder := range folders {
		if text, ok := t.text(folder + "/get_throttled"); ok {
			return throttledBits(text)
		}
	}
	return 0, false
}

func (t tree) memory() *Space {
	text, _ := t.text("proc/meminfo")
	return memoryOf(text)
}

func (t tree) load() *float64 {
	text, _ := t.text("proc/loadavg")
	if load, ok := first(text); ok {
		return &load
	}
	return nil
}

func (t tree) booted(now time.Time) *time.Time {
	text, _ := t.text("proc/uptime")
	if uptime, ok := first(text); ok {
		return new(bootOf(now, uptime))
	}
	return nil
}

// kernelClock asks the kernel whether somebody keeps its clock right.
func kernelClock() (synchronised, known bool) {
	state, err := unix.Adjtimex(&unix.Timex{})
	return state != unix.TIME_ERROR, err == nil
}
