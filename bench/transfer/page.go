//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// goal is a bound of the geometric mean of a ratio.
type goal struct {
	what    string
	kind    kind
	way     way
	against way
	most    float64
	of      func(cost) float64
}

func bytesOf(c cost) float64 { return float64(c.bytes) }
func cpuOf(c cost) float64   { return c.cpu.Seconds() }

var goals = []goal{
	{"bytes", commit, ours, rsync, 0.03, bytesOf},
	{"bytes", patch, ours, rsync, 0.1, bytesOf},
	{"bytes", minor, ours, rsync, 0.4, bytesOf},
	{"bytes", binary, ours, rsync, 0.1, bytesOf},
	{"bytes", commit, oursUnknown, rsyncSums, 0.15, bytesOf},
	{"bytes", patch, oursUnknown, rsyncSums, 0.35, bytesOf},
	{"bytes", minor, oursUnknown, rsyncSums, 0.75, bytesOf},
	{"device's processor", commit, ours, rsync, 1, cpuOf},
	{"device's processor", patch, ours, rsync, 1, cpuOf},
	{"device's processor", minor, ours, rsync, 1, cpuOf},
	{"device's processor", binary, ours, rsync, 1, cpuOf},
}

const mostMemory = 24 << 20

func (b *bench) page(out io.Writer) error {
	var p strings.Builder
	p.WriteString("# Transfer\n\nWhat it costs to bring a new release to a device that has an older one. All of it was measured in one run, on one machine, by\n\n    CGO_ENABLED=0 go run ./bench/transfer >docs/transfer.md\n\nwhich wrote this page. What package `transfer` does is told in [design.md](design.md#transfer).\n\n")
	for _, fact := range b.facts() {
		fmt.Fprintf(&p, "* %s\n", fact)
	}
	p.WriteString("\n## Goals\n\nGeometric means of ratios, over all pairs of a kind.\n\n| | measured | at most | |\n|---|---:|---:|---|\n")
	for _, goal := range goals {
		mean, n := b.mean(goal.kind, goal.way, goal.against, goal.of)
		if n > 0 {
			fmt.Fprintf(&p, "| %s: %s, %s to %s | %.3f | %g | %s |\n", goal.what, goal.kind, goal.way, goal.against, mean, goal.most, verdict(mean <= goal.most))
		}
	}
	memory := b.memory()
	fmt.Fprintf(&p, "| device's memory, the most of all pairs | %.1f MB | %d MB | %s |\n", float64(memory)/(1<<20), mostMemory>>20, verdict(memory <= mostMemory))
	if b.cuts != nil {
		fmt.Fprintf(&p, "| %d cuts in one push: bytes to those of one without | %.4f | 1.02 | %s |\n", b.cuts.cuts, b.cuts.ratio(), verdict(b.cuts.ratio() <= 1.02))
	}
	b.medians(&p)
	b.slowPage(&p)
	b.all(&p)
	if len(b.missing) > 0 {
		p.WriteString("\n## Not measured\n\n")
		for _, what := range b.missing {
			fmt.Fprintf(&p, "* %s\n", what)
		}
	}
	_, err := io.WriteString(out, p.String())
	return err
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "**missed**"
}

func (b *bench) facts() []string {
	version := func(name string, args ...string) string {
		out, _ := b.command("", name, args...)
		first, _, _ := strings.Cut(out, "\n")
		return strings.TrimSpace(first)
	}
	processor, _ := os.ReadFile("/proc/cpuinfo")
	model := runtime.GOARCH
	if _, after, found := bytes.Cut(processor, []byte("model name\t: ")); found {
		name, _, _ := bytes.Cut(after, []byte("\n"))
		model = string(name)
	}
	return []string{
		"date: " + time.Now().Format("2 January 2006"),
		fmt.Sprintf("processor: %s, %d cores", model, runtime.NumCPU()),
		"versions: " + version("rsync", "--version") + "; " + strings.Trim(version("zstd", "--version"), "* ") + "; " + runtime.Version(),
		"bytes: both ways together, as the two ends of the connection count them, or the size of the file that crosses",
		"time: no slow link between the two ends; for zstd the time to make the file",
		"processor and memory: of the device's process, from its start to its end; rsync's two processes together",
		"rsync finds what is unchanged by time and size, as in a working tree; `-azc` by check sums; both delete what is gone",
		fmt.Sprintf("pairs: of each program %d commits of the last 600 that are no merges, %d releases of which only the last number differs from the one before, and %d first releases of a minor version with the one before, spread evenly over its history", b.size.commits, b.size.patches, b.size.minors),
		"binaries: builds of ota as it is shipped for a Pi, from this commit, the one before that changes it, and ones 12 and 24 before; two versions of Go programs built for a Pi; and of files in Debian's packages, the two newest that apt offers",
		fmt.Sprintf("runs: %d of each commit and of each patch release, %d of each minor one, %d of each binary; of bytes, time and processor the median counts, of memory the most", runsOf[commit], runsOf[minor], runsOf[binary]),
		"ota's device knows the listing of its own release; zstd's level is " + zstdLevel[1:],
	}
}

// mean is the geometric mean of a ratio over the pairs of a kind.
func (b *bench) mean(kind kind, way, against way, of func(cost) float64) (mean float64, n int) {
	sum := 0.0
	for _, result := range b.results {
		x, y := of(result.costs[way]), of(result.costs[against])
		if result.pair.kind == kind && x > 0 && y > 0 {
			sum, n = sum+math.Log(x/y), n+1
		}
	}
	return math.Exp(sum / float64(max(n, 1))), n
}

func (b *bench) memory() (most int64) {
	for _, result := range b.results {
		for _, cost := range result.costs {
			most = max(most, cost.memory)
		}
	}
	return most
}

func (b *bench) medians(p *strings.Builder) {
	p.WriteString("\n## Medians\n\nIn parentheses the geometric mean of the ratio to `rsync -az`.\n")
	for _, kind := range []kind{commit, patch, minor, binary} {
		if _, n := b.mean(kind, ours, rsync, bytesOf); n > 0 {
			fmt.Fprintf(p, "\n| %s, %d pairs | bytes | | ms | | device's processor, ms | device's memory, MB |\n|---|---:|---:|---:|---:|---:|---:|\n", kind, n)
			for _, way := range ways {
				b.medianRow(p, kind, way)
			}
		}
	}
}

func (b *bench) medianRow(p *strings.Builder, kind kind, way way) {
	median := func(of func(cost) float64) float64 {
		var all []float64
		for _, result := range b.results {
			if result.pair.kind == kind {
				all = append(all, of(result.costs[way]))
			}
		}
		slices.Sort(all)
		return (all[len(all)/2] + all[(len(all)-1)/2]) / 2
	}
	timeOf := func(c cost) float64 { return c.time.Seconds() }
	ratioBytes, _ := b.mean(kind, way, rsync, bytesOf)
	ratioTime, _ := b.mean(kind, way, rsync, timeOf)
	cpu, memory := "", ""
	if c := median(cpuOf); c > 0 {
		ratio, _ := b.mean(kind, way, rsync, cpuOf)
		cpu = fmt.Sprintf("%.0f (%.2f)", c*1000, ratio)
	}
	if m := median(func(c cost) float64 { return float64(c.memory) }); m > 0 {
		memory = fmt.Sprintf("%.1f", m/(1<<20))
	}
	fmt.Fprintf(p, "| %s | %s | (%.3f) | %.0f | (%.2f) | %s | %s |\n", way, figure(median(bytesOf)), ratioBytes, median(timeOf)*1000, ratioTime, cpu, memory)
}

// figure is a number of bytes for people.
func figure(bytes float64) string {
	switch {
	case bytes < 1000:
		return fmt.Sprintf("%.0f B", bytes)
	case bytes < 999_500:
		return fmt.Sprintf("%.1f KB", bytes/1000)
	}
	return fmt.Sprintf("%.2f MB", bytes/1e6)
}

func (b *bench) all(p *strings.Builder) {
	p.WriteString("\n## Every pair, bytes\n\n| | |")
	for _, way := range ways {
		fmt.Fprintf(p, " %s |", way)
	}
	p.WriteString("\n|---|---|" + strings.Repeat("---:|", len(ways)) + "\n")
	for _, result := range b.results {
		fmt.Fprintf(p, "| %s | %s, %s to %s |", result.pair.project, result.pair.kind, result.pair.from, result.pair.to)
		for _, way := range ways {
			fmt.Fprintf(p, " %s |", figure(bytesOf(result.costs[way])))
		}
		p.WriteString("\n")
	}
}
