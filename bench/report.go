//go:build linux

package main

import (
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"
	"time"
)

//go:embed page.md
var pageText string

// page is everything that the Markdown page tells.
type page struct {
	Machine   []fact
	Size      extent
	ArmBinary int64
	Results   *results
	Costs     *costs
	Parts     []part
	Missing   []string
}

func writePage(out io.Writer, p page) error {
	text, err := template.New("page").Parse(pageText)
	if err != nil {
		return fmt.Errorf("cannot read the page's template: %w", err)
	}
	if err := text.Execute(out, p); err != nil {
		return fmt.Errorf("cannot write the page: %w", err)
	}
	return nil
}

// Goals is for the template.
func (p page) Goals() []goal { return append(p.Results.goals(p.ArmBinary), p.Costs.goals()...) }

// Has is for the template: whether a part was measured.
func (p page) Has(name string) bool { return slices.Contains(p.Parts, part(name)) }

// Subjects is for the template.
func (p page) Subjects() string {
	rows := [][]string{{"", "started as", "uploads go"}}
	for _, one := range p.Results.subjects {
		rows = append(rows, []string{one.name, one.inCode(), string(one.delivery)})
	}
	return table(words, rows)
}

// Updates is for the template.
func (p page) Updates() string {
	return p.Results.table([]column{
		{latency, "last byte → first line, ms"}, {latency, ratio},
		{gap, "last line → first line, ms"}, {gap, ratio},
		{refused, "calls without an answer"}, {refused, ratio},
		{outage, "longest time without, ms"},
	})
}

// Uploads is for the template.
func (p page) Uploads() string {
	rows := [][]string{{"", "starts", "of them on a part of the upload", "the whole upload runs in the end"}}
	for _, one := range p.Results.subjects {
		ends := p.Results.samples[one.name][endings]
		right := 0
		for _, each := range ends {
			right += int(each)
		}
		rows = append(rows, []string{
			one.name, p.Results.cell(one.name, column{starts, ""}), p.Results.cell(one.name, column{tornStarts, ""}),
			fmt.Sprintf("%d of %d", right, len(ends)),
		})
	}
	return table(figures, rows)
}

// Idle is for the template.
func (p page) Idle() string {
	return p.Results.table([]column{
		{processor, "processor time, ms"}, {awake, "quarters of a second in which it ran"}, {wakeups, "threads woken"},
		{resident, "resident, MB"}, {resident, ratio}, {proportional, "proportional, MB"},
	})
}

// SlowUpload is for the template: how long one takes, without the stall.
func (p page) SlowUpload() string { return seconds(slowUpload) }

// Stall is for the template.
func (p page) Stall() string { return seconds(stall) }

// Files is for the template: how many are in one upload.
func (p page) Files() int { return p.Size.parts + 1 }

// Tree is for the template: how many files in main/ stay as they are.
func (p page) Tree() int { return p.Size.tree }

// IdleTime is for the template.
func (p page) IdleTime() string { return seconds(p.Size.idle) }

// OtaIdleTime is for the template.
func (p page) OtaIdleTime() string { return seconds(p.Size.otaIdle) }

// OtaSettles is for the template.
func (p page) OtaSettles() string { return seconds(p.Size.otaSettles) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.0f s", d.Seconds()) }

// ratio is the heading of a column that has its figures divided by the floor's.
const ratio = "× floor"

// column is one of a table: the measure, and what stands above it.
type column struct {
	measure measure
	heading string
}

// table has a row for each subject of which the first column was measured.
func (r *results) table(columns []column) string {
	heading := []string{""}
	for _, one := range columns {
		heading = append(heading, one.heading)
	}
	rows := [][]string{heading}
	for _, one := range r.subjects {
		if _, measured := r.of(one.name, columns[0].measure); !measured {
			continue
		}
		row := []string{one.name}
		for _, each := range columns {
			row = append(row, r.cell(one.name, each))
		}
		rows = append(rows, row)
	}
	return table(figures, rows)
}

func (r *results) cell(name string, c column) string {
	own, measured := r.of(name, c.measure)
	if !measured {
		return "–"
	}
	if c.heading != ratio {
		return own.String()
	}
	floor, measured := r.of(floorName, c.measure)
	if !measured || floor.median == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", own.median/floor.median)
}

// String is the median with its spread, unless there is none.
func (s summary) String() string {
	if s.low == s.high {
		return number(s.median)
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.median), number(s.low), number(s.high))
}

// number has a digit behind the point where that says something.
func number(value float64) string {
	if value >= 100 || value == float64(int64(value)) {
		return fmt.Sprintf("%.0f", value)
	}
	return fmt.Sprintf("%.1f", value)
}

// Failures is for the template: what was started but never seen to finish.
func (p page) Failures() []string {
	var all []string
	for _, one := range p.Results.subjects {
		if count := p.Results.failures[one.name]; count > 0 {
			all = append(all, fmt.Sprintf("%s: %s never seen running", one.name, updates(count)))
		}
	}
	return all
}

func updates(count int) string {
	if count == 1 {
		return "1 update was"
	}
	return fmt.Sprintf("%d updates were", count)
}

// alignment is that of all columns of a table but the first, as in Markdown.
type alignment string

const (
	words   alignment = "---"
	figures alignment = "---:"
)

// table is Markdown.
func table(a alignment, rows [][]string) string {
	var text strings.Builder
	for i, row := range rows {
		text.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i == 0 {
			text.WriteString("|---" + strings.Repeat("|"+string(a), len(row)-1) + "|\n")
		}
	}
	return text.String()
}
