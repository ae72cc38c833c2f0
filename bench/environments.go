//go:build linux

package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	wheelName    = "bench_small"
	wheelModules = 20
	wheelFolder  = "wheels" // below main/, says ota
)

// environments is what environments with one small package take.
type environments struct {
	own, byHand           []float64 // ms
	ownFiles, byHandFiles taken
}

// measureEnvironments makes environments with ota and by hand, in turn.
func (b *bench) measureEnvironments(ctx context.Context) error {
	b.costs.noEnvironment = b.canMakeEnvironments(ctx)
	if b.costs.noEnvironment != "" {
		return nil
	}
	progress("environments")
	with := makeup{
		imports:  "import " + wheelName + "\n",
		settings: startSettings + "\n[python]\noffline = true\n",
		brings: func(version int) []file {
			return append(wheelOf(version), file{"requirements.txt", fmt.Sprintf("%s==1.%d\n", wheelName, version)})
		},
	}
	size := b.size
	size.tree, size.parts, size.folder = 0, 0, 1
	return b.withMadeUp(ctx, subjectCalled(b.tools, heldName), modeClock, size, with, func(r *rig) error {
		for range b.size.environments {
			if err := b.environmentByHand(ctx, r.version+1); err != nil {
				return err
			}
			if err := r.settle(ctx); err != nil {
				return err
			}
			if err := b.ownEnvironment(ctx, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// canMakeEnvironments says why nothing can be compared; "" if it can.
func (b *bench) canMakeEnvironments(ctx context.Context) string {
	for _, module := range []string{"venv", "ensurepip", "pip"} {
		if ctx.Err() == nil && !hasModule(b.tools.python, module) {
			return "this Python has no " + module
		}
	}
	return ""
}

// ownEnvironment times an upload that needs a new environment, until all is
// ready for the switch, and looks at what was made.
func (b *bench) ownEnvironment(ctx context.Context, r *rig) error {
	done, err := r.update(ctx, atOnce)
	if err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	var record struct{ Environment string }
	if err := readJSON(recordPath(r.dir, r.version), &record); err != nil {
		return err
	}
	if record.Environment == "" {
		return fmt.Errorf("release %d has no environment", r.version)
	}
	found := &b.costs.environments
	found.own = append(found.own, milliseconds(done.latency-done.gap))
	found.ownFiles, err = takenBy(filepath.Join(r.dir, ".ota", "venvs", record.Environment))
	return err
}

// environmentByHand does what the manuals say.
func (b *bench) environmentByHand(ctx context.Context, version int) (err error) {
	dir, err := os.MkdirTemp(b.tools.dir, "environment-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for _, one := range wheelOf(version) {
		if err := one.writeAtOnce(dir); err != nil {
			return err
		}
	}
	began := time.Now()
	if err := command(ctx, b.tools.python, "-m", "venv", filepath.Join(dir, "made")); err != nil {
		return err
	}
	err = command(ctx, filepath.Join(dir, "made", "bin", "pip"), "install", "--quiet", "--no-index",
		"--find-links", filepath.Join(dir, wheelFolder), fmt.Sprintf("%s==1.%d", wheelName, version))
	if err != nil {
		return err
	}
	found := &b.costs.environments
	found.byHand = append(found.byHand, milliseconds(time.Since(began)))
	found.byHandFiles, err = takenBy(filepath.Join(dir, "made"))
	return err
}

// takenBy is the room that a folder and all in it take.
func takenBy(dir string) (sum taken, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			sum.add(info)
		}
		return err
	})
	return sum, err
}

// wheelOf is a wheel of one version: a package of some modules, without
// dependencies.
func wheelOf(version int) []file {
	name := fmt.Sprintf("%s-1.%d", wheelName, version)
	app := application{wheelModules, largeLines, nil}
	content := []file{{wheelName + "/__init__.py", fmt.Sprintf("VERSION = %d\n", version)}}
	for i := range wheelModules {
		content = append(content, file{fmt.Sprintf("%s/m%03d.py", wheelName, i), app.module(i, version)})
	}
	about := name + ".dist-info/"
	content = append(content,
		file{about + "METADATA", fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: 1.%d\n", strings.ReplaceAll(wheelName, "_", "-"), version)},
		file{about + "WHEEL", "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
	)
	var record strings.Builder
	for _, one := range content {
		record.WriteString(one.path + ",,\n")
	}
	content = append(content, file{about + "RECORD", record.String() + about + "RECORD,,\n"})
	return []file{{wheelFolder + "/" + name + "-py3-none-any.whl", zipped(content)}}
}

// zipped is an archive of files. Into memory nothing fails.
func zipped(files []file) string {
	var archive bytes.Buffer
	into := zip.NewWriter(&archive)
	for _, one := range files {
		if out, err := into.Create(one.path); err == nil {
			_, _ = out.Write([]byte(one.text))
		}
	}
	_ = into.Close()
	return archive.String()
}
