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
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
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
	{"esphome", "https://github.com/esphome/esphome.git"},
	{"klipper", "https://github.com/Klipper3d/klipper.git"},
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
			b.missing = append(b.missing, fmt.Sprintf("%s has only so many pairs for %q: %d of %d", p.name, step.kind, len(step.pairs), step.most))
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

// binarySteps are how many commits back, along the first parents, builds of ota are
// made from: the last one with what was built just before and a while before.
var binarySteps = []int{0, 1, 12, 24}

// mostFailed is how many commits that do not build, or build what was built before,
// are passed over.
const mostFailed = 12

// build is a program of one version.
type build struct{ version, file string }

// binaryPairs are two versions each of programs, as they are built for a Pi or
// packed by Debian.
func (b *bench) binaryPairs() []pair {
	var pairs []pair
	add := func(what string, builds []build, err error) {
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
			b.missing = append(b.missing, what+": it could not be had here")
			return
		}
		for i := 1; i < len(builds); i++ {
			from, to := builds[i], builds[i-1]
			pairs = append(pairs, pair{project: what, kind: binary, from: from.version, to: to.version, old: from.file, new: to.file})
		}
	}
	own, err := b.ownBuilds()
	add("ota for a Pi", own, err)
	if len(own) < len(binarySteps) && !b.size.quick {
		b.missing = append(b.missing, "older builds of ota: too many commits do not build")
	}
	if b.size.quick {
		return pairs
	}
	for _, program := range goPrograms {
		builds, err := b.goBuilds(program)
		add(program.name+" for a Pi", builds, err)
	}
	for _, library := range debianFiles {
		builds, err := b.debianBuilds(library)
		add(library.name+", Debian, "+runtime.GOARCH, builds, err)
	}
	return pairs
}

// forPi is the environment in which Go builds for the smallest Pi.
var forPi = []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm", "GOARM=6"}

// ownBuilds are builds of ota from commits of this tree's own history, newest first.
func (b *bench) ownBuilds() (builds []build, err error) {
	top, err := b.command("", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, errors.New("this tree has no history here")
	}
	top = strings.TrimSpace(top)
	steps := binarySteps
	if b.size.quick {
		steps = steps[:2]
	}
	back, failed := 0, 0
	for _, step := range steps {
		for back = max(back, step); ; back++ {
			one, err := b.ownBuild(top, back)
			if err == nil && !(len(builds) > 0 && sameContent(builds[len(builds)-1].file, one.file)) {
				builds = append(builds, one)
				back++
				break
			}
			if failed++; failed > mostFailed {
				return builds, err
			}
		}
	}
	return builds, nil
}

func sameContent(a, b string) bool {
	x, err1 := os.ReadFile(a)
	y, err2 := os.ReadFile(b)
	return cmp.Or(err1, err2) == nil && bytes.Equal(x, y)
}

// ownBuild is ota as it is shipped, from the commit so far back.
func (b *bench) ownBuild(top string, back int) (build, error) {
	rev, err := b.command(top, "git", "rev-parse", "--short", fmt.Sprintf("HEAD~%d", back))
	if err != nil {
		return build{}, err
	}
	rev = strings.TrimSpace(rev)
	source, file := filepath.Join(b.folder, "source"), filepath.Join(b.folder, "ota-"+rev)
	if err := b.extract(top, rev, source); err != nil {
		return build{}, err
	}
	args := []string{"--chdir=" + source}
	args = append(append(args, forPi...), "go", "build", "-buildvcs=false", "-o", file)
	flags, err := os.ReadFile(filepath.Join(source, "shipped", "flags"))
	if err != nil {
		flags = []byte("-trimpath\n-ldflags=-s\n") // before there was that file
	}
	for line := range strings.Lines(string(flags)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			args = append(args, line)
		}
	}
	_, err = b.command("", "env", append(args, "./cmd/ota")...)
	return build{rev, file}, err
}

// goPrograms are programs of which Go builds any version for a Pi.
var goPrograms = []struct {
	name, path string
	versions   []string // newest first
}{
	{"age", "filippo.io/age/cmd/age", []string{"v1.2.1", "v1.2.0"}},
	{"fzf", "github.com/junegunn/fzf", []string{"v0.54.3", "v0.54.2"}},
}

func (b *bench) goBuilds(program struct {
	name, path string
	versions   []string
}) (builds []build, err error) {
	cache, err := b.command("", "go", "env", "GOMODCACHE")
	if err != nil {
		return nil, err
	}
	for _, version := range program.versions {
		path := filepath.Join(b.folder, "go-"+version)
		args := append(slices.Clone(forPi), "GOPATH="+path, "GOMODCACHE="+strings.TrimSpace(cache), "GOFLAGS=-trimpath",
			"go", "install", "-ldflags=-s -w", program.path+"@"+version)
		if _, err := b.command(b.folder, "env", args...); err != nil {
			return nil, err
		}
		builds = append(builds, build{version, filepath.Join(path, "bin", "linux_arm", program.name)})
	}
	return builds, nil
}

// debianFiles are programs and libraries in Debian's packages. The first file that
// fits the pattern is taken.
var debianFiles = []struct{ name, pattern string }{
	{"libssl3", "usr/lib/*/libcrypto.so.3"},
	{"python3.11-minimal", "usr/bin/python3.11"},
}

// debianBuilds are the two newest versions that apt offers.
func (b *bench) debianBuilds(library struct{ name, pattern string }) (builds []build, err error) {
	out, err := b.command("", "apt-cache", "madison", library.name)
	if err != nil {
		return nil, err
	}
	var versions []string
	for line := range strings.Lines(out) {
		if parts := strings.Split(line, "|"); len(parts) > 2 && !strings.Contains(parts[2], "Sources") {
			versions = append(versions, strings.TrimSpace(parts[1]))
		}
	}
	if versions = slices.Compact(versions); len(versions) < 2 {
		return nil, errors.New("apt does not offer two versions")
	}
	for _, version := range versions[:2] {
		path, err := os.MkdirTemp(b.folder, "debian-")
		if err != nil {
			return nil, err
		}
		if _, err := b.command(path, "sh", "-c", `apt-get download -qq -o APT::Sandbox::User=root "$1" && dpkg -x *.deb .`, "sh", library.name+"="+version); err != nil {
			return nil, err
		}
		files, err := filepath.Glob(filepath.Join(path, library.pattern))
		if err != nil || len(files) == 0 {
			return nil, errors.Join(fmt.Errorf("there is no %s in it", library.pattern), err)
		}
		builds = append(builds, build{version, files[0]})
	}
	return builds, nil
}

// extract lays out a commit's tree at path.
func (b *bench) extract(repo, rev, path string) error {
	if err := errors.Join(os.RemoveAll(path), os.MkdirAll(path, 0o755)); err != nil {
		return err
	}
	_, err := b.command(repo, "sh", "-c", `git archive "$1" | tar -x -C "$2"`, "sh", rev, path)
	return err
}

// layFile lays out a release that is one file.
func layFile(from, to string, written time.Time) error {
	if err := errors.Join(os.RemoveAll(to), os.MkdirAll(to, 0o755)); err != nil {
		return err
	}
	data, err := os.ReadFile(from)
	path := filepath.Join(to, "program")
	return errors.Join(err, os.WriteFile(path, data, 0o755), os.Chtimes(path, written, written))
}

// lay lays out both releases. What is the same in both has the same time: so it is
// in a working tree, and rsync need not look into it. What is not has another one,
// else rsync takes files of the same size for one, as git gives commits of the same
// second the same time.
func (b *bench) lay(p pair) (old, new string, err error) {
	old, new = filepath.Join(b.folder, "old"), filepath.Join(b.folder, "new")
	now := time.Now()
	if p.repo == "" {
		return old, new, errors.Join(layFile(p.old, old, now.Add(-time.Hour)), layFile(p.new, new, now))
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
		if err := cmp.Or(err1, err2); err != nil {
			return err
		}
		written := before.ModTime()
		if !bytes.Equal(was, is) {
			written = now
		}
		return os.Chtimes(path, written, written)
	})
}
