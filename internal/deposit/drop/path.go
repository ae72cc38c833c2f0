package drop

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"ota/internal/deposit"
	"ota/internal/kit/escape"
)

// Limits of a path.
const (
	longestPath = 4096
	longestName = 255
	deepestPath = 64
)

// checkPath refuses a path that is not plainly one below deposit/.
func checkPath(path string) error {
	shown := escape.Name(path[:min(len(path), longestName)])
	switch {
	case path == "":
		return refuse("a file needs a name")
	case len(path) > longestPath:
		return refuse("the path %s… is longer than %d bytes", shown, longestPath)
	case !utf8.ValidString(path):
		return refuse("the path %s is not UTF-8", shown)
	case strings.HasPrefix(path, "/"):
		return refuse("the path %s does not begin below deposit/", shown)
	case strings.ContainsRune(path, '\\'):
		return refuse("the path %s has a backslash: folders are separated by /", shown)
	case strings.ContainsFunc(path, unicode.IsControl):
		return refuse("the path %s has a control character", shown)
	}
	names := strings.Split(path, "/")
	if len(names) > deepestPath {
		return refuse("the path %s is deeper than %d folders", shown, deepestPath)
	}
	if names[0] == deposit.HoldName {
		return refuse("%s holds uploads up and can't be one", deposit.HoldName)
	}
	for _, name := range names {
		switch {
		case name == "" || name == "." || name == "..":
			return refuse("the path %s has an element %q", shown, name)
		case len(name) > longestName:
			return refuse("the path %s has a name of more than %d bytes", shown, longestName)
		}
	}
	return nil
}
