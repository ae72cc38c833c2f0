//go:build linux && amd64

package kill

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ota/test/cycle"
	"ota/test/harness"
)

// state is a folder as a kill left it.
type state struct {
	name string // of the call before which it was left
	key  string
	dir  string
	tree harness.Tree
}

func (s *scene) capture(t *testing.T, name string) state {
	t.Helper()
	tree := s.read(t)
	return state{name, s.keyOf(tree), s.Device.Dir, tree}
}

// restored is a scene at the path at which the state was left.
func restored(t *testing.T, from state) *scene {
	t.Helper()
	if err := os.Mkdir(from.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(from.dir) })
	return &scene{cycle.At(t, from.dir)}
}

// restore makes the folder what it was.
func (s *scene) restore(t *testing.T, from state) {
	t.Helper()
	entries, err := os.ReadDir(s.Device.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if err := os.RemoveAll(filepath.Join(s.Device.Dir, entry.Name())); err != nil {
			t.Fatal(err)
		}
	}
	from.tree.Write(t, s.Device.Dir)
}

// key is the same for two folders from which ota recovers in the same way.
func (s *scene) key(t *testing.T) string { return s.keyOf(s.read(t)) }

func (s *scene) read(t *testing.T) harness.Tree {
	t.Helper()
	tree, err := harness.Read(s.Device.Dir)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// What differs from run to run and means nothing: log files, the time of day,
// process ids, numbers that make names of folders unique.
var (
	ignored = regexp.MustCompile(`^(logs/.*|starts|\.ota/(lock|child\.json))$`)
	records = regexp.MustCompile(`^\.ota/[^/]*(/\d+)?\.json(\.new)?$`)
	moments = regexp.MustCompile(`\d{4}-\d\d-\d\dT[^"]*`)
	numbers = regexp.MustCompile(`^(\.ota/incoming/[a-z]+-)\d+`)
)

func (s *scene) keyOf(tree harness.Tree) string {
	var lines []string
	for path, entry := range tree {
		if ignored.MatchString(path) {
			continue
		}
		content := entry.Content
		if records.MatchString(path) {
			content = strings.ReplaceAll(moments.ReplaceAllString(content, ""), s.Device.Dir, "")
		}
		path = numbers.ReplaceAllString(path, "$1")
		isDated := entry.ModTime.Equal(cycle.Past)
		lines = append(lines, fmt.Sprintf("%q %v %t %x\n", path, entry.Mode, isDated, sha256.Sum256([]byte(content))))
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "")))
	return hex.EncodeToString(sum[:])
}
