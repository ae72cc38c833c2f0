//go:build unix

package python

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lookPath looks a name up in the PATH of env, which need not be our own. A
// relative folder in PATH would mean another place for everyone who asks, and
// is left out.
func lookPath(name string, env []string) (string, bool) {
	for _, folder := range filepath.SplitList(Variable(env, "PATH")) {
		if !filepath.IsAbs(folder) {
			continue
		}
		path := filepath.Join(folder, name)
		info, err := os.Stat(path)
		if err == nil && info.Mode().IsRegular() && unix.Access(path, unix.X_OK) == nil {
			return path, true
		}
	}
	return "", false
}
