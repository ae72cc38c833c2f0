//go:build !darwin && !windows

package cli

// opener opens what follows it.
var opener = []string{"xdg-open"}
