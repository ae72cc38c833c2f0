//go:build linux

// Command bench measures what an update costs, and what keeping watch costs
// while nothing happens, for ota, for a bare floor and for what people use
// today, in one run on one machine.
//
// In: the tree it is started in, from which it builds ota; Python 3; what of
// the others is installed or can be fetched by npm; strace, and root with loop
// devices and mkfs.ext4, for what only they can count. Out: a Markdown page with
// every figure as a median, its spread and a ratio to the floor, and how far
// the goals are met. Never: a figure from another run or another machine, nor
// anything left outside its own temporary folder.
//
//	go run ./bench -quick
//	go run ./bench -quick -parts idle,scale,disk,store
//	go run ./bench -parts starts,check,environment
//	go run ./bench >docs/benchmarks.md
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// extent is how much one run of the bench measures.
type extent struct {
	rounds  int           // times every subject is started afresh for each measure of an update
	updates int           // updates timed each time
	idles   int           // times every subject is watched while idle
	idle    time.Duration // how long each time

	otaSettles time.Duration // after the start, in which its release proves itself
	otaIdle    time.Duration // how long ota is watched

	tree   int // files in main/ that no update touches
	parts  int // files in an upload beside main.py
	folder int // files in one folder

	scaleRounds  int // times a small and a large main/ are laid out anew
	scaleUpdates int // switches of each kind timed in each
	onDisk       int // updates of each kind whose bytes are counted
	releases     int // made before the store is looked at

	startRounds  int // times every program is started afresh in each manner
	startUpdates int // updates timed in each
	checks       int // of each kind that are timed
	environments int // made in each way
}

var (
	full = extent{
		rounds: 2, updates: 4, idles: 1, idle: 30 * time.Second, otaSettles: 40 * time.Second, otaIdle: 170 * time.Second, tree: 500, parts: 19, folder: 500,
		scaleRounds: 2, scaleUpdates: 5, onDisk: sweepsEvery, releases: 100,
		startRounds: 3, startUpdates: 3, checks: 3, environments: 3,
	}
	quick = extent{
		rounds: 1, updates: 2, idles: 1, idle: 5 * time.Second, otaSettles: 5 * time.Second, otaIdle: 5 * time.Second, tree: 500, parts: 19, folder: 500,
		scaleRounds: 1, scaleUpdates: 2, onDisk: 1, releases: 20,
		startRounds: 1, startUpdates: 2, checks: 1, environments: 1,
	}
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == floorCommand {
		exit(keepOnFloor(os.Args[2:], os.Stdin))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, os.Args[1:], os.Stdout))
}

func exit(err error) {
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	short := flags.Bool("quick", false, "a short run, to see that everything works")
	only := flags.String("only", "", "comma-separated first `words` of the subjects to measure; the floor always is")
	partly := flags.String("parts", "", "comma-separated `parts` to measure instead of all: peers, idle, scale, disk, store, starts, check, environment")
	python := flags.String("python", systemPython(), "the interpreter under every subject")
	prebuilt := flags.String("ota", "", "measure this `binary` instead of building one")
	under := flags.String("dir", "", "the `folder`, and so the file system, to work in")
	if err := flags.Parse(args); err != nil {
		return err
	}
	parts, err := chooseParts(*partly)
	if err != nil {
		return err
	}
	size := full
	if *short {
		size = quick
	}
	dir, err := makeFolder(*under)
	if err != nil {
		return fmt.Errorf("cannot make a folder to work in: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := adoptOrphans(); err != nil {
		return err
	}
	tools, err := newTools(dir, *python)
	if err != nil {
		return err
	}
	wanted := choose(subjects(tools), *only)
	if !slices.Contains(parts, partPeers) && !slices.Contains(parts, partIdle) {
		wanted = choose(subjects(tools), "ota")
	}
	if err := tools.prepare(ctx, wanted, *prebuilt); err != nil {
		return err
	}
	if err := plainEnvironment(*python); err != nil {
		return err
	}
	chosen, missing := present(wanted)
	bench := &bench{tools: tools, size: size, results: newResults(chosen, size.otaIdle), costs: newCosts()}
	if err := bench.measureParts(ctx, parts, chosen); err != nil {
		return err
	}
	return writePage(out, page{
		Machine: describeMachine(dir, tools.versions(chosen)), Size: size, Parts: parts,
		ArmBinary: tools.armBinary, Results: bench.results, Costs: bench.costs, Missing: missing,
	})
}

// chooseParts reads a list of parts, of which an empty one means all.
func chooseParts(list string) ([]part, error) {
	if list == "" {
		return allParts, nil
	}
	var chosen []part
	for name := range strings.SplitSeq(list, ",") {
		if !slices.Contains(allParts, part(name)) {
			return nil, fmt.Errorf("there is no part %q to measure", name)
		}
		chosen = append(chosen, part(name))
	}
	return chosen, nil
}

// makeFolder makes one below the folder under, or below that for temporary
// files if it is empty. Its path is absolute.
func makeFolder(under string) (string, error) {
	if under == "" {
		under = os.TempDir()
	}
	absolute, err := filepath.Abs(under)
	if err != nil {
		return "", err
	}
	return os.MkdirTemp(absolute, "ota-bench-")
}

// choose returns the floor and those whose first words are in only, or all.
func choose(all []subject, only string) []subject {
	words := strings.Split(only, ",")
	return slices.DeleteFunc(all, func(s subject) bool {
		return only != "" && s.name != floorName && !slices.Contains(words, strings.Fields(s.name)[0])
	})
}

// present splits the subjects into those that can be started here and a word
// about each of the others.
func present(wanted []subject) (chosen []subject, missing []string) {
	for _, one := range wanted {
		if _, err := exec.LookPath(one.argv[0]); err != nil {
			missing = append(missing, fmt.Sprintf("%s, which is not installed", one.name))
			continue
		}
		chosen = append(chosen, one)
	}
	return chosen, missing
}

// plainEnvironment makes all subjects find the same Python by its name, without
// a shim before it, and without what whoever measures has set for it.
func plainEnvironment(python string) error {
	for _, each := range os.Environ() {
		if name, _, _ := strings.Cut(each, "="); strings.HasPrefix(name, "PYTHON") {
			if err := os.Unsetenv(name); err != nil {
				return err
			}
		}
	}
	return os.Setenv("PATH", filepath.Dir(python)+string(filepath.ListSeparator)+os.Getenv("PATH"))
}

// adoptOrphans makes this process the parent of whatever a subject leaves
// behind when it ends, so that stopping one stops all of it.
func adoptOrphans() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot become the parent of orphans: %w", err)
	}
	return nil
}

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// systemPython is the interpreter that a device has, not one of a developer's
// own: a shim before it would be measured instead.
func systemPython() string {
	for _, path := range []string{"/usr/bin/python3", "/usr/local/bin/python3"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	path, err := exec.LookPath("python3")
	if err != nil {
		return "python3"
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return absolute
}
