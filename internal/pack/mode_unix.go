//go:build unix

package pack

import "io/fs"

// modeOn is the permissions of a file.
func modeOn(info fs.FileInfo) fs.FileMode { return info.Mode().Perm() }
