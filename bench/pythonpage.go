//go:build linux

package main

import "fmt"

// Starts is for the template.
func (p page) Starts() string {
	rows := [][]string{{"", "by hand, ms", "with bytecode, ms", "ota, ms", "× by hand", "warm, ms", "× by hand"}}
	for _, k := range []kind{bareKind, heavyKind, largeKind} {
		floor, measured := p.Costs.startOf(startPlace{k, byHand})
		if !measured {
			continue
		}
		cell := func(how manner) (text, ratio string) {
			own, measured := p.Costs.startOf(startPlace{k, how})
			if !measured {
				return "–", "–"
			}
			return own.String(), quotient(own.median, floor.median)
		}
		rested, _ := cell(again)
		plain, plainRatio := cell(plainly)
		warm, warmRatio := cell(warmly)
		rows = append(rows, []string{p.Costs.kindText(k), floor.String(), rested, plain, plainRatio, warm, warmRatio})
	}
	return table(figures, rows)
}

// Crashes is for the template: what is said of starts after a crash; "" if
// nothing was measured.
func (p page) Crashes() string {
	plain, measured := p.Costs.startOf(startPlace{heavyKind, crashed})
	warm, too := p.Costs.startOf(startPlace{heavyKind, warmed})
	if !measured || !too {
		return ""
	}
	return fmt.Sprintf("After a crash of the one with %s it is %s ms from its last line to its first, and %s ms warm.", p.Costs.kindText(heavyKind), plain, warm)
}

// StartModules is for the template.
func (p page) StartModules() string {
	return fmt.Sprintf("%d modules of %d lines each, of which %d change", largeModules, largeLines, largeChanged)
}

// Heavy is for the template: the large import.
func (p page) Heavy() string { return p.Costs.heavy }

// Checks is for the template.
func (p page) Checks() string {
	rows := [][]string{{"", "compiled by Python, ms", "ota, ms", "× compiled"}}
	row := func(label string, compiled, own []float64) {
		if len(compiled) == 0 || len(own) == 0 {
			return
		}
		floor, mine := summarize(compiled), summarize(own)
		rows = append(rows, []string{label, floor.String(), mine.String(), quotient(mine.median, floor.median)})
	}
	found := p.Costs.checks
	row(fmt.Sprintf("`ota check` of %d files", checkModules), found.compiled[checkModules], found.byCommand)
	row("an upload of 1 of them", found.compiled[1], found.taken[1])
	row(fmt.Sprintf("an upload of all %d", checkModules), found.compiled[checkModules], found.taken[checkModules])
	return table(figures, rows)
}

// CheckMemory is for the template.
func (p page) CheckMemory() string {
	found := p.Costs.checks
	if len(found.resident) == 0 {
		return "not known"
	}
	return fmt.Sprintf("%s MB, with pages that several of them share counted in each, and %s MB without that",
		summarize(found.resident), summarize(found.sharing))
}

// CheckLines is for the template.
func (p page) CheckLines() int { return checkLines }

// CheckModules is for the template.
func (p page) CheckModules() int { return checkModules }

// NoEnvironment is for the template: why there are no figures.
func (p page) NoEnvironment() string { return p.Costs.noEnvironment }

// Environments is for the template.
func (p page) Environments() string {
	found := p.Costs.environments
	if len(found.own) == 0 || len(found.byHand) == 0 {
		return ""
	}
	floor, own := summarize(found.byHand), summarize(found.own)
	ratio := func(a, b int64) string { return quotient(float64(a), float64(b)) }
	return table(figures, [][]string{
		{"", "`python3 -m venv`, `pip install`", "ota", "ota ÷ by hand"},
		{"time, ms", floor.String(), own.String(), quotient(own.median, floor.median)},
		{"files", fmt.Sprint(found.byHandFiles.files), fmt.Sprint(found.ownFiles.files), ratio(int64(found.ownFiles.files), int64(found.byHandFiles.files))},
		{"KiB", kib(found.byHandFiles.bytes), kib(found.ownFiles.bytes), ratio(found.ownFiles.bytes, found.byHandFiles.bytes)},
		{"KiB in whole blocks", kib(found.byHandFiles.blocks), kib(found.ownFiles.blocks), ratio(found.ownFiles.blocks, found.byHandFiles.blocks)},
	})
}
