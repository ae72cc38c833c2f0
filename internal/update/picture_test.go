package update

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("update", false, "rewrite the golden files")

// TestPictureIsTrue: the states in the docs are those of the table.
func TestPictureIsTrue(t *testing.T) {
	const file = "../../docs/states.md"
	if *rewrite {
		if err := os.WriteFile(file, []byte(picture()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(picture(), string(got)); diff != "" {
		t.Errorf("%s is not what the table says; go test ./internal/update -update\n%s", file, diff)
	}
}

func picture() string {
	var page strings.Builder
	page.WriteString(`# The states of an update

Generated from the table in ` + "`internal/update/rows.go`" + `; a test compares them.

The whole state has three parts: how far an upload or a rollback has come (*attempt*), what the program does, and what is thought of the release that runs (*standing*).

## An upload's way into main/

`)
	drawAttempts(&page)
	page.WriteString("\n## The program\n\n")
	drawPrograms(&page)
	page.WriteString("\n## The release that runs\n\n")
	drawStandings(&page)
	page.WriteString("\n## Every row\n\nAn event that fits no row changes nothing. *any*: whatever the state. An empty next state stays as it was.\n\n")
	page.WriteString("| attempt | program | standing | event | next attempt | next program | next standing | acts |\n|---|---|---|---|---|---|---|---|\n")
	for _, row := range table {
		fmt.Fprintf(&page, "| %s | %s | %s | %s | %s | %s | %s | %s |\n",
			words(row.attempts), words(row.programs), words(row.standings), words(row.events),
			row.next.Attempt, row.next.Program, row.next.Standing, listed(row.acts))
	}
	return page.String()
}

func words[T ~string](list []T) string {
	if list == nil {
		return "*any*"
	}
	return listed(list)
}

func listed[T ~string](list []T) string {
	texts := make([]string, len(list))
	for i, one := range list {
		texts[i] = string(one)
	}
	return strings.Join(texts, ", ")
}

// drawAttempts draws the arrows between attempts, one for each pair of states.
func drawAttempts(page *strings.Builder) {
	page.WriteString("```mermaid\nstateDiagram-v2\n")
	arrows := map[string][]string{}
	var order []string
	for _, row := range table {
		for _, from := range row.attempts {
			if row.next.Attempt == "" || row.next.Attempt == from {
				continue
			}
			arrow := fmt.Sprintf("    %s --> %s", from, row.next.Attempt)
			if !slices.Contains(order, arrow) {
				order = append(order, arrow)
			}
			for _, event := range row.events {
				if !slices.Contains(arrows[arrow], string(event)) {
					arrows[arrow] = append(arrows[arrow], string(event))
				}
			}
		}
	}
	for _, arrow := range order {
		fmt.Fprintf(page, "%s: %s\n", arrow, strings.Join(arrows[arrow], ", "))
	}
	page.WriteString("```\n")
}

// drawStandings draws how a release becomes confirmed, or goes.
func drawStandings(page *strings.Builder) {
	page.WriteString("```mermaid\nstateDiagram-v2\n")
	var order []string
	for _, row := range table {
		from := row.standings
		if from == nil && row.next.Standing != "" {
			from = []Standing{"any"}
		}
		for _, one := range from {
			if row.next.Standing == "" || row.next.Standing == one {
				continue
			}
			arrow := fmt.Sprintf("    %s --> %s: %s\n", id(one), id(row.next.Standing), listed(row.events))
			if !slices.Contains(order, arrow) {
				order = append(order, arrow)
			}
		}
	}
	page.WriteString(strings.Join(order, "") + "```\n")
}

// id is a standing as a name in a picture, which knows no blanks.
func id(standing Standing) string { return strings.ReplaceAll(string(standing), " ", "_") }

// drawPrograms draws what happens to the program beside an attempt.
func drawPrograms(page *strings.Builder) {
	page.WriteString("```mermaid\nstateDiagram-v2\n")
	var order []string
	for _, row := range table {
		for _, from := range row.programs {
			if row.next.Program == "" || row.next.Program == from {
				continue
			}
			arrow := fmt.Sprintf("    %s --> %s: %s\n", from, row.next.Program, listed(row.events))
			if !slices.Contains(order, arrow) {
				order = append(order, arrow)
			}
		}
	}
	page.WriteString(strings.Join(order, "") + "```\n")
}
