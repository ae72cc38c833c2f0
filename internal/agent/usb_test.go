package agent

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ota/internal/admission"
	"ota/internal/parcel"
	"ota/internal/release"
	"ota/internal/sshsig"
)

func packedArchive(t *testing.T, app string, serial int64, content string) (data []byte, manifest release.Sum) {
	t.Helper()
	sum := sha256.Sum256([]byte(content))
	m := parcel.Manifest{Format: 1, Kind: parcel.Whole, App: app, Serial: serial, Files: []parcel.Entry{
		{Path: "main.py", Mode: "0644", Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])},
	}}
	head, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = parcel.WriteArchive(&out, head, nil, func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil })
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), sha256.Sum256(head)
}

// TestTakeFromStick: the newest goes into deposit/, if this device never had it.
func TestTakeFromStick(t *testing.T) {
	place := folder{t.TempDir()}
	releases, _, err := release.Open(place.own())
	if err != nil {
		t.Fatal(err)
	}
	a := &agent{folder: place, releases: releases, log: slog.New(slog.DiscardHandler)}
	a.trust = admission.New(admission.Options{
		Signers: place.signers(), State: place.trust(), App: "garden", Clock: func() (none sshsig.Clock) { return none },
	})
	if _, err := place.make(); err != nil {
		t.Fatal(err)
	}
	stick := t.TempDir()
	put := func(name, app string, serial int64) release.Sum {
		t.Helper()
		data, sum := packedArchive(t, app, serial, name)
		if err := os.WriteFile(filepath.Join(stick, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
		return sum
	}
	taken := func(want ...string) {
		t.Helper()
		a.takeFromStick(t.Context(), stick)
		entries, err := os.ReadDir(place.deposit())
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		var names []string
		for _, entry := range entries {
			names = append(names, entry.Name())
			want, _ := os.ReadFile(filepath.Join(stick, entry.Name()))
			if got, _ := os.ReadFile(filepath.Join(place.deposit(), entry.Name())); !bytes.Equal(got, want) {
				t.Errorf("%s is not what is on the stick", entry.Name())
			}
		}
		if strings.Join(names, " ") != strings.Join(want, " ") {
			t.Errorf("in deposit/: %q, want %q", names, want)
		}
		os.RemoveAll(place.deposit())
	}
	taken()
	put("kitchen.ota", "kitchen", 99)
	if err := os.WriteFile(filepath.Join(stick, "junk.ota"), []byte("junk"), 0o644); err != nil {
		t.Fatal(err)
	}
	taken()
	put("old.ota", "garden", 3)
	sum := put("new.ota", "garden", 5)
	taken("new.ota")
	enter := func(number int, serial int64, sum release.Sum) {
		t.Helper()
		record := release.Record{Number: number, State: release.RolledBack, Packed: &release.Packed{App: "garden", Serial: serial, Manifest: sum}}
		if err := releases.Enter(record, release.Tries{}); err != nil {
			t.Fatal(err)
		}
	}
	enter(1, 3, release.Sum{1})
	taken("new.ota")
	enter(2, 5, sum) // it failed: it is not tried again by itself
	taken()
	put("next.ota", "garden", 6)
	taken("next.ota")
}
