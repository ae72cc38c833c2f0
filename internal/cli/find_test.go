//go:build !arm

package cli

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"unicode"

	"ota/internal/kit/mdns"
)

// TestWhatTheNetworkSaysIsHarmless: anybody can call himself anything; nothing of
// it steers a terminal, and nothing that a shell would obey is offered to be typed.
func TestWhatTheNetworkSaysIsHarmless(t *testing.T) {
	device := deviceOf(mdns.Found{
		Instance: "green\x1b[2J\nhouse\u202e",
		Host:     "x;reboot",
		Port:     8484,
		Text:     []string{"release=1\x1b]0;owned\a", "state=\x9b31m", "ota=\"; reboot", "cert=\r"},
	})
	if device.URL != nil {
		t.Errorf("offered: %s", *device.URL)
	}
	var stdout, stderr bytes.Buffer
	a := &app{speaker: newSpeaker(&stdout, &stderr)}
	a.listDevices([]foundDevice{device})
	a.json(foundDevices{Devices: []foundDevice{device}})
	for _, r := range stdout.String() + stderr.String() {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("printed: %q in\n%q", r, stdout.String())
		}
	}
	if !strings.Contains(stdout.String(), `green\x1b[2J\nhouse\u202e`) {
		t.Errorf("printed:\n%s", stdout.String())
	}
}

// TestWhereADeviceIs is what can stand in the line of a browser.
func TestWhereADeviceIs(t *testing.T) {
	for _, test := range []struct {
		host      string
		addresses []string
		want      string
	}{
		{"ota-1a2b3c4d", []string{"192.168.1.20", "2001:db8::1"}, "https://192.168.1.20:8484"},
		{"ota-1a2b3c4d", []string{"2001:db8::1"}, "https://[2001:db8::1]:8484"},
		{"ota-1a2b3c4d", []string{"fe80::1%eth0"}, "https://ota-1a2b3c4d.local:8484"},
		{"ota-1a2b3c4d", nil, "https://ota-1a2b3c4d.local:8484"},
		{"-oProxyCommand", nil, ""},
	} {
		found := mdns.Found{Host: test.host, Port: 8484}
		for _, one := range test.addresses {
			found.Addresses = append(found.Addresses, netip.MustParseAddr(one))
		}
		if got := orNothing(deviceOf(found).URL); got != test.want {
			t.Errorf("%s %v: %q, not %q", test.host, test.addresses, got, test.want)
		}
	}
}
