package inspect

import (
	_ "embed"
	"slices"
	"strings"
	"sync"

	"ota/internal/kit/packed"
	"ota/internal/kit/pattern"
)

// packageList is packages.txt, compressed. A test writes it, with -update.
//
//go:embed packages.txt.gz
var packageList []byte

// packages are the distributions by what is imported.
var packages = sync.OnceValue(func() map[string]string {
	known := map[string]string{}
	for line := range strings.Lines(string(packed.Open(packageList))) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		known[fields[0]] = fields[len(fields)-1]
	}
	return known
})

// packageOf returns the distribution that brings a module, if it is a known
// one: by the longest part of its name that is in the list, and by the rule
// that all libraries of CircuitPython keep.
func packageOf(module string) (string, bool) {
	for name := module; name != ""; {
		if found, ok := packages()[name]; ok {
			return found, true
		}
		name = name[:max(0, strings.LastIndexByte(name, '.'))]
	}
	top, _, _ := strings.Cut(module, ".")
	if rest, ok := strings.CutPrefix(top, "adafruit_"); ok && rest != "" {
		return "adafruit-circuitpython-" + normalize(rest), true
	}
	return "", false
}

// namesOne says whether one of the normalized names of distributions is that
// of the module or of the package that brings it.
func namesOne(required []string, module, distribution string) bool {
	top, _, _ := strings.Cut(module, ".")
	return slices.ContainsFunc(required, func(name string) bool {
		name = normalize(name)
		return name == normalize(top) || name == normalize(module) || distribution != "" && name == normalize(distribution)
	})
}

var separators = pattern.New(`[-_.]+`)

// normalize writes a distribution's name as PEP 503 does.
func normalize(name string) string {
	return strings.ToLower(separators.ReplaceAllString(name, "-"))
}
