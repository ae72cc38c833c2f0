package agent

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ota/internal/logs"
	"ota/internal/update"
)

// TestStateOfAnotherFormat is refused, with both named.
func TestStateOfAnotherFormat(t *testing.T) {
	for _, text := range []string{`{"format":2,"dir":"L3g=","start":"new"}`, `{}`} {
		if _, err := parseState([]byte(text)); err == nil || !strings.Contains(err.Error(), "and this ota knows 1") {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{``, `[]`, `{"format":1,"logs":7}`} {
		if _, err := parseState([]byte(text)); err == nil {
			t.Errorf("%q is a state", text)
		}
	}
}

// TestStateComesAsItWent: any bytes of an environment, the largest number, and a
// word that is new to this ota.
func TestStateComesAsItWent(t *testing.T) {
	went := &handed{
		Format: handedFormat, Dir: []byte("/a\xff"), Start: "abc",
		Launch:    handedLaunch{Env: bytesOf([]string{"A=\xff\xfe", "B="}), After: math.MaxUint64, Stdout: logs.HandedWriter{Partial: []byte("\xe2\x82")}},
		Conductor: update.Handed{State: update.State{Attempt: update.Held, Program: update.Backoff, Standing: update.Settled}},
	}
	text, err := json.Marshal(went)
	if err != nil {
		t.Fatal(err)
	}
	text = append([]byte(`{"unknown":[1,2],`), text[1:]...)
	came, err := parseState(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(went, came); diff != "" {
		t.Errorf("-went +came:\n%s", diff)
	}
}

// FuzzState: whatever it is, it is read or refused.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"format":1,"program":{"run":{"id":{"pid":-1}}},"conductor":{"state":{"Attempt":"x"}}}`))
	f.Add([]byte(`{"format":1,"launch":{"env":["!"]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		state, err := parseState(text)
		if err == nil && state.Format != handedFormat {
			t.Errorf("format %d was taken", state.Format)
		}
	})
}
