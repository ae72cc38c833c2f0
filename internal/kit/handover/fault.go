//go:build otafault

package handover

import (
	"errors"
	"os"
	"time"
)

// patience is short enough for a test.
func patience() time.Duration { return 3 * time.Second }

// Fault does what the file beside the binary says, as a program may that has
// passed its rehearsal.
func Fault() error {
	own, _ := Own()
	kind, _ := os.ReadFile(own + ".fault")
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
