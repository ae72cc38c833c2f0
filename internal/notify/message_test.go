package notify

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// TestBounds: whatever a program says and whatever things are called, a message
// is short, and harmless to who shows it.
func TestBounds(t *testing.T) {
	long := strings.Repeat("ä\x1b[2J\n\u202e", 100_000)
	evidence := &Evidence{Error: &long, File: &long}
	for range 1000 {
		evidence.Output = append(evidence.Output, long)
	}
	m := messageOf(Happening{Kind: Failed, Release: 7, Reason: long, Evidence: evidence}, Here{long, "/home/\xff", nil}, time.Now())
	body, err := encode(m)
	if err != nil || len(body) > 8<<10 || !json.Valid(body) || !utf8.Valid(body) {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	if strings.ContainsAny(m.Message+*m.Reason+strings.Join(m.Evidence.Output, "")+*m.Evidence.Error+m.Device, "\x1b\n\u202e") {
		t.Errorf("%q", m.Message)
	}
	if len(m.Evidence.Output) != evidenceLines || m.Folder != `/home/\xff` {
		t.Errorf("%d lines, %q", len(m.Evidence.Output), m.Folder)
	}
	if len(evidence.Output) != 1000 {
		t.Error("the evidence itself was cut")
	}
}

// TestTestMessage: one of each kind, and each says that nothing has happened.
func TestTestMessage(t *testing.T) {
	seen := map[string]bool{}
	for _, kind := range []Kind{Failed, RolledBack, CrashLooping, Recovered, Held, Confirmed} {
		m := TestMessage(kind, Here{Device: "greenhouse"}, "test-1")
		if !m.Test || m.Event != kind || m.ID != "test-1" || !strings.HasPrefix(m.Message, "a test: greenhouse: ") || seen[m.Message] {
			t.Errorf("%+v", m)
		}
		seen[m.Message] = true
	}
}
