package device

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// grow makes a folder that looks like the top of a machine.
func grow(t *testing.T, files map[string]string) tree {
	t.Helper()
	root := t.TempDir()
	for path, text := range files {
		at := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return tree(root)
}

// machine is one with these files, at noon, whose kernel knows nothing of its
// clock.
func machine(t *testing.T, files map[string]string) *Machine {
	root := grow(t, files)
	return &Machine{
		root: root, folder: filepath.Join(string(root), "missing"),
		now:    func() time.Time { return noon },
		kernel: func() (bool, bool) { return false, true },
	}
}

var zero = map[string]string{
	"proc/sys/kernel/hostname":               "garden\n",
	"proc/device-tree/model":                 "Raspberry Pi Zero W Rev 1.1\x00",
	"proc/meminfo":                           "MemTotal:         441304 kB\nMemFree:           55012 kB\nMemAvailable:     246804 kB\nHugePages_Total:       0\n",
	"proc/loadavg":                           "0.42 0.30 0.11 1/98 2045\n",
	"proc/uptime":                            "3600.25 3000.00\n",
	"sys/class/thermal/thermal_zone0/type":   "cpu-thermal\n",
	"sys/class/thermal/thermal_zone0/temp":   "39546\n",
	"sys/class/hwmon/hwmon0/name":            "cpu_thermal\n",
	"sys/class/hwmon/hwmon1/name":            "rpi_volt\n",
	"sys/class/hwmon/hwmon1/in0_lcrit_alarm": "1\n",
	// Not to be read: the kernel would warn.
	"sys/devices/platform/soc/soc:firmware/get_throttled": "f000f\n",
	"run/systemd/timesync/synchronized":                   "",
}

var five = map[string]string{
	"proc/sys/kernel/hostname":               "attic\n",
	"sys/firmware/devicetree/base/model":     "Raspberry Pi 5 Model B Rev 1.0\x00",
	"proc/meminfo":                           "MemTotal:        8245280 kB\nMemAvailable:    7901234 kB\n",
	"proc/loadavg":                           "3.00 2.00 1.00 4/210 4021\n",
	"sys/class/thermal/cooling_device0/type": "pwm-fan\n",
	"sys/class/thermal/thermal_zone0/type":   "cpu-thermal\n",
	"sys/class/thermal/thermal_zone0/temp":   "61250\n",
	"sys/bus/platform/drivers/raspberrypi-firmware/soc@107c000000:firmware/get_throttled": "e0008\n",
}

var desk = map[string]string{
	"proc/sys/kernel/hostname":              "desk.example\n",
	"sys/class/dmi/id/product_name":         "ThinkPad X1 Carbon\n",
	"sys/class/thermal/thermal_zone0/type":  "acpitz\n",
	"sys/class/thermal/thermal_zone0/temp":  "16800\n",
	"sys/class/thermal/thermal_zone2/type":  "iwlwifi_1\n",
	"sys/class/thermal/thermal_zone10/type": "x86_pkg_temp\n",
	"sys/class/thermal/thermal_zone10/temp": "52000\n",
	"sys/class/thermal/thermal_zone11/type": "pch_skylake\n",
	"sys/class/thermal/thermal_zone11/temp": "45000\n",
	"sys/class/hwmon/hwmon0/name":           "coretemp\n",
}

func TestMachines(t *testing.T) {
	for _, test := range []struct {
		name  string
		files map[string]string
		want  Facts
	}{
		{"Pi Zero", zero, Facts{
			Name: "garden", Model: "Raspberry Pi Zero W Rev 1.1", Temperature: new(39.546),
			Power:  &Power{Now: []Problem{UnderVoltage}},
			Memory: &Space{246804 << 10, 441304 << 10}, Load: new(0.42),
			Booted: new(noon.Add(-time.Hour)), ClockSet: new(true),
		}},
		{"Pi 5", five, Facts{
			Name: "attic", Model: "Raspberry Pi 5 Model B Rev 1.0", Temperature: new(61.25),
			Power:  &Power{Now: []Problem{SoftLimit}, Before: []Problem{FrequencyCapped, Throttled}},
			Memory: &Space{7901234 << 10, 8245280 << 10}, Load: new(3.0), ClockSet: new(false),
		}},
		{"PC", desk, Facts{Name: "desk.example", Model: "ThinkPad X1 Carbon", Temperature: new(52.0), ClockSet: new(false)}},
		{"nothing", nil, Facts{ClockSet: new(false)}},
		{"nothing works", map[string]string{
			"proc/sys/kernel/hostname":                            strings.Repeat("a\x1b[31m\u202e", 100_000),
			"proc/device-tree/model":                              "\x00\x00",
			"sys/class/dmi/id/product_name":                       "To Be Filled By O.E.M.\n",
			"proc/meminfo":                                        "MemAvailable: -1 kB\nMemTotal: 99999999999999999999 kB\n",
			"proc/loadavg":                                        "nan",
			"proc/uptime":                                         "1e300 0",
			"sys/class/thermal/thermal_zone0/temp":                "-273000\n",
			"sys/class/thermal/thermal_zone1/temp":                "0\n",
			"sys/class/thermal/thermal_zone2/temp":                "hot",
			"sys/class/thermal/thermal_zone3/temp/folder":         "",
			"sys/class/hwmon/hwmon0/name":                         "rpi_volt",
			"sys/class/hwmon/hwmon0/in0_lcrit_alarm":              "perhaps",
			"sys/devices/platform/soc/soc:firmware/get_throttled": "0xfffffffff",
		}, Facts{Name: strings.Repeat(`a\x1b[31m\u202e`, 8) + `a\x1b[31m`, ClockSet: new(false)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := machine(t, test.files).Facts()
			if got.Processors < 1 {
				t.Errorf("%d processors", got.Processors)
			}
			got.Processors = 0
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The driver tells of the last seconds alone.
func TestProblemsAreRemembered(t *testing.T) {
	m := machine(t, zero)
	alarm := m.root.at("sys/class/hwmon/hwmon1/in0_lcrit_alarm")
	for _, look := range []struct {
		alarm string
		want  []string
	}{
		{"0\n", nil}, {"1\n", []string{"under-voltage now"}}, {"0\n", []string{"under-voltage since the start"}},
	} {
		if err := os.WriteFile(alarm, []byte(look.alarm), 0o600); err != nil {
			t.Fatal(err)
		}
		m.looked = time.Time{}
		power := m.Facts().Power
		if power == nil {
			t.Fatal("it does not tell")
		}
		if diff := cmp.Diff(look.want, power.Words()); diff != "" {
			t.Errorf("alarm %q: %s", look.alarm, diff)
		}
	}
}

func TestFactsAreFresh(t *testing.T) {
	m := machine(t, zero)
	now := noon
	m.now = func() time.Time { return now }
	temperature := m.root.at("sys/class/thermal/thermal_zone0/temp")
	m.Facts()
	for _, change := range []string{temperature, m.root.at("proc/sys/kernel/hostname")} {
		if err := os.WriteFile(change, []byte("50000\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(fresh - 1)
	if got := *m.Facts().Temperature; got != 39.546 {
		t.Errorf("looked up again too soon: %v", got)
	}
	now = now.Add(1)
	if got := m.Facts(); *got.Temperature != 50 || got.Name != "garden" {
		t.Errorf("%v, %q", *got.Temperature, got.Name)
	}
}

func TestClock(t *testing.T) {
	const marker = "run/systemd/timesync/synchronized"
	for _, test := range []struct {
		name                string
		year                int
		synchronised, known bool
		files               map[string]string
		want                *bool
	}{
		{"the kernel says so", 2026, true, true, nil, new(true)},
		{"nobody has set it", 2026, false, true, nil, new(false)},
		{"it was set once", 2026, false, true, map[string]string{marker: ""}, new(true)},
		{"the kernel may not be asked", 2026, false, false, nil, nil},
		{"it may not be asked, and was set once", 2026, false, false, map[string]string{marker: ""}, new(true)},
		{"long ago", 1970, true, true, map[string]string{marker: ""}, new(false)},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := machine(t, test.files)
			m.kernel = func() (bool, bool) { return test.synchronised, test.known }
			got := m.clockSet(noon.AddDate(test.year-noon.Year(), 0, 0))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A pipe that nobody writes to has no text, and keeps nobody waiting.
func TestPipeInsteadOfAFile(t *testing.T) {
	root := grow(t, map[string]string{"proc/x": ""})
	if err := mkfifo(root.at("proc/uptime")); err != nil {
		t.Skip(err)
	}
	if booted := root.booted(noon); booted != nil {
		t.Errorf("booted %v", booted)
	}
}

// What every Linux tells, this one tells.
func TestThisMachine(t *testing.T) {
	got := New(t.TempDir()).Facts()
	t.Logf("%+v; power: %q", got, got.Power.Words())
	switch {
	case got.Name == "" || got.Processors < 1:
		t.Error("no name or no processors")
	case got.Memory == nil || got.Memory.Free <= 0 || got.Memory.Free > got.Memory.Total:
		t.Errorf("memory: %+v", got.Memory)
	case got.Disk == nil || got.Disk.Free < 0 || got.Disk.Free > got.Disk.Total:
		t.Errorf("disk: %+v", got.Disk)
	case got.Load == nil || got.Booted == nil || got.Booted.After(time.Now()):
		t.Errorf("load %v, booted %v", got.Load, got.Booted)
	}
}

func BenchmarkFacts(b *testing.B) {
	m := New(b.TempDir())
	for b.Loop() {
		m.looked = time.Time{}
		m.Facts()
	}
}

func mkfifo(path string) error { return unix.Mkfifo(path, 0o600) }
