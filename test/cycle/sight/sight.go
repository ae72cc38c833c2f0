// Package sight puts into words what the program of the cycle finds in main/,
// and what it should find.
//
// In: what stands at a path. Out: a word that differs where that differs.
// Never: a time of a file, as no program looks at it.
package sight

import (
	"fmt"
	"hash/crc32"
	"io/fs"
	"strings"
)

// Word is what stands at a path. The content is that of a file, or a link's
// target.
func Word(path string, mode fs.FileMode, content string) string {
	path = strings.ReplaceAll(path, " ", "_")
	switch {
	case mode.IsDir():
		return path + "/"
	case mode.Type() == fs.ModeSymlink:
		return path + "->" + content
	default:
		first, _, _ := strings.Cut(content, "\n")
		first = strings.ReplaceAll(first[:min(len(first), 10)], " ", "_")
		return fmt.Sprintf("%s:%o:%s:%08x", path, mode.Perm(), first, crc32.ChecksumIEEE([]byte(content)))
	}
}
