// Package amount writes numbers as people read them, the same on the command line
// and on the page.
//
// In: a number. Out: a few words, in English. Never: a time; what is long ago
// depends on who looks.
package amount

import (
	"fmt"
	"strconv"
)

// Count is a number of things: "1 file", "3 files".
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// Size is a number of bytes in the units that disks are sold in: "4.2 kB".
func Size(bytes int64) string {
	if bytes < 1000 {
		return fmt.Sprintf("%d B", bytes)
	}
	value, units := float64(bytes)/1000, []string{"kB", "MB", "GB", "TB"}
	for value >= 999.95 && len(units) > 1 {
		value, units = value/1000, units[1:]
	}
	return fmt.Sprintf("%.1f %s", value, units[0])
}
