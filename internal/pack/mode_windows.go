package pack

import "io/fs"

// modeOn is what a file has on a device: Windows knows no permission to run.
func modeOn(fs.FileInfo) fs.FileMode { return 0o644 }
