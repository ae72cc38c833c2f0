package config

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("update", false, "rewrite the golden files")

// TestPageIsTrue: the settings in the docs are those of the code.
func TestPageIsTrue(t *testing.T) {
	const file = "../../docs/configuration.md"
	if *rewrite {
		if err := os.WriteFile(file, []byte(page()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(page(), string(got)); diff != "" {
		t.Errorf("%s is not what the code says; go test ./internal/config -update\n%s", file, diff)
	}
}

func page() string {
	var page strings.Builder
	page.WriteString(`# Configuration

Generated from ` + "`internal/config`" + `; a test compares them.

` + "`ota.toml`" + ` stands beside ` + "`deposit/`" + ` and is read when ` + "`ota run`" + ` starts. Everything in it is optional, and so is the file. A key that is not known is an error, with its line and the nearest name that is. Durations are strings as in ` + "`\"500ms\"`, `\"2s\"`, `\"1m30s\"`" + `; sizes are numbers of bytes or strings as in ` + "`\"10MB\"`, `\"64KiB\"`" + `; commands are arrays, and no shell is involved.

    [program]
    command = ["python3", "-u", "app.py"]
    env = { TZ = "Europe/Berlin" }

    [update]
    quiet = "2s"
    ignore = ["*.bak", "drafts/"]
    window = "02:00-05:00"

    [trial]
    period = "30s"
    http = "http://localhost:8080/health"

    [store]
    keep = 5

    [logs]
    max_total = "20MB"
`)
	table := ""
	for _, key := range Keys() {
		if key.Table != table {
			table = key.Table
			fmt.Fprintf(&page, "\n## [%s]\n\n| key | type | default | meaning |\n|---|---|---|---|\n", table)
		}
		fmt.Fprintf(&page, "| `%s` | %s | %s | %s |\n", key.Name, key.Type, code(key.Default), escapeCell(key.Doc))
	}
	return page.String()
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

func escapeCell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
