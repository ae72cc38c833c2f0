//go:build linux

// Command transfer measures what it costs to bring a new release to a device that
// has an older one: bytes, time, and the device's processor and memory, for
// package transfer and for what people use today, in one run on one machine.
//
// In: the histories of five Python programs that run on Pis or for them, cloned from
// where they are public or as -repos has them; this tree's own history, from which
// ota is built, Go's module proxy and Debian's packages, if they are there; git,
// rsync, tar and zstd. Out: a Markdown page with every figure and its ratio to
// rsync's, from the same pair of releases. Never: a figure from another run, nor
// anything left outside its own temporary folder, but for what Go keeps in its caches
// of builds and modules.
//
//	CGO_ENABLED=0 go run ./bench/transfer -quick
//	CGO_ENABLED=0 go run ./bench/transfer -repos ~/clones >docs/transfer.md
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"
)

// extent is how much one run measures.
type extent struct {
	commits, patches, minors int  // pairs of each project
	quick                    bool // and only one pair of binaries
}

var (
	usual = extent{commits: 4, patches: 4, minors: 3}
	quick = extent{commits: 2, patches: 1, minors: 1, quick: true}
)

func main() {
	if len(os.Args) > 1 {
		if run, is := asChild[os.Args[1]]; is {
			if err := run(os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, "bench:", err)
				os.Exit(1)
			}
			return
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// asChild are the processes that a run starts of itself.
var asChild = map[string]func(args []string) error{
	"receive": receiveAsDevice,
	"shell":   shellForRsync,
	"call":    callForRsync,
}

func run(ctx context.Context) error {
	short := flag.Bool("quick", false, "few pairs: whether all of it works")
	repos := flag.String("repos", "", "`folder` with clones named OctoPrint, moonraker, mopidy, esphome and klipper, instead of cloning them")
	most := flag.Duration("time", time.Hour, "give up after so long")
	flag.Parse()
	ctx, cancel := context.WithTimeout(ctx, *most)
	defer cancel()
	if !static() {
		return errors.New("the device has to be linked as ota is: say CGO_ENABLED=0 go run ./bench/transfer")
	}
	for _, tool := range []string{"git", "rsync", "tar", "zstd"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s is needed: %w", tool, err)
		}
	}
	folder, err := os.MkdirTemp("", "ota-transfer-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	size := usual
	if *short {
		size = quick
	}
	b := &bench{ctx: ctx, folder: folder, repos: *repos, size: size}
	if err := b.measure(); err != nil {
		return err
	}
	return b.page(os.Stdout)
}

// static says whether this binary has no C in it, as ota has none: the device is this
// binary too, and a loader would take part of its processor and memory.
func static() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "CGO_ENABLED", Value: "0"})
}

// bench is one run.
type bench struct {
	ctx     context.Context
	folder  string
	repos   string
	size    extent
	results []result
	slow    []slowResult
	cuts    *cutResult
	missing []string // what was not measured, and why
}

// result is what one pair of releases cost in each way.
type result struct {
	pair  pair
	costs map[way]cost
}

func (b *bench) measure() error {
	for _, project := range projects {
		repo, err := b.repository(project)
		if err != nil {
			b.missing = append(b.missing, fmt.Sprintf("%s: %v", project.name, err))
			continue
		}
		if err := b.pairs(b.projectPairs(project, repo)); err != nil {
			return err
		}
	}
	if err := b.pairs(b.binaryPairs()); err != nil {
		return err
	}
	if len(b.results) == 0 {
		return errors.New("no pair of releases could be measured: " + strings.Join(b.missing, "; "))
	}
	if err := b.slowly(); err != nil {
		return fmt.Errorf("over the slow link: %w", err)
	}
	return b.cut()
}

func (b *bench) pairs(pairs []pair) error {
	for _, one := range pairs {
		if err := b.ctx.Err(); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%s, %s: %s to %s\n", one.project, one.kind, one.from, one.to)
		costs, err := b.compare(one, ways)
		if err != nil {
			return fmt.Errorf("%s, %s to %s: %w", one.project, one.from, one.to, err)
		}
		if costs != nil {
			b.results = append(b.results, result{one, costs})
		}
	}
	return nil
}

// command runs a program and returns what it printed.
func (b *bench) command(dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(b.ctx, name, args...)
	cmd.Dir = dir
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(complaint.String()))
	}
	return string(out), nil
}
