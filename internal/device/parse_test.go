package device

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, time.November, 26, 12, 0, 0, 0, time.UTC)

func TestDegrees(t *testing.T) {
	for text, want := range map[string]float64{
		"39546\n": 39.546, "-12000": -12, "85000": 85, "150000": 150,
		"0": 0, "-273000": 0, "-273150": 0, "65535000": 0, "": 0, "warm": 0, "39.5": 0,
	} {
		got, ok := degrees(text)
		if got != want || ok != (want != 0) {
			t.Errorf("%q: %v, %v", text, got, ok)
		}
	}
}

func TestZonesOfProcessorsComeFirst(t *testing.T) {
	zones := []string{"acpitz", "gpu-thermal", "soc-thermal\n", "cpu0-thermal", "x86_pkg_temp", "cpu-thermal"}
	slices.SortStableFunc(zones, func(a, b string) int { return rank(a) - rank(b) })
	want := []string{"x86_pkg_temp", "cpu-thermal", "cpu0-thermal", "soc-thermal\n", "acpitz", "gpu-thermal"}
	if diff := cmp.Diff(want, zones); diff != "" {
		t.Error(diff)
	}
}

func TestThrottled(t *testing.T) {
	for text, want := range map[string][]string{
		"0\n":      nil,
		"50005\n":  {"under-voltage now", "throttled now"},
		"0x50000":  {"under-voltage since the start", "throttled since the start"},
		"80008":    {"soft temperature limit now"},
		"20002":    {"frequency capped now"},
		"80050000": {"under-voltage since the start", "throttled since the start"}, // bits without a meaning
	} {
		bits, ok := throttledBits(text)
		if !ok {
			t.Errorf("%q can't be read", text)
		}
		if diff := cmp.Diff(want, powerOf(bits, bits>>occurredShift).Words()); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
	for _, text := range []string{"", "throttled=0x0", "-1", "123456789a"} {
		if bits, ok := throttledBits(text); ok {
			t.Errorf("%q is %x", text, bits)
		}
	}
}

func TestNoPowerHasNoWords(t *testing.T) {
	if words := (*Power)(nil).Words(); words != nil {
		t.Errorf("%q", words)
	}
}

// FuzzParsers: whatever a file holds, what comes of it is a number that makes
// sense or a name that does no harm.
func FuzzParsers(f *testing.F) {
	for _, text := range []string{"39546\n", "50005\n", "0.42 0.30 0.11 1/98 2045\n", "Raspberry Pi\x00", "MemTotal: 1 kB\nMemAvailable: 1 kB\n", "\xff\x1b[31m", "1e9", "-0"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if value, ok := degrees(text); ok && (value < -40 || value > 150 || value == 0) {
			t.Errorf("%v degrees", value)
		}
		if bits, ok := throttledBits(text); ok && len(powerOf(bits, bits>>occurredShift).Words()) > len(problems) {
			t.Errorf("%x", bits)
		}
		if value, ok := first(text); ok {
			if !(value >= 0) || bootOf(noon, value).After(noon) {
				t.Errorf("%v", value)
			}
		}
		if memory := memoryOf(text); memory != nil && (memory.Free < 0 || memory.Total < 0) {
			t.Errorf("%+v", memory)
		}
		name := clean(text)
		if !utf8.ValidString(name) || strings.ContainsAny(name, "\x00\n\x1b") || len(name) > 10*longest {
			t.Errorf("%q", name)
		}
	})
}
