//go:build linux

package life

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ota/test/harness"
)

// history is a git repository and a folder to check its commits out into. The
// repository itself is only read.
type history struct {
	t        *testing.T
	dir      string // of git
	worktree string
	index    string
}

// openHistory opens a clone that somebody has.
func openHistory(t *testing.T, clone string) *history {
	t.Helper()
	scratch := harness.FastDir(t)
	h := &history{t: t, dir: clone, worktree: filepath.Join(scratch, "checkout"), index: filepath.Join(scratch, "index")}
	if _, err := os.Stat(filepath.Join(clone, ".git")); err == nil {
		h.dir = filepath.Join(clone, ".git")
	}
	if err := os.Mkdir(h.worktree, 0o755); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *history) git(args ...string) string {
	h.t.Helper()
	cmd := exec.CommandContext(h.t.Context(), "git", args...)
	cmd.Dir = h.worktree
	cmd.Env = append(os.Environ(), "GIT_DIR="+h.dir, "GIT_WORK_TREE="+h.worktree, "GIT_INDEX_FILE="+h.index,
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
		"GIT_AUTHOR_NAME=somebody", "GIT_AUTHOR_EMAIL=somebody@localhost", "GIT_COMMITTER_NAME=somebody", "GIT_COMMITTER_EMAIL=somebody@localhost")
	said, err := cmd.Output()
	if err != nil {
		h.t.Fatalf("git %s: %v", strings.Join(args, " "), err)
	}
	return string(said)
}

// last lists the last commits of the main line, oldest first.
func (h *history) last(count int) []string {
	h.t.Helper()
	found := strings.Fields(h.git("rev-list", "--first-parent", fmt.Sprintf("--max-count=%d", count), "HEAD"))
	if len(found) < count {
		h.t.Fatalf("%s has %d commits, %d are to be replayed", h.dir, len(found), count)
	}
	slices.Reverse(found)
	return found
}

// checkOut returns what a commit consists of, without the time at which git
// wrote it.
func (h *history) checkOut(commit string) harness.Tree {
	h.t.Helper()
	h.git("read-tree", "--reset", "-u", commit)
	tree, err := harness.Read(h.worktree)
	if err != nil {
		h.t.Fatal(err)
	}
	for path, entry := range tree {
		tree[path] = harness.Entry{Mode: entry.Mode, Content: entry.Content}
	}
	return tree
}

// changed lists the paths that a commit has added or changed since another.
func (h *history) changed(from, to string) []string {
	h.t.Helper()
	var paths []string
	fields := strings.Split(h.git("diff", "--name-status", "--no-renames", "-z", from, to), "\x00")
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] != "D" {
			paths = append(paths, fields[i+1])
		}
	}
	return paths
}

// generate makes a repository in which every kind of change is done often, by
// chance and each time the same.
func generate(t *testing.T, count int) *history {
	t.Helper()
	dir := harness.FastDir(t)
	h := openHistory(t, filepath.Join(dir, "repository"))
	h.git("init", "-q")
	g := &generator{random: rand.New(rand.NewPCG(1, 4)), tree: harness.Tree{"kept/.gitkeep": harness.File("")}}
	for i := range 40 {
		g.add(i)
	}
	for i := range count {
		for range 1 + g.random.IntN(6) {
			g.change(i)
		}
		g.write(t, h.worktree)
		h.git("add", "-A")
		h.git("commit", "-q", "--allow-empty", "-m", fmt.Sprint("commit ", i))
	}
	return h
}

// generator is a project that changes.
type generator struct {
	random *rand.Rand
	tree   harness.Tree // files and links
	made   int
}

// change does one thing that a commit may do.
func (g *generator) change(commit int) {
	path := g.pick()
	entry := g.tree[path]
	isFile := entry.Mode.IsRegular()
	switch g.random.IntN(10) {
	case 0, 1:
		g.add(commit)
	case 2:
		delete(g.tree, path)
	case 3: // renamed, and changed by chance
		delete(g.tree, path)
		g.tree[g.name()] = entry
	case 4: // another mode
		if isFile {
			entry.Mode ^= 0o111
			g.tree[path] = entry
		}
	case 5: // a file for a link, a link for a file
		if isFile {
			g.tree[path] = harness.Link(filepath.Base(g.pick()))
		} else {
			g.tree[path] = harness.File(fmt.Sprintf("a link before commit %d\n", commit))
		}
	case 6: // to what it was
		if isFile {
			entry.Content = fmt.Sprintf("# %s\n", path)
			g.tree[path] = entry
		}
	case 7: // a folder where a file was
		if commit%10 == 0 {
			delete(g.tree, path)
			g.tree[path+"/inside"] = entry
		}
	default:
		if isFile {
			entry.Content += fmt.Sprintf("commit %d\n", commit)
			g.tree[path] = entry
		}
	}
}

func (g *generator) pick() string {
	var paths []string
	for path := range g.tree {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths[g.random.IntN(len(paths))]
}

// name is one that was never used.
func (g *generator) name() string {
	g.made++
	folders := []string{"", "src/", "src/parts/", "model.v1/deep/er/", "with space/ü/", fmt.Sprintf("new%d/", g.made)}
	ends := []string{".py", "", ".txt", ".bin", ".d"}
	return fmt.Sprintf("%sf%d%s", folders[g.random.IntN(len(folders))], g.made, ends[g.random.IntN(len(ends))])
}

// add adds a text, something binary, something empty or a link.
func (g *generator) add(commit int) {
	path := g.name()
	switch g.random.IntN(6) {
	case 0:
		content := make([]byte, 1+g.random.IntN(100_000))
		for i := range content {
			content[i] = byte(g.random.Uint32())
		}
		content[0] = 0 // no text, whatever it ends with
		g.tree[path] = harness.File(string(content))
	case 1:
		g.tree[path] = harness.File("")
	case 2:
		g.tree[path] = harness.Link(fmt.Sprintf("f%d.py", g.random.IntN(g.made+1)))
	case 3:
		g.tree[path] = harness.Entry{Mode: 0o755, Content: fmt.Sprintf("#!/bin/sh\necho %d\n", commit)}
	default:
		g.tree[path] = harness.File(fmt.Sprintf("# %s\n", path))
	}
}

// write makes the worktree what the project is.
func (g *generator) write(t *testing.T, worktree string) {
	t.Helper()
	err := filepath.WalkDir(worktree, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		return os.Remove(path)
	})
	if err != nil {
		t.Fatal(err)
	}
	g.tree.Write(t, worktree)
}
