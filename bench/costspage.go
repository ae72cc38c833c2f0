//go:build linux

package main

import (
	"fmt"
	"strings"
)

// Scale is for the template.
func (p page) Scale() string {
	rows := [][]string{{"changed", "", thousands(allFiles[0]) + " files", thousands(allFiles[1]) + " files", "ratio"}}
	for _, changed := range changedFiles {
		rows = append(rows, p.Costs.scaleRows(updating, changed)...)
	}
	rows = append(rows, p.Costs.scaleRows(rollingBack, rollbackFiles)...)
	return table(figures, rows)
}

// scaleRows are those of one kind of switch, a row for each thing measured.
func (c *costs) scaleRows(d deed, changed int) [][]string {
	title := filesText(changed)
	if d == rollingBack {
		title += ", back"
	}
	own := func(files int) place { return place{subject: heldName, deed: d, changed: changed, files: files} }
	row := func(label string, of func(files int) (summary, bool)) []string {
		small, measured := of(allFiles[0])
		large, too := of(allFiles[1])
		if !measured || !too {
			return nil
		}
		return []string{title, label, small.String(), large.String(), quotient(large.median, small.median)}
	}
	var rows [][]string
	for _, one := range []struct {
		label string
		of    func(files int) (summary, bool)
	}{
		{"gap, the floor's, ms", func(files int) (summary, bool) { return c.floorGap(changed, files) }},
		{"gap, ms", func(files int) (summary, bool) { return c.of(own(files), gap) }},
		{"gap beyond the floor's, ms", func(files int) (summary, bool) { return c.beyondFloor(d, changed, files) }},
		{"preparing, ms", func(files int) (summary, bool) { return c.of(own(files), preparing) }},
		{"system calls", func(files int) (summary, bool) { return c.of(own(files), callsMade) }},
		{"bytes written by them", func(files int) (summary, bool) { return c.of(own(files), bytesGiven) }},
		{"system calls, with a sweep", func(files int) (summary, bool) { return c.of(own(files), callsSwept) }},
	} {
		if cells := row(one.label, one.of); cells != nil {
			rows = append(rows, cells)
		}
	}
	return rows
}

func (c *costs) floorGap(changed, files int) (summary, bool) {
	return c.of(place{subject: floorName, deed: updating, changed: changed, files: files}, gap)
}

// beyondFloor is ota's own part of the gap, of the medians.
func (c *costs) beyondFloor(d deed, changed, files int) (summary, bool) {
	own, measured := c.of(place{subject: heldName, deed: d, changed: changed, files: files}, gap)
	floor, too := c.floorGap(changed, files)
	return summarize([]float64{own.median - floor.median}), measured && too
}

// Largest is for the template.
func (p page) Largest() string { return thousands(changedFiles[len(changedFiles)-1]) }

// NoCalls is for the template: why there are none.
func (p page) NoCalls() string { return p.Costs.noCalls }

// NoDisk is for the template.
func (p page) NoDisk() string { return p.Costs.noDisk }

// OnDisk is for the template.
func (p page) OnDisk() int { return p.Size.onDisk }

// Disk is for the template.
func (p page) Disk() string {
	rows := [][]string{{
		"", "B, KiB", "B in blocks, KiB", "upload", "floor", "copy of `main/`",
		"ota", "× floor", "without a journal", "× B", "× B in blocks", "flushes",
	}}
	for _, one := range p.Costs.written {
		own := one.own[journaled]
		rows = append(rows, []string{
			one.change.name, kib(one.change.bytes()), kib(one.change.blocks()), kib(one.upload.bytes), kib(one.floor.bytes), kib(one.copied.bytes),
			kib(own.bytes), quotient(float64(own.bytes), float64(one.floor.bytes)), kib(one.own[unjournaled].bytes),
			quotient(float64(own.bytes), float64(one.change.bytes())), quotient(float64(own.bytes), float64(one.change.blocks())),
			fmt.Sprint(own.flushes),
		})
	}
	return table(figures, rows)
}

// DiskBack is for the template.
func (p page) DiskBack() string {
	rows := [][]string{{"", "floor", "ota", "× floor", "without a journal", "× B in blocks", "flushes"}}
	for _, one := range p.Costs.written {
		own := one.back[journaled]
		rows = append(rows, []string{
			one.change.name, kib(one.backward.bytes), kib(own.bytes), quotient(float64(own.bytes), float64(one.backward.bytes)),
			kib(one.back[unjournaled].bytes), quotient(float64(own.bytes), float64(one.change.blocks())), fmt.Sprint(own.flushes),
		})
	}
	return table(figures, rows)
}

// Store is for the template.
func (p page) Store() string {
	rows := [][]string{{"", "files", "folders", "KiB", "KiB in whole blocks", "× what changed"}}
	var all taken
	changed := float64(p.Costs.stored.changed)
	row := func(label string, t taken) []string {
		return []string{
			label, fmt.Sprint(t.files), fmt.Sprint(t.folders), kib(t.bytes), kib(t.blocks), quotient(float64(t.bytes), changed),
		}
	}
	for _, of := range []share{contents, listings, records, spare, others} {
		t := p.Costs.stored.shares[of]
		rows = append(rows, row(string(of), t))
		all.files, all.folders = all.files+t.files, all.folders+t.folders
		all.bytes, all.blocks = all.bytes+t.bytes, all.blocks+t.blocks
	}
	return table(figures, append(rows, row("all of `.ota`", all)))
}

// Stored is for the template.
func (p page) Stored() stored { return p.Costs.stored }

// StoredKiB is for the template.
func (p page) StoredKiB() string { return kib(p.Costs.stored.changed) }

// Kept is for the template.
func (s stored) Kept() int { return s.kept }

// Releases is for the template.
func (s stored) Releases() int { return s.releases }

func filesText(count int) string {
	if count == 1 {
		return "1 file"
	}
	return thousands(count) + " files"
}

func kib(bytes int64) string { return number(float64(bytes) / 1024) }

func quotient(a, b float64) string {
	if a <= 0 || b <= 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", a/b)
}

// thousands writes a number as people read it.
func thousands(n int) string {
	text := fmt.Sprint(n)
	if len(text) > 3 {
		text = strings.Join([]string{text[:len(text)-3], text[len(text)-3:]}, ",")
	}
	return text
}
