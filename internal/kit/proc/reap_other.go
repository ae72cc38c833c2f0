//go:build !linux

package proc

// Offspring says whether this process has children.
type Offspring string

const (
	None    Offspring = "none"    // not one, known or not, alive or zombie
	Some    Offspring = "some"    // at least one
	Unknown Offspring = "unknown" // the system does not tell
)

// Adopt is false: only Linux gives orphans to another process than init.
func Adopt() bool { return false }

// Strangers is not told here.
func Strangers() Offspring { return Unknown }

// Reap has nothing to do where orphans are never given to us.
func Reap() Offspring { return Unknown }
