//go:build otafault

package handover

import (
	"errors"
	"os"
	"path/filepath"
	"time"
)

// patience is short enough for a test.
func patience() time.Duration { return 3 * time.Second }

// Fault does what the file beside the binary says, as a program may that has
// passed its rehearsal.
func Fault() error {
	own, _ := Own()
	kind, _ := os.ReadFile(faultFile(own))
	switch string(kind) {
	case "error":
		return errors.New("a fault of the test")
	case "panic":
		panic("a fault of the test")
	case "hang":
		select {}
	}
	return nil
}

// faultFile is beside the binary that is replaced, or that is to replace it under
// a temporary name.
func faultFile(own string) string { return filepath.Join(filepath.Dir(own), "ota.fault") }
