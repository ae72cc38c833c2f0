//go:build linux && amd64

package kill

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unique"

	"ota/test/cycle"
	"ota/test/harness"
)

// state is a folder as a kill left it, and how far its person had come.
type state struct {
	name   string // of the call before which it was left
	key    string
	dir    string
	stage  cycle.Stage
	tree   harness.Tree
	traces map[string]string // of what is in deposit/, as ota knows files again
}

// capture reads the folder. The person, who goes on meanwhile, is asked before
// and after that.
func (s *scene) capture(name string) state {
	s.t.Helper()
	stage := s.Stage()
	tree, traces := s.memo.read(s.t, s.Device.Dir)
	for now := s.Stage(); now != stage; now = s.Stage() {
		stage = now
		tree, traces = s.memo.read(s.t, s.Device.Dir)
	}
	return state{name, keyOf(tree, traces, s.Device.Dir), s.Device.Dir, stage, tree, traces}
}

// restored is a scene in a folder like the one that was left.
func restored(t testing.TB, from state) *scene {
	t.Helper()
	s := &scene{Scene: cycle.At(t, harness.FastDir(t), from.stage), t: t, memo: memo{}}
	own, others := harness.Tree{}, harness.Tree{}
	for path, entry := range from.tree {
		if isRecord(path) {
			own[path] = entry
		} else {
			others[path] = entry
		}
	}
	others.Write(t, s.Device.Dir)
	_, traces := s.memo.read(t, s.Device.Dir)
	for path, entry := range own {
		entry.Content = strings.ReplaceAll(entry.Content, from.dir, s.Device.Dir)
		for name, trace := range from.traces {
			entry.Content = strings.ReplaceAll(entry.Content, `"`+trace+`"`, `"`+traces[name]+`"`)
		}
		own[path] = entry
	}
	own.Write(t, s.Device.Dir)
	return s
}

// isRecord reports whether a path is one of ota's own records, in which names of
// folders and traces of files are.
func isRecord(path string) bool {
	return strings.HasPrefix(path, ".ota/") && !strings.HasPrefix(path, ".ota/store/") && strings.Contains(filepath.Base(path), ".json")
}

// memo knows large files of a folder again. What is small is read each time, as
// the clock of a file system is too coarse to show that it was overwritten.
type memo map[memoKey]unique.Handle[string]

type memoKey struct {
	inode uint64
	size  int64
	ctime syscall.Timespec
}

const large = 16 << 10

// read returns what is in a folder, and the traces of what is in its deposit/.
// What vanishes while it reads is left out.
func (m memo) read(t testing.TB, dir string) (harness.Tree, map[string]string) {
	t.Helper()
	tree, traces := harness.Tree{}, map[string]string{}
	err := filepath.WalkDir(dir, func(path string, found fs.DirEntry, err error) error {
		if path == dir || err != nil {
			return ignoreGone(err)
		}
		info, err := found.Info()
		if err != nil {
			return ignoreGone(err)
		}
		short := path[len(dir)+1:]
		entry := harness.Entry{Mode: info.Mode()}
		switch {
		case info.Mode().IsRegular():
			entry.ModTime = info.ModTime()
			entry.Content, err = m.content(path, info)
		case info.Mode().Type() == fs.ModeSymlink:
			entry.Content, err = os.Readlink(path)
		}
		if err != nil {
			return ignoreGone(err)
		}
		tree[short] = entry
		if strings.HasPrefix(short, "deposit/") {
			traces[short] = traceOf(info)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree, traces
}

func (m memo) content(path string, info fs.FileInfo) (string, error) {
	stat := info.Sys().(*syscall.Stat_t)
	key := memoKey{stat.Ino, stat.Size, stat.Ctim}
	if known, there := m[key]; there {
		return known.Value(), nil
	}
	content, err := os.ReadFile(path)
	handle := unique.Make(string(content))
	if err == nil && stat.Size >= large {
		m[key] = handle
	}
	return handle.Value(), err
}

func ignoreGone(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

// traceOf is by what ota knows a file again that it has put back: the same
// numbers, in the same order.
func traceOf(info fs.FileInfo) string {
	stat := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%d.%d.%d.%d", stat.Ino, stat.Ctim.Nano(), stat.Size, stat.Mtim.Nano())
}

// What differs from run to run and means nothing: log files, the time of day,
// process ids, numbers that make names of folders unique.
var (
	ignored  = regexp.MustCompile(`^(logs/.*|starts|\.ota/(lock|child\.json))$`)
	moments  = regexp.MustCompile(`\d{4}-\d\d-\d\dT[^"]*|"ready_after": *"[^"]*"|pid=\d+`)
	staleOne = regexp.MustCompile(`"\d+\.\d+\.\d+\.\d+"`)
	numbers  = regexp.MustCompile(`^(\.ota/incoming/[a-z]+-)\d+`)
)

// keyOf is the same for two folders from which ota recovers in the same way.
func keyOf(tree harness.Tree, traces map[string]string, dir string) string {
	sum := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(tree)) {
		if ignored.MatchString(path) {
			continue
		}
		entry := tree[path]
		content := entry.Content
		if isRecord(path) {
			content = strings.ReplaceAll(moments.ReplaceAllString(content, ""), dir, "")
			for name, trace := range traces {
				content = strings.ReplaceAll(content, `"`+trace+`"`, name)
			}
			content = staleOne.ReplaceAllString(content, "")
		}
		path = numbers.ReplaceAllString(path, "$1")
		isDated := entry.ModTime.Equal(cycle.Past)
		fmt.Fprintf(sum, "%q %v %t %d\n", path, entry.Mode, isDated, len(content))
		sum.Write([]byte(content))
	}
	return hex.EncodeToString(sum.Sum(nil))
}
