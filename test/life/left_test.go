//go:build linux

package life

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// window is how many samples are one figure: their median, as memory comes and
// goes with the garbage collector and the store with its sweeps.
const window = 25

// firsts is after how many updates ota has all that it needs.
const firsts = 100

// sample is what ota takes of the machine at one moment.
type sample [len(quantities)]int

// quantity is one kind of what it takes, and by how much the last median may
// exceed the first one.
type quantity struct {
	name  string
	slack func(first int) int
}

func by(most int) func(int) int { return func(int) int { return most } }

// tenth is for the store: how many contents the kept releases share differs.
func tenth(first int) int { return first / 10 }

var quantities = [...]quantity{
	{"memory in kB", by(2048)},
	{"anonymous memory in kB", by(2048)}, // the rest is the binary itself, read as it is needed
	{"open files", by(0)},
	{"threads", by(2)}, // the runtime starts one when another is long in a system call
	{"processes", by(0)},
	{".ota in kB", tenth},
	{"files in .ota", tenth},
	{"logs in kB", func(int) int { return mostLogs / 1024 }},
}

// mostLogs is what logs/ may take in the end: what is set, and beside it the
// list of the files.
const mostLogs = 1_000_000 + 16<<10

// String is the sample in one line.
func (s sample) String() string {
	var parts []string
	for i, quantity := range quantities {
		parts = append(parts, fmt.Sprintf("%s %d", quantity.name, s[i]))
	}
	return strings.Join(parts, ", ")
}

// sample looks what ota takes now, that the program runs or has ended.
func (l *life) sample() sample {
	l.Helper()
	status := l.status()
	descriptors, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", l.pid))
	if err != nil {
		l.Fatal(err)
	}
	kept, files := l.usage(filepath.Join(l.Dir, ".ota"))
	logs, _ := l.usage(filepath.Join(l.Dir, "logs"))
	return sample{status["VmRSS"], status["RssAnon"], len(descriptors), status["Threads"], l.children(), kept, files, logs}
}

// status are the numbers that the kernel tells of ota.
func (l *life) status() map[string]int {
	l.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", l.pid))
	if err != nil {
		l.Fatal(err)
	}
	numbers := map[string]int{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if fields := strings.Fields(value); len(fields) > 0 {
			numbers[name], _ = strconv.Atoi(fields[0])
		}
	}
	return numbers
}

// children counts the processes that are ota's, zombies too.
func (l *life) children() int {
	l.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		l.Fatal(err)
	}
	count := 0
	for _, path := range stats {
		text, _ := os.ReadFile(path) // it may have ended meanwhile
		if _, after, found := strings.Cut(string(text), ") "); found {
			if fields := strings.Fields(after); len(fields) > 1 && fields[1] == strconv.Itoa(l.pid) {
				count++
			}
		}
	}
	return count
}

// usage is what a folder takes on the disk, in kB, and how many names are in it.
func (l *life) usage(dir string) (kB, names int) {
	l.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil {
			var info fs.FileInfo
			if info, err = entry.Info(); err == nil {
				kB += int(info.Sys().(*syscall.Stat_t).Blocks) / 2
				names++
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // ota removes what it needs no more
		}
		return err
	})
	if err != nil {
		l.Fatal(err)
	}
	return kB, names
}

// last are the samples of the last figure.
func last(samples []sample) []sample { return samples[max(0, len(samples)-window):] }

// median is the middle of each quantity.
func median(samples []sample) sample {
	var middle sample
	for i := range middle {
		var values []int
		for _, one := range samples {
			values = append(values, one[i])
		}
		slices.Sort(values)
		middle[i] = values[len(values)/2]
	}
	return middle
}

// checkLeft compares the last samples with those after the first updates.
func (l *life) checkLeft(samples []sample) {
	l.Helper()
	if len(samples) < firsts+window {
		l.Logf("%d updates are too few to see what they leave behind", len(samples))
		return
	}
	first, end := median(samples[firsts-window:firsts]), median(last(samples))
	for i, quantity := range quantities {
		l.Logf("%-22s %6d after %d updates, %6d after %d", quantity.name, first[i], firsts, end[i], len(samples))
		if end[i] > first[i]+quantity.slack(first[i]) {
			l.Errorf("%s: %d, after the first %d updates it was %d", quantity.name, end[i], firsts, first[i])
		}
	}
	if logs := samples[len(samples)-1][len(quantities)-1]; logs > mostLogs/1024 {
		l.Errorf("logs/ takes %d kB", logs)
	}
}

// summary says how many updates came to which end.
func (l *life) summary() string {
	var lines strings.Builder
	for _, end := range slices.Sorted(maps.Keys(l.ended)) {
		fmt.Fprintf(&lines, "%6d %s\n", l.ended[end], end)
	}
	return lines.String()
}
