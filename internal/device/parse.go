package device

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"ota/internal/kit/escape"
)

// longest is how many bytes a name may have.
const longest = 80

// clean makes a name out of what a file holds: a device tree ends its text with
// a NUL, and a machine may be called anything.
func clean(text string) string {
	text = strings.TrimSpace(strings.Trim(text, "\x00"))
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "")
	}
	return escape.Name(text)
}

// fillers are what makers of boards leave where the name of the product should
// be.
var fillers = []string{"", "default string", "none", "not applicable", "not specified", "o.e.m.", "product name", "system product name", "to be filled by o.e.m.", "unknown"}

func isFiller(model string) bool { return slices.Contains(fillers, strings.ToLower(model)) }

// degrees reads a temperature in thousandths of a degree. Sensors that do not
// work say 0, -273000 or more than a processor survives.
func degrees(text string) (float64, bool) {
	milli, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	const least, most = -40_000, 150_000
	if err != nil || milli == 0 || milli < least || milli > most {
		return 0, false
	}
	return float64(milli) / 1000, true
}

// rank says how likely a zone is that of the processor; the less the likelier.
func rank(zone string) int {
	zone = strings.ToLower(strings.TrimSpace(zone))
	switch {
	case zone == "x86_pkg_temp", zone == "cpu-thermal", zone == "cpu_thermal", zone == "bcm2835_thermal":
		return 0
	case strings.Contains(zone, "cpu"):
		return 1
	case strings.Contains(zone, "soc"):
		return 2
	default:
		return 3
	}
}

// What the firmware of a Raspberry Pi tells in the lower half of a number is
// now; in the upper half, that it has occurred:
// https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
const occurredShift = 16

// problems are those of the bits, from the lowest.
var problems = []Problem{UnderVoltage, FrequencyCapped, Throttled, SoftLimit}

// throttledBits reads the hexadecimal number of get_throttled, which the kernel
// writes without 0x and vcgencmd with it.
func throttledBits(text string) (uint32, bool) {
	bits, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimSpace(text), "0x"), 16, 32)
	return uint32(bits), err == nil
}

func powerOf(now, occurred uint32) *Power {
	power := &Power{}
	for bit, problem := range problems {
		switch mask := uint32(1) << bit; {
		case now&mask != 0:
			power.Now = append(power.Now, problem)
		case occurred&mask != 0:
			power.Before = append(power.Before, problem)
		}
	}
	return power
}

// memoryOf reads proc_meminfo(5).
func memoryOf(text string) *Space {
	free, known := kilobytes(text, "MemAvailable:")
	total, whole := kilobytes(text, "MemTotal:")
	if !known || !whole {
		return nil
	}
	return &Space{free, total}
}

func kilobytes(text, key string) (int64, bool) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[0] != key || fields[2] != "kB" {
			continue
		}
		n, err := strconv.ParseInt(fields[1], 10, 64)
		return n << 10, err == nil && n >= 0 && n <= math.MaxInt64>>10
	}
	return 0, false
}

// first reads the first number of a file of several, such as proc_loadavg(5)
// and proc_uptime(5).
func first(text string) (float64, bool) {
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return 0, false
	}
	number, err := strconv.ParseFloat(fields[0], 64)
	const most = 1e9 // load, and seconds: thirty years
	return number, err == nil && number >= 0 && number < most
}

// bootOf is when a machine has started that is up for so many seconds.
func bootOf(now time.Time, uptime float64) time.Time {
	return now.Add(-time.Duration(uptime * float64(time.Second))).Round(time.Second)
}
