//go:build !linux

package device

import (
	"os"
	"time"
)

// tree is nothing here: what devices tell is read on Linux.
type tree string

func (tree) name() string {
	name, _ := os.Hostname()
	return clean(name)
}

func (tree) model() string               { return "" }
func (tree) temperature() *float64       { return nil }
func (tree) throttled() (uint32, bool)   { return 0, false }
func (tree) memory() *Space              { return nil }
func (tree) load() *float64              { return nil }
func (tree) booted(time.Time) *time.Time { return nil }
func (tree) has(string) bool             { return false }
func kernelClock() (bool, bool)          { return false, false }
