package agent

import (
	"log/slog"
	"os"
	"strings"
	"testing"

	"ota/internal/config"
	"ota/internal/release"
	"ota/internal/sshsig"
)

// TestTrustCatchesUp: after a power cut between the confirmation of a release and
// what follows from it, the next start makes up for that; for a release on trial,
// and for one that nobody has signed, there is nothing to make up for.
func TestTrustCatchesUp(t *testing.T) {
	for name, test := range map[string]struct {
		state  release.State
		signed []string
		want   bool
	}{
		"confirmed": {release.Confirmed, []string{"anna"}, true},
		"on trial":  {release.Trial, []string{"anna"}, false},
		"unsigned":  {release.Confirmed, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			place := folder{t.TempDir()}
			releases, _, err := release.Open(place.own())
			if err != nil {
				t.Fatal(err)
			}
			const line = "anna ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDEyquwtfa3sY4u89wbkgcT4CYMWT6wZwFwhnFPYb0Tk\n"
			record := release.Record{Number: 1, State: test.state, Packed: &release.Packed{App: "garden", Serial: 7, SignedBy: test.signed}}
			if err := releases.Enter(record, release.Tries{}); err != nil {
				t.Fatal(err)
			}
			a := &agent{folder: place, releases: releases, log: slog.New(slog.DiscardHandler)}
			a.trust = trustOf(place, config.Machine{}, releases, func() (none sshsig.Clock) { return none })
			if err := os.WriteFile(place.signers(), []byte("broken\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := a.confirmed(record); err != nil {
				t.Errorf("a list that somebody broke keeps a release from being confirmed: %v", err)
			}
			if err := os.WriteFile(place.signers(), []byte(line), 0o644); err != nil {
				t.Fatal(err)
			}
			a.catchUp()
			data, err := os.ReadFile(place.trust())
			if got := err == nil && strings.Contains(string(data), `"highest": 7`); got != test.want {
				t.Errorf("%s, %v", data, err)
			}
		})
	}
}
