package program

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cgroup is a control group (version 2) that holds the tree and nothing else.
// No member can get out of it by itself, and a process started into it is in it
// before its first instruction. A nil *cgroup is one that nobody is in.
type cgroup struct {
	path   string
	dir    *os.File
	kills  int           // how often all members were killed at once
	before time.Duration // of processors, used in it by the programs of an earlier ota
}

var errNoCgroup = errors.New("no control groups of version 2")

// newCgroup makes a group below our own, or takes the one that an earlier ota
// has left.
func newCgroup(mark string) (*cgroup, error) {
	path, err := cgroupPath(mark)
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	before, _ := cgroupCPU(path)
	return &cgroup{path: path, dir: dir, before: before}, nil
}

func cgroupPath(mark string) (string, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	folder, ok := cgroupFolder(mounts, own)
	if !ok {
		return "", errNoCgroup
	}
	if filepath.Base(folder) == ownLeaf {
		folder = filepath.Dir(folder)
	}
	return filepath.Join(folder, cgroupName(mark)), nil
}

// cgroupName is the same at every start, so that a group left behind is found.
func cgroupName(mark string) string {
	sum := sha256.Sum256([]byte(mark))
	return "ota-" + hex.EncodeToString(sum[:8])
}

// cgroupFolder returns where our own group is seen, from the contents of
// /proc/self/mountinfo and /proc/self/cgroup. Hybrid hosts mount version 2
// beside version 1, somewhere of their choice.
func cgroupFolder(mounts, own []byte) (string, bool) {
	group := ""
	for line := range bytes.Lines(own) {
		if path, ok := strings.CutPrefix(strings.TrimSuffix(string(line), "\n"), "0::"); ok {
			group = path
		}
	}
	if !strings.HasPrefix(group, "/") {
		return "", false
	}
	for line := range bytes.Lines(mounts) {
		fields, kind, ok := strings.Cut(string(line), " - ")
		columns := strings.Fields(fields)
		if !ok || !strings.HasPrefix(kind, "cgroup2 ") || len(columns) < 5 {
			continue
		}
		// A container may see only the part below its own group.
		root, mount := unescape(columns[3]), unescape(columns[4])
		below, err := filepath.Rel(root, group)
		if err != nil || below == ".." || strings.HasPrefix(below, "../") || strings.Contains(root, "/..") {
			continue
		}
		return filepath.Join(mount, below), true
	}
	return "", false
}

// unescape undoes \040 and the like of proc_pid_mountinfo(5).
func unescape(field string) string {
	var out strings.Builder
	for i := 0; i < len(field); i++ {
		if field[i] == '\\' && i+3 < len(field) {
			if code, err := strconv.ParseUint(field[i+1:i+4], 8, 8); err == nil {
				out.WriteByte(byte(code))
				i += 3
				continue
			}
		}
		out.WriteByte(field[i])
	}
	return out.String()
}

func (g *cgroup) fd() int { return int(g.dir.Fd()) }

// members returns who is in the group or in one that a member has made below.
func (g *cgroup) members() map[int]struct{} {
	if g == nil {
		return nil
	}
	return cgroupMembers(g.path)
}

func cgroupMembers(path string) map[int]struct{} {
	members := map[int]struct{}{}
	_ = filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return nil // a group that has been removed has no members
		}
		text, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		if err != nil {
			return nil
		}
		for _, field := range bytes.Fields(text) {
			if pid, err := strconv.Atoi(string(field)); err == nil {
				members[pid] = struct{}{}
			}
		}
		return nil
	})
	return members
}

// kill kills all members at once (Linux 5.14; before that they are found one
// by one).
func (g *cgroup) kill() {
	if g != nil {
		g.kills++
		killCgroup(g.path)
	}
}

func killCgroup(path string) {
	file, err := os.OpenFile(filepath.Join(path, "cgroup.kill"), os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer file.Close()
	_, _ = file.WriteString("1") // whoever is left is killed by number
}

func (g *cgroup) remove() error {
	if err := errors.Join(g.dir.Close(), removeCgroup(g.path)); err != nil {
		return fmt.Errorf("cannot remove control group: %w", err)
	}
	return nil
}

// removeCgroup removes a group and those below it, the deepest first.
func removeCgroup(path string) error {
	var folders []string
	_ = filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			folders = append(folders, path)
		}
		return nil
	})
	var failed error
	for i := len(folders) - 1; i >= 0; i-- {
		if err := unix.Rmdir(folders[i]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = &fs.PathError{Op: "rmdir", Path: folders[i], Err: err}
		}
	}
	return failed
}
