package agent

import (
	"fmt"
	"os"
	"strings"
)

// outdated is the path of the file that a process runs from, if that was removed
// and another one has its name; else, or if it can't be told, it is empty.
func outdated(pid int) string {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	path, isGone := strings.CutSuffix(path, " (deleted)")
	if err != nil || !isGone {
		return ""
	}
	if _, err := os.Stat(path); err != nil {
		return "" // there is nothing to go on with
	}
	return path
}
