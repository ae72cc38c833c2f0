package program

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestParseMessage(t *testing.T) {
	long := strings.Repeat("x", longestStatus-1)
	for _, test := range []struct {
		datagram string
		want     message
	}{
		{"", message{}},
		{"READY=1", message{phase: PhaseReady}},
		{"READY=0\nSTOPPING=", message{}},
		{"READY=1\nSTOPPING=1\n", message{phase: PhaseStopping}},
		{"RELOADING=1\nMONOTONIC_USEC=5", message{phase: PhaseReloading}},
		{"STATUS=42 % of a = b", message{text: new("42 % of a = b")}},
		{"STATUS=first\nSTATUS=", message{text: new("")}},
		{"STATUS=\xff", message{}},
		{"STATUS=" + long + "üx", message{text: new(long)}},
		{"WATCHDOG=1", message{sign: signAlive}},
		{"WATCHDOG=trigger", message{sign: signTrigger}},
		{"WATCHDOG=2", message{}},
		{"WATCHDOG_USEC=1500", message{interval: new(1500 * time.Microsecond)}},
		{"WATCHDOG_USEC=0", message{interval: new(time.Duration(0))}},
		{"WATCHDOG_USEC=18446744073709551615", message{interval: new(time.Duration(0))}},
		{"WATCHDOG_USEC=-1\nWATCHDOG_USEC=1s", message{}},
		{"MAINPID=7\nERRNO=2\nFDSTORE=1\nEXTEND_TIMEOUT_USEC=9", message{}},
		{"READY=1\x00", message{}},
	} {
		if diff := cmp.Diff(test.want, parseMessage([]byte(test.datagram)), cmp.AllowUnexported(message{})); diff != "" {
			t.Errorf("%.40q: %s", test.datagram, diff)
		}
	}
}

func TestWhatIsSaidIsKept(t *testing.T) {
	run := newRun(nil, pipe{}, pipe{})
	for _, step := range []struct {
		datagram string
		want     Said
	}{
		{"STATUS=loading", Said{"", "loading"}},
		{"READY=1", Said{PhaseReady, "loading"}},
		{"RELOADING=1\nSTATUS=again", Said{PhaseReloading, "again"}},
		{"READY=1\nSTATUS=", Said{PhaseReady, ""}},
		{"WATCHDOG=1", Said{PhaseReady, ""}},
		{"STOPPING=1", Said{PhaseStopping, ""}},
	} {
		run.hear(parseMessage([]byte(step.datagram)))
		if got := run.Said(); got != step.want {
			t.Errorf("after %q: %+v, want %+v", step.datagram, got, step.want)
		}
	}
}

func TestSocketNames(t *testing.T) {
	got := listenFor([]Socket{{Name: "web"}, {}, {Name: "a:b\nü"}})
	if want := []string{"LISTEN_FDS=3", "LISTEN_FDNAMES=web:unknown:a_b__"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func FuzzParseMessage(f *testing.F) {
	for _, seed := range []string{
		"READY=1", "STATUS=x\nREADY=1\n", "READY=1\x00", "READY=10", "\n\n=\n", "RELOADING=1\nREADY=1",
		"WATCHDOG=trigger\nWATCHDOG_USEC=9223372036854775808", "STATUS=" + strings.Repeat("ü", 600),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, datagram []byte) {
		said := parseMessage(datagram)
		text := "\n" + string(datagram) + "\n"
		names := func(line string) bool {
			return strings.Contains(text, "\n"+line+"\n") && !strings.Contains(text, "\x00")
		}
		if said.phase == PhaseReady && !names("READY=1") || said.phase == PhaseSilent && names("READY=1") {
			t.Errorf("phase %q of %q", said.phase, datagram)
		}
		if (said.sign != signNone) != (names("WATCHDOG=1") || names("WATCHDOG=trigger")) {
			t.Errorf("sign %q of %q", said.sign, datagram)
		}
		if said.text != nil && (len(*said.text) > longestStatus || !utf8.ValidString(*said.text) || strings.Contains(*said.text, "\n")) {
			t.Errorf("status %q", *said.text)
		}
		if said.interval != nil && (*said.interval < 0 || *said.interval > maxInterval) {
			t.Errorf("interval %v of %q", *said.interval, datagram)
		}
	})
}
