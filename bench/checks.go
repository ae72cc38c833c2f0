//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	checkModules = 500
	checkLines   = 100
	sampleEvery  = 5 * time.Millisecond // at memory
)

// checks is what the look at a program of 500 modules takes.
type checks struct {
	byCommand []float64         // ms, `ota check`
	compiled  map[int][]float64 // ms, the same files by Python's own compileall, by their number
	taken     map[int][]float64 // ms, from complete to the end of the old version, by the number of files
	resident  []float64         // MB, the most during a check, of all processes of ours
	sharing   []float64         // MB, the same with shared pages divided
}

func newChecks() checks { return checks{compiled: map[int][]float64{}, taken: map[int][]float64{}} }

// measureChecks times the look at a whole program and at uploads of one and of
// all of its files, and looks at memory meanwhile.
func (b *bench) measureChecks(ctx context.Context) (err error) {
	progress("the check of %d files", checkModules)
	app := application{checkModules, checkLines, nil}
	dir, err := os.MkdirTemp(b.tools.dir, "check-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for _, one := range append(app.base(), file{"main.py", app.imports()}) {
		if err := one.writeAtOnce(dir); err != nil {
			return err
		}
	}
	found := &b.costs.checks
	for n := range 1 + b.size.checks {
		all, err := timed(ctx, dir, b.tools.python, "-m", "compileall", "-q", "-f", ".")
		one, oneErr := timed(ctx, dir, b.tools.python, "-m", "compileall", "-q", "-f", appFolder+"/m000.py")
		own, ownErr := timed(ctx, dir, b.tools.ota, "check", dir)
		if err := errors.Join(err, oneErr, ownErr); err != nil {
			return err
		}
		if n > 0 { // the first reads a cold disk
			found.compiled[checkModules] = append(found.compiled[checkModules], all)
			found.compiled[1] = append(found.compiled[1], one)
			found.byCommand = append(found.byCommand, own)
		}
	}
	return b.checkUploads(ctx, app)
}

// timed runs a command in a folder, in ms.
func timed(ctx context.Context, dir string, argv ...string) (float64, error) {
	command := exec.CommandContext(ctx, argv[0], argv[1:]...)
	command.Dir = dir
	began := time.Now()
	if output, err := command.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("cannot run %s: %w\n%s", filepath.Base(argv[0]), err, output)
	}
	return milliseconds(time.Since(began)), nil
}

func (b *bench) checkUploads(ctx context.Context, app application) error {
	changed := 1
	with := makeup{
		imports: app.imports(), base: app.base(), settings: startSettings,
		brings: func(version int) []file { return app.some(changed, version) },
	}
	size := b.size
	size.tree, size.parts, size.folder = 0, 0, 1
	found := &b.costs.checks
	return b.withMadeUp(ctx, subjectCalled(b.tools, heldName), modeClock, size, with, func(r *rig) error {
		for n := range 1 + b.size.checks {
			for _, changed = range []int{1, checkModules} {
				if err := r.settle(ctx); err != nil {
					return err
				}
				done, err := r.update(ctx, atOnce)
				if err != nil {
					return err
				}
				if n > 0 { // the first finds nothing in the store
					found.taken[changed] = append(found.taken[changed], milliseconds(done.latency-done.gap))
				}
			}
		}
		for range b.size.checks {
			if err := r.settle(ctx); err != nil {
				return err
			}
			most, err := r.mostDuring(ctx, func() error { _, err := r.update(ctx, atOnce); return err })
			if err != nil {
				return err
			}
			found.resident = append(found.resident, float64(most.resident)/1e6)
			found.sharing = append(found.sharing, float64(most.proportional)/1e6)
		}
		return nil
	})
}

// mostDuring is the most memory that the subject had at once while act ran,
// without the programs under test.
func (r *rig) mostDuring(ctx context.Context, act func() error) (most usage, err error) {
	if err := r.stamps.read(); err != nil {
		return most, err
	}
	program := r.stamps.seen[len(r.stamps.seen)-1].pid
	done := make(chan error, 1)
	go func() { done <- act() }()
	for {
		now, err := memoryOf(r.process.Process.Pid, program)
		if err != nil {
			return most, errors.Join(err, <-done)
		}
		most.resident = max(most.resident, now.resident)
		most.proportional = max(most.proportional, now.proportional)
		select {
		case err := <-done:
			return most, err
		case <-time.After(sampleEvery):
		}
	}
}

// memoryOf adds up what the process root and its children have, but not the
// programs under test: the one of this number, and those that run main.py.
func memoryOf(root, program int) (usage, error) {
	parents, err := readParents()
	if err != nil {
		return usage{}, err
	}
	var sum usage
	for _, pid := range below(parents, root, program) {
		rollup, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "smaps_rollup"))
		command, commandErr := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
		if gone(err) || gone(commandErr) || runsMain(command) {
			continue
		}
		if err := errors.Join(err, commandErr); err != nil {
			return usage{}, err
		}
		one, err := parseRollup(rollup)
		if err != nil {
			continue // it is ending, and has no memory any more
		}
		sum.resident += one.resident
		sum.proportional += one.proportional
	}
	return sum, nil
}

// runsMain tells a program under test by its command line.
func runsMain(command []byte) bool {
	return slices.Contains(strings.Split(string(command), "\x00"), "main.py")
}

// parseRollup reads /proc/PID/smaps_rollup.
func parseRollup(text []byte) (sum usage, err error) {
	resident, err := parseField(text, "Rss")
	if err != nil {
		return sum, err
	}
	proportional, err := parseField(text, "Pss")
	return usage{resident: resident * 1024, proportional: proportional * 1024}, err
}
