//go:build linux

package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// kind is how far apart two releases are.
type kind string

const (
	commit kind = "commit"
	patch  kind = "patch release"
	minor  kind = "minor release"
	binary kind = "binary"
)

// pair is two releases of one program, one after the other.
type pair struct {
	project  string
	kind     kind
	from, to string
	repo     string // git directory; none for binaries
	old, new string // the files of binaries
}

// project is a program that people run on Pis.
type project struct {
	name, url string
}

var projects = []project{
	{"OctoPrint", "https://github.com/OctoPrint/OctoPrint.git"},
	{"moonraker", "https://github.com/Arksine/moonraker.git"},
	{"mopidy", "https://github.com/mopidy/mopidy.git"},
}

// repository is the git directory of a project: one of those that are there, or a
// clone.
func (b *bench) repository(p project) (string, error) {
	if b.repos != "" {
		for _, name := range []string{p.name, p.name + ".git"} {
			path := filepath.Join(b.repos, name)
			if _, err := os.Stat(path); err == nil {
				return filepath.EvalSymlinks(path)
			}
		}
		return "", fmt.Errorf("there is no clone in %s", b.repos)
	}
	path := filepath.Join(b.folder, p.name+".git")
	_, err := b.command("", "git", "clone", "--quiet", "--bare", p.url, path)
	return path, err
}

func (b *bench) projectPairs(p project, repo string) []pair {
	var all []pair
	for _, step := range []struct {
		kind  kind
		pairs [][2]string
		most  int
	}{
		{commit, b.commits(repo), b.size.commits},
		{patch, b.tags(repo, patch), b.size.patches},
		{minor, b.tags(repo, minor), b.size.minors},
	} {
		if len(step.pairs) < step.most {
			b.missing = append(b.missing, fmt.Sprintf("%s has %d pairs for %q, not %d", p.name, len(step.pairs), step.kind, step.most))
		}
		for _, ends := range spread(step.pairs, step.most) {
			all = append(all, pair{project: p.name, kind: step.kind, from: ends[0], to: ends[1], repo: repo})
		}
	}
	return all
}

// spread picks most of all, evenly.
func spread[T any](all []T, most int) []T {
	if len(all) <= most {
		return all
	}
	var some []T
	for i := range most {
		some = append(some, all[(2*i+1)*len(all)/(2*most)])
	}
	return some
}

// commits are pairs of a commit and the one before it, newest first, of the last
// 600 that change a file.
func (b *bench) commits(repo string) [][2]string {
	out, err := b.command(repo, "git", "log", "--no-merges", "--first-parent", "-600", "--format=%h %p")
	if err != nil {
		return nil
	}
	var pairs [][2]string
	for line := range strings.Lines(out) {
		if ends := strings.Fields(line); len(ends) == 2 {
			pairs = append(pairs, [2]string{ends[1], ends[0]})
		}
	}
	return pairs
}

var releaseTag = regexp.MustCompile(`^v?(\d+)\.(\d+)\.(\d+)$`)

// tags are pairs of releases: those that differ in the last number by one, or the
// first ones of minor versions that follow each other.
func (b *bench) tags(repo string, kind kind) [][2]string {
	out, err := b.command(repo, "git", "tag")
	if err != nil {
		return nil
	}
	type release struct {
		tag     string
		numbers [3]int
	}
	var all []release
	for line := range strings.Lines(out) {
		tag := strings.TrimSpace(line)
		if parts := releaseTag.FindStringSubmatch(tag); parts != nil {
			one := release{tag: tag}
			for i := range one.numbers {
				one.numbers[i], _ = strconv.Atoi(parts[i+1])
			}
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b release) int { return slices.Compare(a.numbers[:], b.numbers[:]) })
	if kind == minor {
		all = slices.DeleteFunc(all, func(one release) bool { return one.numbers[2] != 0 })
	}
	var pairs [][2]string
	for i := 1; i < len(all); i++ {
		same := all[i].numbers[0] == all[i-1].numbers[0]
		if kind == patch {
			same = same && all[i].numbers[1] == all[i-1].numbers[1]
		}
		if same {
			pairs = append(pairs, [2]string{all[i-1].tag, all[i].tag})
		}
	}
	slices.Reverse(pairs)
	return pairs
}

// binaryStep is how many commits, or merges of several, lie between two builds.
const binaryStep = 12

// mostFailed is how many commits that do not build are passed over.
const mostFailed = 5

// binaryPairs are builds of ota for a Pi from commits of this tree's own history,
// each with the one before it.
func (b *bench) binaryPairs() ([]pair, error) {
	top, err := b.command("", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, errors.New("this tree has no history here")
	}
	top = strings.TrimSpace(top)
	var built [][2]string // commit, file
	failed := 0
	for back := 0; len(built) <= b.size.binaries; back++ {
		rev, err := b.command(top, "git", "rev-parse", "--short", fmt.Sprintf("HEAD~%d", back))
		if err != nil {
			return nil, err
		}
		rev = strings.TrimSpace(rev)
		source, file := filepath.Join(b.folder, "source"), filepath.Join(b.folder, "ota-"+rev)
		if err := b.extract(top, rev, source); err != nil {
			return nil, err
		}
		if _, err := b.command(source, "env", "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm", "GOARM=6",
			"go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", file, "./cmd/ota"); err != nil {
			// Not every commit of a history builds: the one before it may.
			if failed++; failed > mostFailed {
				return nil, err
			}
			continue
		}
		built = append(built, [2]string{rev, file})
		back += binaryStep - 1
	}
	var pairs []pair
	for i := 1; i < len(built); i++ {
		from, to := built[i], built[i-1]
		pairs = append(pairs, pair{project: "ota for a Pi", kind: binary, from: from[0], to: to[0], old: from[1], new: to[1]})
	}
	return pairs, nil
}

// extract lays out a commit's tree at path.
func (b *bench) extract(repo, rev, path string) error {
	if err := errors.Join(os.RemoveAll(path), os.MkdirAll(path, 0o755)); err != nil {
		return err
	}
	_, err := b.command(repo, "sh", "-c", `git archive "$1" | tar -x -C "$2"`, "sh", rev, path)
	return err
}

// lay lays out both releases. What is the same in both has the same time: so it is
// in a working tree, and rsync need not look into it.
func (b *bench) lay(p pair) (old, new string, err error) {
	old, new = filepath.Join(b.folder, "old"), filepath.Join(b.folder, "new")
	if p.repo == "" {
		for from, to := range map[string]string{p.old: old, p.new: new} {
			if err := errors.Join(os.RemoveAll(to), os.MkdirAll(to, 0o755)); err != nil {
				return "", "", err
			}
			data, err := os.ReadFile(from)
			if err := errors.Join(err, os.WriteFile(filepath.Join(to, "ota"), data, 0o755)); err != nil {
				return "", "", err
			}
		}
		return old, new, nil
	}
	if err := errors.Join(b.extract(p.repo, p.from, old), b.extract(p.repo, p.to, new)); err != nil {
		return "", "", err
	}
	return old, new, filepath.WalkDir(new, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		below, _ := filepath.Rel(new, path)
		before, err := os.Stat(filepath.Join(old, below))
		if err != nil {
			return nil
		}
		was, err1 := os.ReadFile(filepath.Join(old, below))
		is, err2 := os.ReadFile(path)
		if err := cmp.Or(err1, err2); err != nil || !bytes.Equal(was, is) {
			return err
		}
		return os.Chtimes(path, before.ModTime(), before.ModTime())
	})
}
