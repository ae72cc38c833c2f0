// Package shipped says how ota is built for devices, so that what is tested and
// measured is what people get.
//
// In: the file flags, which the Makefile reads too. Out: arguments of "go build".
// Never: a flag that stands anywhere else.
package shipped

import (
	_ "embed" // flags
	"strings"
)

//go:embed flags
var file string

// Flags are the arguments between "go build" and the package, with more build
// tags if there are any. The caller sets CGO_ENABLED=0.
func Flags(tags ...string) []string {
	var flags []string
	for line := range strings.Lines(file) {
		flag := strings.TrimSpace(line)
		if flag == "" || flag[0] == '#' {
			continue
		}
		if strings.HasPrefix(flag, "-tags=") {
			flag = strings.Join(append([]string{flag}, tags...), ",")
		}
		flags = append(flags, flag)
	}
	return flags
}
