//go:build linux

package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"ota/shipped"
)

//go:embed oldway.py
var oldwayText string

// tools is where everything that the subjects need lies.
type tools struct {
	dir       string // of this run
	self      string
	ota       string
	armBinary int64 // bytes of ota for armv6, 0 if it was not built
	python    string
	oldway    string
}

// newTools says where they will lie, and nothing is there yet.
func newTools(dir, python string) (*tools, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot find the bench itself: %w", err)
	}
	return &tools{
		dir: dir, self: self, python: python,
		ota: filepath.Join(dir, "ota"), oldway: filepath.Join(dir, "oldway.py"),
	}, nil
}

// prepare builds and fetches what the subjects need.
func (t *tools) prepare(ctx context.Context, wanted []subject, prebuilt string) error {
	if err := os.WriteFile(t.oldway, []byte(oldwayText), 0o644); err != nil {
		return err
	}
	if err := t.findOta(ctx, prebuilt); err != nil {
		return err
	}
	t.fetch(ctx, wanted)
	return ctx.Err()
}

// findOta builds it twice: for this machine, and for the smallest device.
func (t *tools) findOta(ctx context.Context, prebuilt string) error {
	if prebuilt != "" {
		path, err := exec.LookPath(prebuilt)
		if err != nil {
			return fmt.Errorf("cannot measure %s: %w", prebuilt, err)
		}
		if path, err = filepath.Abs(path); err != nil {
			return err
		}
		return os.Symlink(path, t.ota)
	}
	progress("building ota")
	if err := build(ctx, t.ota); err != nil {
		return err
	}
	arm := filepath.Join(t.dir, "ota-armv6")
	if err := build(ctx, arm, "GOOS=linux", "GOARCH=arm", "GOARM=6"); err != nil {
		return err
	}
	info, err := os.Stat(arm)
	if err != nil {
		return err
	}
	t.armBinary = info.Size()
	return nil
}

func build(ctx context.Context, path string, env ...string) error {
	arguments := append([]string{"build"}, shipped.Flags()...)
	command := exec.CommandContext(ctx, "go", append(arguments, "-o", path, "ota/cmd/ota")...)
	command.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build ota: %w\n%s", err, output)
	}
	return nil
}

// fetch gets what npm has, each time anew. A machine without npm or without a
// network measures the rest; the page says what is missing.
func (t *tools) fetch(ctx context.Context, wanted []subject) {
	var packages []string
	for _, one := range wanted {
		if one.packed != "" {
			packages = append(packages, one.packed)
		}
	}
	if len(packages) == 0 {
		return
	}
	progress("fetching %s", strings.Join(packages, " and "))
	arguments := append([]string{"install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", t.npmDir()}, packages...)
	if output, err := exec.CommandContext(ctx, "npm", arguments...).CombinedOutput(); err != nil {
		progress("npm failed: %s\n%s", err, output)
	}
}

func (t *tools) npmDir() string { return filepath.Join(t.dir, "npm") }

// npm is the path of a command that was fetched.
func (t *tools) npm(name string) string {
	return filepath.Join(t.npmDir(), "node_modules", ".bin", name)
}

// versions lists what was measured, for the page.
func (t *tools) versions(chosen []subject) []string {
	all := []string{versionOf("Python", []string{t.python, "--version"})}
	for _, one := range chosen {
		switch {
		case one.packed != "":
			name, version, _ := strings.Cut(one.packed, "@")
			all = append(all, name+" "+version)
		case one.version != nil:
			all = append(all, versionOf(one.name, one.version))
		}
	}
	return append(all, "Go "+strings.TrimPrefix(runtime.Version(), "go"))
}

// versionOf asks a program for its version. entr tells it only with how it is
// used, and then fails.
func versionOf(name string, argv []string) string {
	output, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		return name
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(output)), "\n")
	for _, word := range strings.Fields(line) {
		word = strings.TrimPrefix(word, "v")
		if word != "" && word[0] >= '0' && word[0] <= '9' {
			return name + " " + word
		}
	}
	return name + " " + line
}
