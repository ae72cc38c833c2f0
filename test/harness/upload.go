//go:build linux

package harness

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// hold is the file that holds an upload back while it is there.
const hold = ".hold"

// HoldBack makes ota wait with what is put into deposit/, until LetGo.
func (d *Device) HoldBack() {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.Deposit(), hold), nil, 0o644); err != nil {
		d.t.Fatal(err)
	}
}

// LetGo completes the upload in deposit/, if it is held back.
func (d *Device) LetGo() {
	d.t.Helper()
	if err := os.Remove(filepath.Join(d.Deposit(), hold)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.t.Error(err)
	}
}

// IsHeldBack reports whether the upload in deposit/ is held back.
func (d *Device) IsHeldBack() bool {
	_, err := os.Lstat(filepath.Join(d.Deposit(), hold))
	return err == nil
}

// Keeps reports whether the bytes of an uploaded file are kept: in deposit/ or
// main/, at its path, among what was discarded, or in the store.
func (d *Device) Keeps(path, content string) bool {
	sum := sha256.Sum256([]byte(content))
	name := hex.EncodeToString(sum[:])
	places := []string{
		filepath.Join(d.Deposit(), path),
		filepath.Join(d.Dir, ".ota", "store", name[:2], name),
		filepath.Join(d.Main(), path),
	}
	discarded, _ := filepath.Glob(filepath.Join(d.Dir, ".ota", "discarded", "*"))
	for _, folder := range discarded {
		places = append(places, filepath.Join(folder, path))
	}
	return slices.ContainsFunc(places, func(place string) bool {
		found, err := os.ReadFile(place)
		return err == nil && string(found) == content
	})
}

// starts is the file into which a program writes what it found at its starts.
const starts = "starts"

// Starts is what a program wrote into $OTA_DIR/starts, in which a program of
// these tests says what it found.
func (d *Device) Starts() string {
	found, _ := os.ReadFile(filepath.Join(d.Dir, starts))
	return strings.TrimSpace(string(found))
}

// ForgetStarts removes what Starts returns.
func (d *Device) ForgetStarts() {
	d.t.Helper()
	if err := os.Remove(filepath.Join(d.Dir, starts)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.t.Fatal(err)
	}
}
