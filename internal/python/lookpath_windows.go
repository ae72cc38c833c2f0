package python

import (
	"os/exec"
	"path/filepath"
)

// lookPath looks a name up in our own PATH, with the endings of PATHEXT.
func lookPath(name string, _ []string) (string, bool) {
	path, err := exec.LookPath(name)
	return path, err == nil && filepath.IsAbs(path)
}
